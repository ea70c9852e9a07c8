from dataclasses import replace
from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tools.calling import MemoryStore, context
from tools import telephone as module
from tools.call_words import CALL_WORDS, CallWords, call_words
from tools.executor import Executor
from tools.outcomes import Status
from tools.telephone import EMERGENCY, Dialled, Exchange, Rules, Telephone, dialled
from tools.tool import Effect


class Line:
    """A telephone on which everything goes as the script says."""

    def __init__(self, *outcomes: Dialled) -> None:
        self.outcomes = list(outcomes)
        self.calls: list[tuple[str, str | None, str]] = []
        self.through: list[tuple[str, str, str]] = []

    async def dial(self, number: str, *, person: str | None, words: str) -> Dialled:
        self.calls.append((number, person, words))
        return self.outcomes.pop(0)

    def put_through(self, device: str, number: str, *, who: str) -> bool:
        self.through.append((device, number, who))
        return device == "sip:100"


RULES = Rules(people=("ana",), numbers=("+49170*", "**610"), daily_limit=2, reminders=("ben",))


class House:
    def __init__(self, *outcomes: Dialled, rules: Rules = RULES, words: CallWords = CALL_WORDS["en"]) -> None:
        self.line = Line(*outcomes)
        exchange = Exchange()
        exchange.line = self.line
        self.told: list[str] = []
        contacts = {"ben": "+49 170 1234567", "ana": "**610", "aunt": "+1 555"}
        self.kept = MemoryStore()
        self.telephone = Telephone(exchange, contacts, rules, self.kept, self.tell, lambda: UTC, words)
        self.executor = Executor(self.telephone.tools())

    async def tell(self, text: str) -> None:
        self.told.append(text)

    async def ask(
        self,
        person: str | None = "ana",
        turn: str = "1",
        tool: str = "call_person",
        device: str = "kitchen",
        **arguments: str,
    ):
        asked = replace(context(turn, device=device), person=person)
        outcome = await self.executor.call(tool, arguments, asked, allowed=frozenset(Effect))
        assert outcome.status is Status.UNCONFIRMED
        confirmed = await self.executor.confirm(asked.conversation, asked, yes=True)
        assert confirmed is not None
        return outcome, confirmed

    async def made(self) -> None:
        """Make one call that is wanted."""
        wanted = await self.telephone._wanted.get()
        outcome = await self.telephone._tried(wanted, busy_only=True)
        if outcome is not Dialled.ANSWERED:
            await self.tell(self.telephone._told(wanted.who, outcome))


@pytest.fixture(autouse=True)
def no_wait(monkeypatch):
    monkeypatch.setattr(module, "AGAIN_SECONDS", 0.0)


async def test_a_call_is_confirmed_and_made_with_the_message():
    house = House(Dialled.ANSWERED)
    asked, outcome = await house.ask(who="Ben", message="dinner is ready")
    assert asked.say == "Shall I call Ben and say: dinner is ready?"
    assert outcome.say == "I'm calling Ben."
    await house.made()
    ((number, person, words),) = house.line.calls
    assert (number, person) == ("+491701234567", "Ben")
    assert "Ana wants to tell you: dinner is ready" in words


async def test_nobody_is_put_through_to_a_person_who_does_not_want_to_be_disturbed():
    house = House()
    house.telephone._exchange.undisturbed = lambda person: person == "ben"
    _, outcome = await house.ask(tool="put_through", device="sip:100", who="Ben")
    assert outcome.status is Status.FAILED
    assert (outcome.say, outcome.data) == (
        "Ben does not want to be disturbed now. You can leave a message.",
        {"why": "undisturbed"},
    )
    assert not house.line.through


@pytest.mark.parametrize(
    ("language", "said", "busy"),
    [
        ("de", "Ana lässt ausrichten: das Essen ist fertig.", "Bei Ben ist besetzt."),
        ("fr", "Ana vous fait dire : das Essen ist fertig.", "La ligne de Ben est occupée."),
        ("es", "Ana quiere decirle: das Essen ist fertig.", "La línea de Ben está ocupada."),
    ],
)
async def test_people_are_spoken_to_in_the_language_of_the_household(language: str, said: str, busy: str):
    house = House(Dialled.BUSY, Dialled.BUSY, words=call_words(language))
    await house.ask(who="Ben", message="das Essen ist fertig")
    await house.made()
    assert said in house.line.calls[0][2]
    assert house.told == [busy]


