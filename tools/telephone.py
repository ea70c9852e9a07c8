"""The assistant's own calls: somebody has it call somebody, or a reminder rings a telephone when nobody heard it."""

import asyncio
import difflib
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import Enum
from typing import Any, Final, Protocol

from loguru import logger

from tools.call_words import CALL_WORDS, CallWords
from tools.messages import Messages
from tools.store import Store
from tools.tool import Context, Effect, Failed, Result, Tool, tool
from tools.wording import begun

AGAIN_SECONDS: Final = 60.0
"""Between two tries."""
TRIES: Final = 2
"""How often somebody is called who is busy, and at most somebody whom a reminder is for."""
MOST_WAITING: Final = 4
"""Calls that wait to be made."""
EMERGENCY: Final = frozenset({"110", "112", "911", "999", "000", "111", "118", "119", "15", "17", "18", "113", "114"})
"""A machine that misheard must not call these, whatever the settings say."""
ALIKE: Final = 0.8
"""From which likeness on, 0 to 1, what was heard is a name."""
_DIGITS: Final = re.compile(r"\+?[\d*#]{2,32}")

Announce = Callable[[str], Awaitable[object]]


class Dialled(Enum):
    """What came of a call."""

    ANSWERED = "answered"
    BUSY = "busy"
    NOBODY = "nobody"
    FAILED = "failed"


class Dialler(Protocol):
    """Makes calls."""

    async def dial(self, number: str, *, person: str | None, words: str) -> Dialled:
        """Call a number and, once somebody answers, say `words` and talk with them; returns when that has begun."""

    def put_through(self, device: str, number: str, *, who: str) -> bool:
        """Have the telephone that calls talk with a number instead, soon; False where that is not possible.

        Where the number is not reached after all, the caller is told so, and goes on talking with the assistant.

        Args:
            device: which telephone calls.
            who: whose number it is, as it is said.
        """


class Exchange:
    """Where a telephone plugs in, which comes up later than the tools, and may go away."""

    def __init__(self) -> None:
        self.line: Dialler | None = None
        self.messages: Messages | None = None
        """Where callers leave messages; None where none are taken."""
        self.undisturbed: Callable[[str | None], bool] = lambda _: False
        """Whether nobody wants to be disturbed now, or a person does not."""

    async def dial(self, number: str, *, person: str | None, words: str) -> Dialled:
        """Call by the telephone that is plugged in; without one nobody can be reached."""
        if self.line is None:
            return Dialled.FAILED
        return await self.line.dial(number, person=person, words=words)

    def put_through(self, device: str, number: str, *, who: str) -> bool:
        """Put a caller through by the telephone that is plugged in."""
        return self.line is not None and self.line.put_through(device, number, who=who)


@dataclass(frozen=True, slots=True)
class Rules:
    """Who may have whom called."""

    people: Sequence[str]
    numbers: Sequence[str]
    """What may be called: a number, or its beginning and `*`."""
    daily_limit: int
    reminders: Sequence[str]
    """People whose telephone rings for their reminders."""

    def may(self, person: str | None) -> bool:
        """Tell whether this person may have calls made."""
        return person is not None and person.casefold() in {each.casefold() for each in self.people}

    def permit(self, number: str) -> bool:
        """Tell whether a number may be called."""
        if number in EMERGENCY:
            return False
        return any(
            number.startswith(each[:-1]) if each.endswith("*") and len(each) > 1 else number == each
            for each in self.numbers
        )

    def rings(self, person: str | None) -> bool:
        """Tell whether reminders of this person ring a telephone."""
        return person is not None and person.casefold() in {each.casefold() for each in self.reminders}


@dataclass(frozen=True, slots=True)
class _Wanted:
    who: str
    number: str
    words: str


