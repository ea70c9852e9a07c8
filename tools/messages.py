"""Messages that callers leave for the household, and that are told when somebody comes.

What is kept, in one file: for whom a message is, who called (the name of a person of the house, or the number that was
shown), when, what was understood of it, and when it was told. There is no recording. A message that was told is kept
for another week, so that it can be asked for again; one that nobody came for is dropped after a month.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, tzinfo
from typing import Any, Final, Literal
from uuid import uuid4

from loguru import logger
from pydantic import TypeAdapter, ValidationError

from tools.call_words import CALL_WORDS, CallWords
from tools.store import Store
from tools.tool import Context, Effect, Failed, Result, Tool, tool
from tools.wording import begun, same_name

MOST: Final = 60
"""Messages that wait; no more are taken then."""
MOST_FROM_ONE: Final = 5
"""Messages that wait from one number, and from all who show none."""
LONGEST: Final = 1500
"""Characters of one."""
MOST_READ: Final = 5
"""Messages that are read in one answer."""
TOLD_SECONDS: Final = 7 * 24 * 3600.0
UNTOLD_SECONDS: Final = 30 * 24 * 3600.0


class MailboxFull(Exception):  # noqa: N818 - reads as what is the matter
    """No more messages are taken now, or none of this caller."""


@dataclass(frozen=True, slots=True)
class Message:
    """What somebody wanted to be told."""

    id: str
    to: str | None
    """A person of the house; None is all of them."""
    caller: str
    """Who called: a person's name, else a number; empty where none was shown."""
    text: str
    at: float
    """Seconds since 1970, as all times here."""
    told: float | None = None
    mentioned: bool = False
    """Whether it was said, where nobody knows who listens, that there is one."""

    def said(self, now: datetime, words: CallWords) -> str:
        """How it is told at `now`, in the household's time zone."""
        when = words.when(datetime.fromtimestamp(self.at, now.tzinfo), now)
        called = words.called.format(who=self._who(words), when=when, text=self.text.rstrip("."))
        return f"{self.to.title()}, {called}" if self.to is not None else begun(called)

    def hint(self, words: CallWords) -> str:
        """How it is mentioned where nobody knows who listens."""
        return words.hint.format(to=self.to.title() if self.to else words.you, who=self._who(words))

    def _who(self, words: CallWords) -> str:
        if not self.caller:
            return words.somebody
        shown = any(map(str.isdigit, self.caller))
        return words.somebody_at.format(number=self.caller) if shown else self.caller.title()


@dataclass(frozen=True, slots=True)
class Telling:
    """A message on its way to somebody's ear."""

    message: Message
    said: str
    whole: bool
    """Whether all of it is told, and not only that there is one."""


_MESSAGES: Final[TypeAdapter[list[Message]]] = TypeAdapter(list[Message])


