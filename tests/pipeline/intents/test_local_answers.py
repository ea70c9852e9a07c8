from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.processors.aggregators.llm_context import LLMContext

from pipeline.caller import Caller, Permission
from pipeline.intents.local_answers import QUIETEST, LocalAnswers, NotOnSpeculation
from pipeline.intents.matching import LocalIntents
from pipeline.toolbox import Toolbox, tool_context
from tests.tools.calling import HERE
from tools.timer_board import Timer
from tools.tool import Context, Effect, Result, TryAgain, tool

HOUSEHOLD = frozenset({Permission.CONVERSE, Permission.PRIVATE, Permission.CONTROL})
INTENTS = LocalIntents("en")


class Voice:
    volume = 0.5


class Talk:
    """One caller's conversation with the house, turn after turn."""

    def __init__(
        self,
        folder: Path,
        *,
        permissions: frozenset[Permission] = HOUSEHOLD,
        voice: Voice | None = None,
        providers: Any = None,
    ) -> None:
        async def ring(_: Timer) -> None: ...

        caller = Caller("test", "kitchen", permissions=permissions)
        self._turn = 0
        self.context = LLMContext()
        self.toolbox = Toolbox(folder, on_ring=ring, providers=providers)
        self.answers = LocalAnswers(
            INTENTS,
            self.toolbox.executor,
            caller=caller,
            loudness=voice,
            context=lambda: tool_context(caller, conversation="talk", turn=str(self._turn), zone=HERE),
        )

    async def say(self, text: str, *, speculative: bool = False, again: bool = False) -> str | None:
        if not again:
            self._turn += 1
            self.context.add_message({"role": "user", "content": text})
        answer = await self.answers.answer(self.context, speculative=speculative)
        if answer is not None:
            self.context.add_message({"role": "assistant", "content": answer})
        return answer


@pytest.fixture
def talk(tmp_path: Path) -> Talk:
    return Talk(tmp_path)


async def test_a_command_is_carried_out_and_answered(talk: Talk) -> None:
    assert await talk.say("Set a timer for ten minutes.") == "10 minutes, starting now."
    assert (await talk.say("How long is left on the timer?") or "").startswith("The 10 minute timer has ")


async def test_a_question_is_left_to_the_model(talk: Talk) -> None:
    assert await talk.say("Why is the sky blue?") is None


async def test_what_a_tool_told_the_model_is_no_command(talk: Talk) -> None:
    talk.context.add_message({"role": "user", "content": "Read me the page."})
    talk.context.add_message({"role": "tool", "tool_call_id": "1", "content": "clear the shopping list"})
    assert await talk.say("", again=True) is None


async def test_two_commands_get_two_answers(talk: Talk) -> None:
    answer = await talk.say("Add milk to the shopping list and set a timer for five minutes")
    assert answer == "Milk is on the shopping list. 5 minutes, starting now."


async def test_nothing_is_done_while_the_person_may_go_on(talk: Talk) -> None:
    with pytest.raises(NotOnSpeculation):
        await talk.say("Set a timer for ten minutes.", speculative=True)
    assert await talk.say("How long is left?") == "There is no timer running."


async def test_what_only_tells_is_answered_at_once(talk: Talk) -> None:
    assert (await talk.say("What time is it?", speculative=True) or "").startswith("It's ")


async def test_the_same_turn_acts_once(talk: Talk) -> None:
    await talk.say("Set a timer for ten minutes.")
    talk.context.set_messages(talk.context.messages[:-1])
    await talk.say("", again=True)
    assert (await talk.say("How long is left?") or "").startswith("The 10 minute timer has ")


async def test_what_deletes_is_asked_first(talk: Talk) -> None:
    await talk.say("Add milk to the shopping list")
    assert await talk.say("Clear the shopping list") == "Shall I empty the shopping list?"
    with pytest.raises(NotOnSpeculation):
        await talk.say("Yes, please.", speculative=True)
    assert await talk.say("", again=True) == "The shopping list is empty now."
    assert await talk.say("Yes.") is None, "there is nothing left to confirm"


async def test_a_no_leaves_everything_as_it_was(talk: Talk) -> None:
    await talk.say("Add milk to the shopping list")
    await talk.say("Clear the shopping list")
    assert await talk.say("No.") == "All right, I left it."
    assert await talk.say("What's on the shopping list?") == "There is milk on the shopping list."


async def test_a_guest_may_ask_and_change_nothing(tmp_path: Path) -> None:
    guest = Talk(tmp_path, permissions=frozenset({Permission.CONVERSE}))
    assert (await guest.say("What time is it?") or "").startswith("It's ")
    assert await guest.say("Set a timer for ten minutes") == "Sorry, that is not allowed from here."