class Telephone:
    """Has calls made.

    Args:
        exchange: makes them.
        contacts: names and their numbers.
        rules: who may have whom called.
        made: where it is kept how many were made today.
        announce: tells what came of a call.
        zone: the household's time zone, asked for anew each time.
        words: what is said to people by telephone, in the household's language.
    """

    def __init__(
        self,
        exchange: Exchange,
        contacts: Mapping[str, str],
        rules: Rules,
        made: Store,
        announce: Announce | None,
        zone: Callable[[], tzinfo],
        words: CallWords = CALL_WORDS["en"],
    ) -> None:
        self._exchange = exchange
        self._contacts = {name.casefold(): number for name, number in contacts.items()}
        self._rules = rules
        self._made = made
        self._announce = announce
        self._zone = zone
        self._words = words
        self._wanted: asyncio.Queue[_Wanted] = asyncio.Queue(MOST_WAITING)
        self._counting = asyncio.Lock()

    def tools(self) -> Sequence[Tool]:
        """What can be asked."""
        return [
            tool(self.call_person, effect=Effect.SECURE, question=_question),
            tool(self.put_through, effect=Effect.SECURE, question=_through_question),
        ]

    async def run(self) -> None:
        """Make the calls that are wanted, one after the other, until cancelled."""
        while True:
            wanted = await self._wanted.get()
            outcome = await self._tried(wanted, busy_only=True)
            if outcome is not Dialled.ANSWERED and self._announce is not None:
                await self._announce(self._told(wanted.who, outcome))

    async def call_person(self, context: Context, who: str, message: str | None = None) -> Result:
        """Call somebody by telephone and tell them something.

        Args:
            who: the name of the person, or a telephone number.
            message: what to tell them.
        """
        number = self._permitted(context, who)
        await self._count()
        name = (context.person or "").title()
        form = self._words.asks if message is None else self._words.tells
        words = form.format(person=name, message=(message or "").rstrip("."))
        try:
            self._wanted.put_nowait(_Wanted(who, number, words))
        except asyncio.QueueFull:
            raise Failed("Too many calls are waiting to be made.", "enough") from None
        return Result(f"I'm calling {who}.", {"who": who})

    async def put_through(self, context: Context, who: str) -> Result:
        """Connect the person who calls by telephone with somebody else.

        Args:
            who: the name of the person, or a telephone number.
        """
        number = self._permitted(context, who)
        if not context.device.startswith("sip:"):
            raise Failed("I can only put somebody through who calls me by telephone.", "elsewhere")
        if (person := self._named(who)) is not None and self._exchange.undisturbed(person):
            raise Failed(f"{who} does not want to be disturbed now. You can leave a message.", "undisturbed")
        await self._count()
        if not self._exchange.put_through(context.device, number, who=who):
            raise Failed("Sorry, this call cannot be put through.")
        return Result(f"I'm putting you through to {who}.", {"who": who})

    def _permitted(self, context: Context, who: str) -> str:
        """Return the number of somebody who may be called. Raises `Failed`."""
        if not self._rules.may(context.person):
            raise Failed("Sorry, I may only make calls for people of the house whom I know.", "stranger")
        number = self.number(who)
        if number is None:
            raise Failed(f"I don't know the number of {who}.", "unknown")
        if not self._rules.permit(number):
            raise Failed("Sorry, I may not call that number.", "number")
        return number

    async def ring(self, person: str | None, text: str) -> bool:
        """Ring a person's telephone for something that nobody heard elsewhere; returns whether they answered."""
        number = self._contacts.get(person.casefold()) if person is not None else None
        if number is None or not self._rules.rings(person):
            return False
        try:
            await self._count()
        except Failed as error:
            logger.warning(f"a reminder does not ring the telephone: {error}")
            return False
        assert person is not None
        outcome = await self._tried(_Wanted(person, dialled(number), text), busy_only=False)
        return outcome is Dialled.ANSWERED

    def number(self, who: str) -> str | None:
        """Return the number of somebody, or what was said where that is one."""
        if (name := self._named(who)) is not None:
            return dialled(self._contacts[name])
        number = dialled(who)
        return number if _DIGITS.fullmatch(number) else None

    def _named(self, who: str) -> str | None:
        """Return the one of the contacts who is meant."""
        # Names are written as they sound, Anna for Ana; whom it is to be is asked before anybody is called.
        meant = difflib.get_close_matches(who.strip().casefold(), self._contacts, n=1, cutoff=ALIKE)
        return meant[0] if meant else None

    def _told(self, who: str, outcome: Dialled) -> str:
        words = {Dialled.BUSY: self._words.busy, Dialled.NOBODY: self._words.nobody}
        return begun(words.get(outcome, self._words.failed).format(who=who))

    async def _tried(self, wanted: _Wanted, *, busy_only: bool) -> Dialled:
        outcome = Dialled.FAILED
        person = wanted.who if wanted.who.casefold() in self._contacts else None
        for left in reversed(range(TRIES)):
            outcome = await self._exchange.dial(wanted.number, person=person, words=wanted.words)
            again = outcome is Dialled.BUSY or (outcome is Dialled.NOBODY and not busy_only)
            if not again or not left:
                break
            await asyncio.sleep(AGAIN_SECONDS)
        return outcome

    async def _count(self) -> None:
        """Note that a call is made today. Raises `Failed` where enough were."""
        today = datetime.now(self._zone()).date().isoformat()
        try:
            async with self._counting:
                kept = await self._made.load()
                calls = kept[0].get("calls", 0) if kept and kept[0].get("day") == today else 0
                if calls < self._rules.daily_limit:
                    await self._made.save([{"day": today, "calls": calls + 1}])
        except OSError as error:
            raise Failed("Sorry, I cannot count my calls, so I make none.") from error
        if calls >= self._rules.daily_limit:
            raise Failed("Sorry, I have made as many calls today as I may.", "enough")


def dialled(number: str) -> str:
    """Return a number as it is dialled."""
    return re.sub(r"[\s().\-/]", "", number)


def _question(arguments: Mapping[str, Any]) -> str:
    message = arguments.get("message")
    return f"Shall I call {arguments['who']}{f' and say: {message}' if message else ''}?"


def _through_question(arguments: Mapping[str, Any]) -> str:
    return f"Shall I put you through to {arguments['who']}?"
