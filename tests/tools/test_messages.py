import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.json_store import JsonStore
from tests.tools.calling import ALL, MemoryStore, context
from tools import messages as module
from tools.call_words import call_words
from tools.executor import Executor
from tools.messages import MailboxFull, Messages

NOON = datetime(2026, 5, 6, 12, tzinfo=UTC).timestamp()
HOUR, DAY = 3600.0, 24 * 3600.0


class Mailbox:
    def __init__(self, store=None, language: str = "en") -> None:
        self.now = NOON
        words = call_words(language)
        self.messages = Messages(store or MemoryStore(), ["Ana", "Ben"], lambda: UTC, lambda: self.now, words)
        self.turns = 0

    async def tell(self, person: str | None) -> list[str]:
        """Tell somebody everything, who hears it."""
        tellings = await self.messages.waiting(person)
        for each in tellings:
            self.messages.settle(each, heard=True)
        await self.messages.save()
        return [each.said for each in tellings]

    async def read(self, person: str | None = None, **arguments) -> str:
        self.turns += 1
        asked = replace(context(str(self.turns)), person=person)
        executor = Executor(self.messages.tools())
        return (await executor.call("read_messages", arguments, asked, allowed=ALL)).say


async def test_a_person_is_told_who_called_and_when_once():
    box = Mailbox()
    await box.messages.leave("I will be late", caller="tom", to="Ana")
    box.now += HOUR
    assert await box.tell("ana") == ["Ana, Tom called at 12:00 PM: I will be late."]
    assert await box.tell("ana") == []


async def test_it_says_on_which_day_where_that_is_over():
    box = Mailbox()
    await box.messages.leave("The parcel has come.", caller="+15551234", to=None)
    box.now += DAY
    assert await box.tell("ben") == ["Somebody at +15551234 called yesterday at 12:00 PM: The parcel has come."]


@pytest.mark.parametrize(
    ("language", "today", "yesterday", "longer_ago", "hint"),
    [
        (
            "de",
            "Ana, Tom hat um 12:00 Uhr angerufen: Bis um neun.",
            "Tom hat gestern um 12:00 Uhr angerufen",
            "Tom hat am 7.5. um 12:00 Uhr angerufen",
            "Für Ana gibt es eine Nachricht von Tom.",
        ),
        (
            "fr",
            "Ana, Tom a appelé à 12:00 : Bis um neun.",
            "Tom a appelé hier à 12:00",
            "Tom a appelé le 7/5 à 12:00",
            "Il y a un message pour Ana de Tom.",
        ),
        (
            "es",
            "Ana, Tom ha llamado a las 12:00: Bis um neun.",
            "Tom ha llamado ayer a las 12:00",
            "Tom ha llamado el 7/5 a las 12:00",
            "Hay un mensaje para Ana de Tom.",
        ),
    ],
)
async def test_it_is_told_in_the_language_of_the_household(
    language: str, today: str, yesterday: str, longer_ago: str, hint: str
):
    box = Mailbox(language=language)
    await box.messages.leave("Bis um neun.", caller="tom", to="Ana")
    assert await box.tell(None) == [hint]
    assert await box.tell("ana") == [today]
    for days, said in ((1, yesterday), (8, longer_ago)):
        await box.messages.leave("Bis um neun.", caller="tom", to=None)
        box.now += days * DAY
        assert (await box.read("ana")).startswith(said)


async def test_nobody_else_hears_a_person_s_message():
    box = Mailbox()
    await box.messages.leave("It is a surprise", caller="", to="Ana")
    assert await box.tell("ben") == []
    assert await box.read("ben") == "There are no new messages."
    assert await box.tell("ana") == ["Ana, somebody without a number called at 12:00 PM: It is a surprise."]


async def test_where_nobody_knows_who_listens_it_is_mentioned_once():
    box = Mailbox()
    await box.messages.leave("It is a surprise", caller="tom", to="Ana")
    assert await box.tell(None) == ["There is a message for Ana from Tom."]
    assert await box.tell(None) == []
    assert "surprise" in await box.read()
    assert await box.tell("ana") == []


async def test_what_nobody_heard_is_told_again_and_not_in_two_conversations_at_once():
    box = Mailbox()
    await box.messages.leave("Hello", caller="tom", to=None)
    (telling,) = await box.messages.waiting("ana")
    assert await box.messages.waiting("ben") == []
    box.messages.settle(telling, heard=False)
    assert await box.tell("ben") == ["Tom called at 12:00 PM: Hello."]


async def test_messages_survive_a_restart(tmp_path):
    store = JsonStore(tmp_path / "messages.json")
    await Mailbox(store).messages.leave("Hello", caller="tom", to="Ana")
    assert await Mailbox(store).tell("ana")
    assert await Mailbox(store).tell("ana") == []


async def test_a_damaged_file_costs_nothing_but_itself():
    box = Mailbox(MemoryStore([{"id": 5, "what": "?"}]))
    assert await box.tell("ana") == []
    await box.messages.leave("Hello", caller="tom", to=None)
    assert await box.tell("ana")


async def test_what_was_told_can_be_asked_for_again_for_a_week():
    box = Mailbox()
    await box.messages.leave("Hello", caller="tom", to="Ana")
    await box.tell("ana")
    assert await box.read("ana") == "There are no new messages."
    assert "Hello" in await box.read("ana", which="all")
    box.now += 8 * DAY
    assert await box.read("ana", which="all") == "There are no messages."


async def test_what_nobody_came_for_is_dropped_after_a_month():
    box = Mailbox()
    await box.messages.leave("Hello", caller="tom", to="Ana")
    box.now += 31 * DAY
    assert await box.tell("ana") == []


async def test_one_caller_cannot_fill_the_mailbox():
    box = Mailbox()
    for _ in range(module.MOST_FROM_ONE):
        assert await box.messages.takes_from("")
        await box.messages.leave("Hello", caller="", to=None)
    assert not await box.messages.takes_from("")
    with pytest.raises(MailboxFull):
        await box.messages.leave("Hello", caller="", to=None)
    await box.messages.leave("Hello", caller="tom", to=None)


async def test_a_full_mailbox_takes_no_more():
    box = Mailbox()
    for number in range(module.MOST):
        await box.messages.leave("Hello", caller=str(number), to=None)
    assert not await box.messages.takes_from("tom")
    with pytest.raises(MailboxFull):
        await box.messages.leave("Hello", caller="tom", to=None)


async def test_what_cannot_be_written_is_not_taken():
    class Full(MemoryStore):
        async def save(self, entries) -> None:
            raise OSError("no space left")

    box = Mailbox(Full())
    with pytest.raises(OSError, match="no space"):
        await box.messages.leave("Hello", caller="tom", to=None)
    assert await box.tell("ana") == []


@given(st.lists(st.tuples(st.sampled_from(["Ana", "Ben", None]), st.text(min_size=1, max_size=2000)), max_size=8))
def test_each_is_told_to_whom_it_is_for_and_exactly_once(left):
    async def run() -> None:
        box = Mailbox()
        for number, (to, text) in enumerate(left):
            await box.messages.leave(text, caller=str(number), to=to)
        for person in ("Ana", "Ben"):
            told = await box.tell(person)
            others = person == "Ben"
            assert len(told) == sum(to == person or (to is None and not others) for to, _ in left)
            assert await box.tell(person) == []

    asyncio.run(run())