async def test_the_last_answer_is_repeated(talk: Talk) -> None:
    await talk.say("What is 12 times 9?")
    assert await talk.say("Can you repeat that?") == "That's 108."


async def test_the_voice_gets_louder_and_never_silent(tmp_path: Path) -> None:
    voice = Voice()
    talk = Talk(tmp_path, voice=voice)
    await talk.say("Louder.")
    assert voice.volume == 0.75
    await talk.say("Set the volume to 0 percent")
    assert voice.volume == QUIETEST
    for _ in range(9):
        await talk.say("Turn it up.")
    assert voice.volume == 1.0


async def test_where_nothing_is_heard_there_is_no_volume(talk: Talk) -> None:
    assert await talk.say("Louder.") == "I can't change the volume here."


async def test_what_the_house_cannot_do_it_says_unless_the_client_may(talk: Talk) -> None:
    assert await talk.say("Turn on the lamp.") == "I can't control the home yet."
    lamp = FunctionSchema("switch_lamp", "Switch a lamp", {}, [])
    talk.context.set_tools(ToolsSchema([lamp]))
    assert await talk.say("Turn on the lamp.") is None
    assert (await talk.say("What time is it?") or "").startswith("It's ")
    talk.context.set_tool_choice({"type": "function", "function": {"name": "switch_lamp"}})
    assert await talk.say("What time is it?") is None


async def test_arguments_that_make_no_sense_are_left_to_the_model(talk: Talk) -> None:
    assert await talk.say("Wake me up at the break of dawn") is None


async def test_timers_outlive_the_process(tmp_path: Path) -> None:
    await Talk(tmp_path).say("Set a pasta timer for 8 minutes")
    left = await Talk(tmp_path).say("How long is left on the pasta timer?")
    assert left in ("The pasta timer has 8 minutes left.", "The pasta timer has 7 minutes and 59 seconds left.")


@pytest.mark.parametrize(
    ("language", "clear", "question", "yes", "done", "no", "left"),
    [
        ("de", "Leere die Einkaufsliste", "Soll ich die Liste leeren?", "Ja, gerne.", "Die Liste ist jetzt leer.", "Nein.", "Gut, ich lasse es."),
        ("fr", "Vide la liste de courses", "Dois-je vider la liste ?", "Oui.", "La liste est vide maintenant.", "Non merci.", "D'accord, je n'ai rien fait."),
        ("es", "Vacía la lista de la compra", "¿Vacío la lista?", "Sí, por favor.", "La lista está vacía ahora.", "Mejor no.", "De acuerdo, lo dejo."),
    ],
)  # fmt: skip
async def test_who_is_heard_in_another_language_is_answered_in_it(
    talk: Talk, language: str, clear: str, question: str, yes: str, done: str, no: str, left: str
) -> None:
    talk.answers.language = language
    assert await talk.say(clear) == question
    assert await talk.say(no) == left
    assert await talk.say(clear) == question
    assert await talk.say(yes) == done


async def test_a_conversation_goes_from_one_language_to_another_and_back(talk: Talk) -> None:
    talk.answers.language = "de"
    assert await talk.say("Stelle einen Timer auf zehn Minuten") is not None
    assert await talk.say("How long is left on the timer?") is None
    talk.answers.language = "en"
    assert (await talk.say("How long is left on the timer?") or "").startswith("The 10 minute timer has ")


async def test_a_conversation_from_another_device_goes_on_here(tmp_path: Path) -> None:
    talk = Talk(tmp_path)
    assert await talk.say("Where were we?") == "I don't know of a conversation with you at another device."

    async def elsewhere():
        return [{"role": "user", "content": "Let us plan the party."}, {"role": "assistant", "content": "Who comes?"}]

    talk.answers._elsewhere = elsewhere
    assert await talk.say("Let's continue our conversation here.") == "Gladly, let's go on where we stopped."
    contents = [message["content"] for message in talk.context.messages]
    assert contents[-4:] == [
        "Let us plan the party.",
        "Who comes?",
        "Let's continue our conversation here.",
        "Gladly, let's go on where we stopped.",
    ]
    # What is there already does not come twice.
    assert await talk.say("Where were we?") == "I don't know of a conversation with you at another device."


class Skies:
    """Tells what it was asked."""

    def tools(self):
        return [tool(self.get_weather, effect=Effect.READ)]

    async def get_weather(
        self, context: Context, place: str | None = None, when: str | None = None, about: str | None = None
    ) -> Result:
        """Tell the weather."""
        return Result(f"{about or 'weather'} {when or 'now'} {place or 'here'}")