class Messages:
    """Keeps them.

    Args:
        store: where.
        people: the names of those a message can be for.
        zone: the household's time zone, asked for anew each time.
        now: seconds since 1970.
        words: what is said of them, in the household's language.
    """

    def __init__(
        self,
        store: Store,
        people: Collection[str],
        zone: Callable[[], tzinfo],
        now: Callable[[], float] = time.time,
        words: CallWords = CALL_WORDS["en"],
    ) -> None:
        self.people = tuple(dict.fromkeys(people))
        self._store = store
        self._zone = zone
        self._now = now
        self._words = words
        self._kept: list[Message] | None = None
        self._telling: set[str] = set()
        self._changed = False

    def tools(self) -> Sequence[Tool]:
        """What can be asked."""
        return [tool(self.read_messages, effect=Effect.PRIVATE, quotes=True)]

    async def leave(self, text: str, *, caller: str, to: str | None) -> None:
        """Keep a message; when this returns, it survives a crash.

        Raises:
            MailboxFull: too many wait.
            OSError: it could not be written, and is not kept.
        """
        kept = await self._loaded()
        if not _room_for(caller, kept):
            raise MailboxFull
        message = Message(uuid4().hex[:12], to, caller, " ".join(text.split())[:LONGEST], self._now())
        kept.append(message)
        try:
            await self._save()
        except OSError:
            kept.remove(message)
            raise

    async def takes_from(self, caller: str) -> bool:
        """Tell whether a message of this caller would be kept now. Raises nothing."""
        try:
            return _room_for(caller, await self._loaded())
        except OSError as error:
            logger.warning(f"messages cannot be read: {error}")
            return False

    async def waiting(self, person: str | None) -> list[Telling]:
        """What is to be told to whoever begins to speak; each is told in one conversation at a time. Raises nothing.

        A message for a person is told to that person. Where nobody knows who listens, it is only said that there is
        one, once.

        Args:
            person: who speaks; None where that is not known.
        """
        try:
            kept = await self._loaded()
        except OSError as error:
            logger.warning(f"messages cannot be read: {error}")
            return []
        now = datetime.fromtimestamp(self._now(), self._zone())
        tellings: list[Telling] = []
        for each in kept:
            if each.told is not None or each.id in self._telling:
                continue
            if each.to is None or same_name(each.to, person):
                tellings.append(Telling(each, each.said(now, self._words), whole=True))
            elif person is None and not each.mentioned:
                tellings.append(Telling(each, each.hint(self._words), whole=False))
        self._telling.update(each.message.id for each in tellings)
        return tellings

    def settle(self, telling: Telling, *, heard: bool) -> None:
        """Note what became of a telling; what nobody heard is told again. `save` keeps that."""
        self._telling.discard(telling.message.id)
        if heard:
            changes: dict[str, Any] = {"told": self._now()} if telling.whole else {"mentioned": True}
            self._change(telling.message.id, **changes)

    async def save(self) -> None:
        """Keep what was settled. Raises nothing."""
        if self._changed:
            try:
                await self._save()
            except OSError as error:
                logger.warning(f"it cannot be noted which messages were told: {error}")

    async def read_messages(self, context: Context, which: Literal["new", "all"] = "new") -> Result:
        """Read the messages that callers have left.

        Args:
            which: new ones, or all of the last week too.
        """
        try:
            kept = await self._loaded()
        except OSError as error:
            raise Failed("Sorry, I cannot read the messages now.") from error
        mine = [
            each for each in kept if each.to is None or context.person is None or same_name(each.to, context.person)
        ]
        found = [each for each in mine if which == "all" or each.told is None]
        if not found:
            return Result(self._words.none_new if which == "new" else self._words.none)
        now = datetime.fromtimestamp(self._now(), self._zone())
        read = found[:MOST_READ]
        for each in read:
            self._change(each.id, told=each.told or self._now())
        await self.save()
        said = [each.said(now, self._words) for each in read]
        if len(found) > len(read):
            said.append(self._words.more.format(count=len(found) - len(read)))
        return Result(" ".join(said), {"messages": [{"from": each.caller, "text": each.text} for each in read]})

    def _change(self, message: str, **changes: Any) -> None:
        kept = self._kept or []
        for index, each in enumerate(kept):
            if each.id == message:
                kept[index] = replace(each, **changes)
                self._changed = True

    async def _loaded(self) -> list[Message]:
        if self._kept is None:
            entries = await self._store.load()
            # Two conversations may have begun at once.
            if self._kept is None:
                self._kept = _read(entries)
        now = self._now()
        self._kept[:] = [each for each in self._kept if now - (each.told or each.at) < _lasts(each)]
        return self._kept

    async def _save(self) -> None:
        self._changed = False
        try:
            await self._store.save([asdict(each) for each in self._kept or []])
        except OSError:
            self._changed = True
            raise


def _room_for(caller: str, kept: Sequence[Message]) -> bool:
    waiting = [each for each in kept if each.told is None]
    return len(waiting) < MOST and sum(each.caller == caller for each in waiting) < MOST_FROM_ONE


def _lasts(message: Message) -> float:
    return UNTOLD_SECONDS if message.told is None else TOLD_SECONDS


def _read(entries: Sequence[Mapping[str, Any]]) -> list[Message]:
    try:
        return _MESSAGES.validate_python(list(entries))
    except ValidationError as error:
        logger.warning(f"the messages that were kept cannot be read: {error.error_count()} things wrong in them")
        return []
