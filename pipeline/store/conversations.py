"""What was said, kept so that a conversation can be taken up again: after a restart, or by another process.

Nothing waits for the database: what is said is noted in memory and written behind, and a conversation begins without
what cannot be had in time.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, NamedTuple, cast
from uuid import UUID, uuid4

from loguru import logger
from openai.types.chat import ChatCompletionMessageParam

from pipeline.caller import Caller
from pipeline.store.database import Database, SchemaTooNew, StoreDown

TAKE_UP_SECONDS: Final = 0.3
"""What a conversation waits for what was said before; it begins without."""
LAST_MESSAGES: Final = 20
"""As many are taken up at most."""

_WRITE_SECONDS = 10.0
_LAST_WRITE_SECONDS = 3.0
_SHORTEST_DELAY, _LONGEST_DELAY = 0.2, 10.0
_BATCH = 200
# An hour of talk by everybody in a large house; what is older is let go while the database is away.
_WAITING = 10_000
_SWEEP_SECONDS = 6 * 3600.0

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


class Conversations:
    """Keeps what is said in all conversations of this process.

    Args:
        resume: how long after the last word a caller's conversation is taken up again.
        keep: how long what was said is kept.
    """

    def __init__(self, database: Database, *, resume: timedelta, keep: timedelta) -> None:
        self._database = database
        self._resume = resume
        self._keep = keep
        self._waiting: deque[Message] = deque(maxlen=_WAITING)
        self._noted = asyncio.Event()
        self._down = False

    def note(self, conversation: str, caller: Caller, role: Role, content: str) -> None:
        """Keep what was said just now. Returns at once."""
        if len(self._waiting) == _WAITING:
            logger.warning("the database has been away for too long: the oldest of what was said is let go")
        self._waiting.append(
            Message(
                uuid4(),
                conversation,
                caller.door,
                caller.device,
                caller.person,
                caller.room,
                role,
                # Postgres keeps no zero byte in a text.
                content.replace("\x00", ""),
                datetime.now(UTC),
            )
        )
        self._noted.set()

    async def earlier(self, caller: Caller) -> list[ChatCompletionMessageParam]:
        """Return what was said with this caller lately, oldest first; nothing where the database is late."""
        since = datetime.now(UTC) - self._resume
        try:
            async with self._database.connection(TAKE_UP_SECONDS) as connection:
                rows = await connection.fetch(
                    "SELECT role, content, said FROM messages "
                    "WHERE device = $1 AND door = $2 AND person IS NOT DISTINCT FROM $3 AND said > $4 "
                    "ORDER BY said DESC LIMIT $5",
                    *(caller.device, caller.door, caller.person, since, LAST_MESSAGES),
                )
        except StoreDown as error:
            logger.info(f"a conversation with {caller.device} begins without what was said before: {error}")
            return []
        written = [(row["said"], row["role"], row["content"]) for row in rows]
        waiting = [
            (message.said, message.role, message.content)
            for message in self._waiting
            if (message.device, message.door, message.person) == (caller.device, caller.door, caller.person)
            and message.said > since
        ]
        said = sorted(set(written) | set(waiting))[-LAST_MESSAGES:]
        messages = [{"role": role, "content": content} for _, role, content in said]
        return cast("list[ChatCompletionMessageParam]", messages)

    async def run(self) -> None:
        """Open the database, however long that takes; then write what is noted, and remove what is too old."""
        try:
            await self._open()
        except SchemaTooNew as error:
            logger.error(f"What is said is not kept: {error}")
            return
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._write())
            tasks.create_task(self._sweep())

    async def flush(self) -> None:
        """Write what still waits, for a few seconds at most."""
        try:
            async with asyncio.timeout(_LAST_WRITE_SECONDS):
                while self._waiting:
                    await self._write_batch()
        except (StoreDown, TimeoutError) as error:
            logger.warning(f"{len(self._waiting)} things that were said could not be kept: {error}")

    async def _open(self) -> None:
        delay = _SHORTEST_DELAY
        while True:
            try:
                await self._database.open()
            except StoreDown as error:
                self._tell(error)
                await asyncio.sleep(delay)
                delay = min(2 * delay, _LONGEST_DELAY)
            else:
                self._tell(None)
                return

    async def _write(self) -> None:
        delay = _SHORTEST_DELAY
        while True:
            await self._noted.wait()
            self._noted.clear()
            while self._waiting:
                try:
                    await self._write_batch()
                except StoreDown as error:
                    self._tell(error)
                    await asyncio.sleep(delay)
                    delay = min(2 * delay, _LONGEST_DELAY)
                else:
                    self._tell(None)
                    delay = _SHORTEST_DELAY

    async def _write_batch(self) -> None:
        batch = list(self._waiting)[:_BATCH]
        async with self._database.connection(_WRITE_SECONDS) as connection:
            # A batch whose confirmation was lost is written again, and found to be there.
            await connection.executemany(
                "INSERT INTO messages VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING", batch
            )
        written = {message.id for message in batch}
        while self._waiting and self._waiting[0].id in written:
            self._waiting.popleft()

    async def _sweep(self) -> None:
        while True:
            try:
                async with self._database.connection(_WRITE_SECONDS) as connection:
                    await connection.execute("DELETE FROM messages WHERE said < $1", datetime.now(UTC) - self._keep)
            except StoreDown as error:
                logger.debug(f"what is too old stays for now: {error}")
            await asyncio.sleep(_SWEEP_SECONDS)

    def _tell(self, error: StoreDown | None) -> None:
        """Log once that the database is away, and once that it is back."""
        if error is not None and not self._down:
            logger.warning(f"the database does not answer, what is said waits in memory: {error}")
        elif error is None and self._down:
            logger.info("the database answers again")
        self._down = error is not None
