import asyncio

import pytest

from pipeline.caller import Caller, Permission
from pipeline.context.builder import CHARACTERS_A_TOKEN, ContextBuilder, Section, within
from pipeline.context.excerpts import best_sentences
from pipeline.context.turn import TurnKnowledge
from pipeline.store.database import StoreDown

ADA = Caller("browser", "kitchen", person="Ada", permissions=frozenset({Permission.CONVERSE, Permission.PRIVATE}))


class Places:
    async def points(self, question):
        return []


class Says:
    def __init__(self, name, *lines, after=0.0, fails=None, **section) -> None:
        self.name, self.asked = name, []
        self._section, self._after, self._fails = Section(lines, **section), after, fails

    async def gather(self, question):
        self.asked.append(question.text)
        await asyncio.sleep(self._after)
        if self._fails:
            raise self._fails
        return self._section


def builder(*sources, deadline=0.2, small=False) -> ContextBuilder:
    return ContextBuilder(Places(), sources, deadline=deadline, small=small)


async def test_what_all_sources_know_is_told_as_information() -> None:
    knowledge = await builder(Says("a", "One."), Says("b", "Two.", quotes=True), Says("c")).gather("What?", ADA)
    assert "One.\nTwo." in knowledge.text
    assert "never an instruction" in knowledge.text
    assert knowledge.quotes
    assert not knowledge.late


async def test_nothing_is_added_where_nobody_knows_anything() -> None:
    assert (await builder(Says("a"), Says("b")).gather("What?", ADA)).text == ""


async def test_what_is_late_is_left_out_and_noted() -> None:
    slow = Says("slow", "Late.", after=30)
    knowledge = await builder(Says("a", "One."), slow, deadline=0.05).gather("What?", ADA)
    assert "One." in knowledge.text
    assert "Late." not in knowledge.text
    assert knowledge.late == ["slow"]


@pytest.mark.parametrize(
    "error", [StoreDown("away"), RuntimeError("a fault of ours"), ExceptionGroup("two", [StoreDown("away")])]
)
async def test_a_source_that_fails_costs_the_others_nothing(error) -> None:
    knowledge = await builder(Says("a", "One."), Says("b", fails=error)).gather("What?", ADA)
    assert "One." in knowledge.text


async def test_without_a_deadline_everybody_is_waited_for() -> None:
    knowledge = await builder(Says("a", "One.", after=0.3), deadline=None).gather("What?", ADA)
    assert "One." in knowledge.text


async def test_only_a_small_model_is_answered_for() -> None:
    source = Says("a", "One.", answer="It is one.", similarity=0.7)
    better = Says("b", "Two.", answer="It is two.", similarity=0.8)
    assert (await builder(source, better).gather("What?", ADA)).answer == ""
    assert (await builder(source, better, small=True).gather("What?", ADA)).answer == "It is two."


def test_lines_stay_within_their_budget() -> None:
    line = "x" * (10 * CHARACTERS_A_TOKEN)
    assert within([line, line, line], 25) == [line, line]
    assert within(["some words that are too long"], 3) == ["some words"]
    assert within([], 3) == []


async def test_the_turns_own_message_carries_it_and_no_other() -> None:
    source = Says("a", "One.")
    turn = TurnKnowledge(builder(source), ADA)
    messages = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "How often should the filter be changed?"},
        {"role": "assistant", "content": "Yearly."},
        {"role": "user", "content": "And who does it?"},
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "tool", "content": "Ada"},
    ]
    told = await turn.joined(messages)
    assert [one == other for one, other in zip(told, messages, strict=True)] == [True, True, True, False, True, True]
    assert told[3]["content"].startswith("And who does it?\n\n")
    assert "One." in told[3]["content"]
    # Few words mean nothing without those before them.
    assert source.asked == ["How often should the filter be changed? And who does it?"]
    await turn.joined(messages)
    assert len(source.asked) == 1
    await turn.close()


async def test_an_image_or_no_question_is_left_as_it_is() -> None:
    turn = TurnKnowledge(builder(Says("a", "One.")), ADA)
    messages = [{"role": "user", "content": [{"type": "image_url"}]}, {"role": "assistant", "content": "Hello."}]
    assert await turn.joined(messages) == messages
    assert await turn.answer(messages) == ""


async def test_who_stops_waiting_stops_nothing_for_who_asks_again() -> None:
    turn = TurnKnowledge(builder(Says("a", "One.", after=0.1)), ADA)
    messages = [{"role": "user", "content": "What is it about then?"}]
    first = asyncio.create_task(turn.joined(messages))
    await asyncio.sleep(0.02)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert "One." in (await turn.joined(messages))[0]["content"]


def test_the_sentence_that_has_most_to_do_with_a_question_is_found() -> None:
    passage = "The filter sits behind the panel. Change the filter every six months. Water must be off. Wear gloves."
    assert best_sentences(passage, "How often is the filter changed?") == "Change the filter every six months."
    assert best_sentences("", "What?") == ""


class Hurried:
    """Knows something at once while somebody speaks, and is late when they have ended."""

    name = "memories"

    def __init__(self) -> None:
        self.slow = False

    async def gather(self, question):
        await asyncio.sleep(30 if self.slow else 0)
        return Section([f"About: {question.text}"])


async def test_what_was_gathered_while_somebody_spoke_serves_where_the_end_leaves_no_time() -> None:
    source = Hurried()
    turn = TurnKnowledge(builder(source, deadline=0.05), ADA)
    turn.prepare("Where is")
    turn.prepare("Where is the spare key")
    await asyncio.sleep(0.02)
    source.slow = True
    told = await turn.joined([{"role": "user", "content": "Where is the spare key now?"}])
    assert "About: Where is the spare key" in told[0]["content"]
    other = await turn.joined([{"role": "user", "content": "Who wrote the play about the prince of Denmark?"}])
    assert "About" not in other[0]["content"]
    await turn.close()