async def test_whoever_calls_is_put_through_after_a_yes():
    house = House()
    asked, outcome = await house.ask(tool="put_through", device="sip:100", who="Ben")
    assert asked.say == "Shall I put you through to Ben?"
    assert outcome.say == "I'm putting you through to Ben."
    assert house.line.through == [("sip:100", "+491701234567", "Ben")]
    assert house.kept.entries[0]["calls"] == 1


@pytest.mark.parametrize(
    ("asks", "said"),
    [
        ({"who": "aunt", "device": "sip:100"}, "may not call that number"),
        ({"who": "ben", "device": "sip:100", "person": "ben"}, "people of the house whom I know"),
        ({"who": "ben", "device": "kitchen"}, "who calls me by telephone"),
        ({"who": "ben", "device": "sip:200"}, "cannot be put through"),
    ],
)
async def test_who_may_not_or_cannot_be_put_through_hears_why(asks, said):
    house = House()
    _, outcome = await house.ask(tool="put_through", **asks)
    assert outcome.status is Status.FAILED
    assert said in outcome.say


async def test_a_name_that_was_written_as_it_sounds_is_known():
    house = House()
    assert house.telephone.number("Anna") == "**610"
    assert house.telephone.number("Benn") == "+491701234567"
    assert house.telephone.number("Bernadette") is None


@pytest.mark.parametrize("person", [None, "ben"])
async def test_only_who_is_permitted_has_calls_made(person):
    house = House()
    _, outcome = await house.ask(person, who="ben")
    assert outcome.status is Status.FAILED
    assert not house.kept.entries


async def test_a_number_that_is_not_permitted_is_not_called():
    house = House()
    _, outcome = await house.ask(who="aunt")
    assert "may not call that number" in outcome.say


async def test_somebody_unknown_is_not_called():
    _, outcome = await House().ask(who="the moon")
    assert "don't know the number" in outcome.say


@pytest.mark.parametrize("number", sorted(EMERGENCY))
async def test_an_emergency_number_is_never_called(number):
    rules = Rules(people=("ana",), numbers=(number, "1*", "9*", "0*"), daily_limit=9, reminders=())
    _, outcome = await House(rules=rules).ask(who=number)
    assert outcome.status is Status.FAILED


async def test_a_day_has_so_many_calls():
    house = House(Dialled.ANSWERED, Dialled.ANSWERED)
    for turn in "12":
        _, outcome = await house.ask(who="ben", turn=turn)
        assert outcome.status is Status.DONE
    _, outcome = await house.ask(who="ben", turn="3")
    assert "as many calls today" in outcome.say
    house.kept.entries[0]["day"] = "2000-01-01"
    _, outcome = await house.ask(who="ben", turn="4")
    assert outcome.status is Status.DONE


async def test_who_is_busy_is_called_again_and_who_does_not_answer_is_told_of():
    house = House(Dialled.BUSY, Dialled.NOBODY)
    await house.ask(who="ben")
    await house.made()
    assert len(house.line.calls) == 2
    assert house.told == ["Ben does not answer."]


async def test_a_reminder_rings_twice_and_counts():
    house = House(Dialled.NOBODY, Dialled.ANSWERED)
    assert await house.telephone.ring("ben", "It is time for your pills.")
    assert [words for *_, words in house.line.calls] == ["It is time for your pills."] * 2
    assert house.kept.entries[0]["calls"] == 1


async def test_whose_reminders_do_not_ring_is_left_alone():
    house = House()
    assert not await house.telephone.ring("ana", "x")
    assert not await house.telephone.ring(None, "x")
    assert not house.line.calls


async def test_without_a_telephone_nobody_can_be_reached():
    assert await Exchange().dial("1", person=None, words="") is Dialled.FAILED


@given(st.text(alphabet="+0123456789*#", max_size=12))
def test_a_pattern_permits_what_begins_with_it_and_nothing_else(number):
    rules = Rules((), ("+49170*", "**610", "*"), 1, ())
    assert rules.permit(number) == (
        number not in EMERGENCY and (number.startswith("+49170") or number in ("**610", "*"))
    )
    assert dialled(number) == number
