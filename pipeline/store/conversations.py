"""What was said, kept so that a conversation can be taken up again: after a restart, or by another process.

Nothing waits for the database: what is said is noted in memory and written behind, and a conversation begins without
what cannot be had in time.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, NamedTuple, cast
from uuid import UUID, uuid4

from loguru import logger
from openai.types.chat import ChatCompletionMessageParam

from pipeline.caller import Caller
from pipeline.context.secrets import kept
from pipeline.store.database import Database, StoreDown
from pipeline.store.write_behind import WRITE_SECONDS, WriteBehind

TAKE_UP_SECONDS: Final = 0.3
"""What a conversation waits for what was said before; it begins without."""
LAST_MESSAGES: Final = 20
"""As many are taken up at most."""
CONVERSATIONS_TOLD: Final = 20
"""As many are told at once."""

_SWEEP_SECONDS = 6 * 3600.0
# A row whose confirmation was lost is written again, and found to be there.
_INSERT = "INSERT INTO messages VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING"

Role = Literal["user", "assistant"]
Note = Callable[[str, Caller, Role, str], None]
"""Told of a conversation, with whom it is, who said something, and what."""


def forget(conversation: str, caller: Caller, role: Role, content: str) -> None:
    """Keep nothing of what is said."""


class Message(NamedTuple):
    """One thing that was said, as the table has it."""

    id: UUID
    conversation: str
    door: str
    device: str
    person: str | None
    room: str | None
    role: Role
    content: str
    said: datetime


@dataclass(frozen=True, slots=True)
class Told:
    """A conversation, to be read again."""

    id: str
    began: datetime
    messages: list[tuple[Role, str, datetime]]
    """Who said what, and when, the first first."""


class Conversations:
    """Keeps what is said in all conversations of this process.

    Args:
        resume: how long after the last word a caller's conversation is taken up again.
        keep: how long what was said is kept.
        follows: whether a person's conversation goes on at their other devices by itself.
    """

    def __init__(self, database: Database, *, resume: timedelta, keep: timedelta, follows: bool = False) -> None:
        self._database = database
        self._follows = follows
        self._resume = resume
        self._keep = keep
        self._behind = WriteBehind(database, _INSERT, what="what was said")

    def note(self, conversation: str, caller: Caller, role: Role, content: str) -> None:
        """Keep what was said just now, without its secrets. Returns at once."""
        self._behind.note(
            Message(
                uuid4(),
                conversation,
                caller.door,
                caller.device,
                caller.person,
                caller.room,
                role,
                kept(content),
                datetime.now(UTC),
            )
        )

    async def earlier(self, caller: Caller) -> list[ChatCompletionMessageParam]:
        """Return what was said with this caller lately, oldest first; nothing where the database is late."""
        if self._follows and caller.person is not None and (elsewhere := await self.elsewhere(caller)):
            return elsewhere
        return await self._lately(
            "device = $3 AND door = $4 AND person IS NOT DISTINCT FROM $5",
            (caller.device, caller.door, caller.person),
            lambda message: (
                (message.device, message.door, message.person) == (caller.device, caller.door, caller.person)
            ),
        )

    async def elsewhere(self, caller: Caller) -> list[ChatCompletionMessageParam]:
        """Return what was said lately with the same person, wherever that was; nothing with a stranger."""
        if caller.person is None:
            return []
        return await self._lately("person = $3", (caller.person,), lambda message: message.person == caller.person)

    async def _lately(
        self, condition: str, values: Sequence[object], ours: Callable[[Message], bool]
    ) -> list[ChatCompletionMessageParam]:
        since = datetime.now(UTC) - self._resume
        try:
            async with self._database.connection(TAKE_UP_SECONDS) as connection:
                rows = await connection.fetch(
                    f"SELECT role, content, said FROM messages WHERE said > $1 AND {condition} "
                    "ORDER BY said DESC LIMIT $2",
                    *(since, LAST_MESSAGES, *values),
                )
        except StoreDown as error:
            logger.info(f"a conversation begins without what was said before: {error}")
            return []
        written = [(row["said"], row["role"], row["content"]) for row in rows]
        waiting = [
            (message.said, message.role, message.content)
            for message in self._waiting()
            if message.said > since and ours(message)
        ]
        return _as_messages(sorted(set(written) | set(waiting))[-LAST_MESSAGES:])

    async def told(self, device: str, *, before: datetime | None = None) -> list[Told]:
        """Return the latest conversations at a device, the newest first. Raises `StoreDown`.

        Args:
            before: only those that had ended by then.
        """
        async with self._database.connection(WRITE_SECONDS) as connection:
            rows = await connection.fetch(
                "SELECT conversation, role, content, said FROM messages WHERE device = $1 AND conversation IN "
                "(SELECT conversation FROM messages WHERE device = $1 GROUP BY conversation "
                "HAVING max(said) < $2 ORDER BY max(said) DESC LIMIT $3) ORDER BY said",
                *(device, before or datetime.now(UTC), CONVERSATIONS_TOLD),
            )
        found: dict[str, Told] = {}
        for row in rows:
            told = found.setdefault(row["conversation"], Told(row["conversation"], row["said"], []))
            told.messages.append((row["role"], row["content"], row["said"]))
        return list(reversed(found.values()))

    async def run(self) -> None:
        """Write what is noted, and remove what is too old. Raises `Unusable`."""
        await self._database.until_open()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._behind.run())
            tasks.create_task(self._sweep())

    async def flush(self) -> None:
        """Write what still waits, for a few seconds at most."""
        await self._behind.flush()

    def _waiting(self) -> list[Message]:
        return cast("list[Message]", list(self._behind.waiting))

    async def _sweep(self) -> None:
        while True:
            try:
                async with self._database.connection(WRITE_SECONDS) as connection:
                    await connection.execute("DELETE FROM messages WHERE said < $1", datetime.now(UTC) - self._keep)
            except StoreDown as error:
                logger.debug(f"what is too old stays for now: {error}")
            await asyncio.sleep(_SWEEP_SECONDS)


def _as_messages(said: Iterable[tuple[datetime, str, str]]) -> list[ChatCompletionMessageParam]:
    messages = [{"role": role, "content": content} for _, role, content in said]
    return cast("list[ChatCompletionMessageParam]", messages)
