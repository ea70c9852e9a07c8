"""Rows that are noted in memory and written behind, since nobody who speaks waits for the database."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

from loguru import logger

from pipeline.store.database import BadData, Database, StoreDown

WRITE_SECONDS: Final = 10.0
LAST_WRITE_SECONDS: Final = 3.0

_SHORTEST_DELAY, _LONGEST_DELAY = 0.2, 10.0
_BATCH = 200
# An hour of talk by everybody in a large house; what is older is let go while the database is away.
_WAITING = 10_000


class WriteBehind:
    """Writes rows in their order.

    Args:
        statement: inserts one row. A row whose confirmation was lost comes again, so it must bear that.
        what: the rows, as a log calls them.
    """

    def __init__(self, database: Database, statement: str, *, what: str) -> None:
        self._database = database
        self._statement = statement
        self._what = what
        self._waiting: deque[Sequence[Any]] = deque()
        self._noted = asyncio.Event()
        self._down = False

    @property
    def waiting(self) -> Sequence[Sequence[Any]]:
        """Rows that are not written yet, oldest first."""
        return self._waiting

    def note(self, row: Sequence[Any]) -> None:
        """Write a row soon. Returns at once."""
        if len(self._waiting) == _WAITING:
            logger.warning(f"the database has been away for too long: the oldest of {self._what} is let go")
            self._waiting.popleft()
        self._waiting.append(row)
        self._noted.set()

    async def run(self) -> None:
        """Write what is noted, however long the database is away."""
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

    async def flush(self) -> None:
        """Write what still waits, for a few seconds at most."""
        try:
            async with asyncio.timeout(LAST_WRITE_SECONDS):
                while self._waiting:
                    await self._write_batch()
        except (StoreDown, TimeoutError) as error:
            logger.warning(f"{len(self._waiting)} of {self._what} could not be kept: {error}")

    async def _write_batch(self) -> None:
        batch = list(self._waiting)[:_BATCH]
        try:
            await self._write(batch)
        except BadData:
            # One row that no database takes must not keep the others out.
            for row in batch:
                try:
                    await self._write([row])
                except BadData as error:
                    logger.error(f"one of {self._what} cannot be kept: {error}")
                self._written([row])
        else:
            self._written(batch)

    async def _write(self, batch: Sequence[Sequence[Any]]) -> None:
        async with self._database.connection(WRITE_SECONDS) as connection:
            await connection.executemany(self._statement, batch)

    def _written(self, batch: Sequence[Sequence[Any]]) -> None:
        done = {id(row) for row in batch}
        while self._waiting and id(self._waiting[0]) in done:
            self._waiting.popleft()

    def _tell(self, error: StoreDown | None) -> None:
        """Log once that the database is away, and once that it is back."""
        if error is not None and not self._down:
            logger.warning(f"the database does not answer, {self._what} waits in memory: {error}")
        elif error is None and self._down:
            logger.info("the database answers again")
        self._down = error is not None