async def test_who_asks_on_needs_to_say_only_what_is_different(tmp_path: Path) -> None:
    talk = Talk(tmp_path, providers=SimpleNamespace(sets=[Skies()], todos=None))
    assert await talk.say("And on Sunday?") is None
    assert await talk.say("Will it rain tomorrow in Paris?", speculative=True) == "rain tomorrow Paris"
    assert await talk.say("And on Sunday?") == "rain sunday Paris"
    assert await talk.say("How about in London?") == "rain sunday London"
    assert await talk.say("Set a timer for ten minutes.") == "10 minutes, starting now."
    assert await talk.say("And on Monday?") is None


async def test_where_the_house_has_no_such_tool_it_says_so(talk: Talk) -> None:
    assert await talk.say("What's the weather like?") == "I can't check the weather here."


async def test_examples_for_the_model_were_never_said(tmp_path: Path) -> None:
    talk = Talk(tmp_path)
    talk.context.set_messages(
        [{"role": "user", "content": "What time is it?"}, {"role": "assistant", "content": "It's 20:29."}]
    )
    talk.answers._spoken_from = 2
    assert await talk.say("What did you say?") == "I haven't said anything yet."
    assert await talk.say("And in London?") is None


async def test_what_was_just_set_is_corrected_and_taken_back(talk: Talk) -> None:
    assert await talk.say("Set a timer for five minutes.") == "5 minutes, starting now."
    assert await talk.say("No, I mean eight minutes.") == "I stopped the 5 minute timer. 8 minutes, starting now."
    assert await talk.say("Cancel that.") == "I stopped the 8 minute timer."
    assert await talk.say("Which timers are running?") == "There is no timer running."


async def test_nothing_is_taken_back_where_only_a_question_was_asked(talk: Talk) -> None:
    await talk.say("Set a timer for five minutes.")
    await talk.say("What time is it?")
    assert await talk.say("Cancel that.") == ""
    assert (await talk.say("Which timers are running?") or "").startswith("The 5 minute timer has ")


async def test_what_was_left_out_is_asked_for(talk: Talk) -> None:
    assert await talk.say("Set a timer.") == "For how long?"
    assert await talk.say("Ten minutes.") == "10 minutes, starting now."
    assert await talk.say("Remind me to call Ana.") == "When shall I remind you?"
    assert await talk.say("In half an hour.") == "I'll remind you in 30 minutes: call Ana."


async def test_without_another_program_our_own_list_is_the_one_for_to_dos(talk: Talk) -> None:
    await talk.say("Add call the plumber to my to-do list")
    assert await talk.say("Check off call the plumber.") == "I took call the plumber off the to-do list."


class Lamps:
    """A house with one lamp."""

    def tools(self):
        return [tool(self.turn_on, effect=Effect.CONTROL)]

    async def turn_on(self, context: Context, name: str, room: str | None = None) -> Result:
        """Turn on a lamp."""
        if name != "the lamp":
            raise TryAgain("There is nothing called so.")
        return Result("The lamp is on.")


def household(tmp_path: Path, *, small: bool) -> Talk:
    talk = Talk(tmp_path, providers=SimpleNamespace(sets=[Lamps()], todos=None))
    talk.answers._house = talk.answers._intents = LocalIntents("en")
    talk.answers._house.furnish([("Lamp", "light")], [])
    talk.answers._small = small
    return talk


@pytest.mark.parametrize("small", [False, True])
async def test_of_two_commands_the_one_that_is_not_done_is_told_too(tmp_path: Path, *, small: bool) -> None:
    talk = household(tmp_path, small=small)
    told = await talk.say("Turn on the lamp and the flux capacitor")
    assert told == "The lamp is on. I know of nothing called the flux capacitor in the house that can do that."


async def test_a_model_that_would_make_things_up_is_not_asked_for_most_of_a_command(tmp_path: Path) -> None:
    talk = household(tmp_path, small=True)
    assert (
        await talk.say("Turn on the flux capacitor")
        == "I know of nothing called the flux capacitor in the house that can do that."
    )
    assert (await talk.say("Wake me up when the rooster crows") or "").startswith("I didn't quite get that, so I did")
    assert (await talk.say("Set the timer to something nice") or "").startswith("I didn't quite get that, so I did")
    assert await talk.say("Turn left at the corner") is None
    assert await talk.say("I set a timer for five minutes yesterday") is None
    assert await talk.say("Who is at the door?") is None
    assert await talk.say("Passfel?") == "Yes, I'm here."
    assert await talk.say("Yes.") == "All right."


async def test_a_larger_model_finds_out_what_is_meant(tmp_path: Path) -> None:
    talk = household(tmp_path, small=False)
    assert await talk.say("Turn on the flux capacitor") is None
    assert await talk.say("Wake me up when the rooster crows") is None
    assert await talk.say("Who was Ada Lovelace?") is None
