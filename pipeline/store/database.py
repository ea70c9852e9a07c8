"""The household's Postgres: a pool of connections that outlives the server's restarts, and the schema in it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import asyncpg
from loguru import logger

_MIGRATIONS = Path(__file__).with_name("migrations")
_CONNECTIONS = 8
_CONNECT_SECONDS = 5.0
_MIGRATE_SECONDS = 300.0
_SHORTEST_DELAY, _LONGEST_DELAY = 0.2, 10.0
# Whatever is wrong with a server, a conversation goes on without it.
_AWAY = (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.PostgresError)
_BAD_DATA = (asyncpg.DataError, asyncpg.exceptions.DataError, asyncpg.IntegrityConstraintViolationError)
_NO_EXTENSION = (asyncpg.UndefinedFileError, asyncpg.InsufficientPrivilegeError, asyncpg.FeatureNotSupportedError)
_DAMAGED = (asyncpg.exceptions.SyntaxOrAccessError, asyncpg.IntegrityConstraintViolationError)
_SETTINGS = {
    # How far pgvector looks: of 100,000 passages that are near to each other it finds 97% of the nearest, in 1.3 ms.
    "hnsw.ef_search": "200",
    # A person's own texts are found among everybody's.
    "hnsw.iterative_scan": "relaxed_order",
    # Compiling takes longer than any of our questions.
    "jit": "off",
}
# Any number that every PASSFEL has and nobody else: two that start at once take turns.
_LOCK = 7_860_001


class StoreDown(Exception):  # noqa: N818 - reads as what is the matter
    """The database does not answer now, or not in time."""


class BadData(StoreDown):
    """The database does not take what it was given, now or later."""


CLOSE_LIMIT: Final = 1.0
"""Seconds that lent connections get to come back."""


class Unusable(Exception):  # noqa: N818 - reads as what is the matter
    """The database answers, and cannot be used as it is; the message says what to do."""


class SchemaTooNew(Unusable):
    """A later PASSFEL has used the database."""


class Database:
    """Lends connections. Whoever waits for one longer than they have time is told so."""

    def __init__(self, address: str) -> None:
        """Take the address of a Postgres, with the password in it; nothing is connected yet."""
        self._address = address
        self._pool: asyncpg.Pool | None = None
        self._opening = asyncio.Lock()

    async def open(self) -> None:
        """Connect, and bring the schema up to date. May be called again.

        Raises:
            StoreDown: it does not answer.
            Unusable: it lacks pgvector, its schema is damaged, or a later version was here.
        """
        async with self._opening:
            if self._pool is None:
                self._pool = await self._opened()

    async def until_open(self) -> None:
        """Connect, however long that takes. Raises `Unusable`."""
        delay = _SHORTEST_DELAY
        while True:
            try:
                await self.open()
            except StoreDown as error:
                if delay == _SHORTEST_DELAY:
                    logger.warning(f"the database does not answer: {error}")
                await asyncio.sleep(delay)
                delay = min(2 * delay, _LONGEST_DELAY)
            else:
                return

    async def _opened(self) -> asyncpg.Pool:
        try:
            pool = asyncpg.create_pool(
                self._address,
                min_size=0,
                max_size=_CONNECTIONS,
                timeout=_CONNECT_SECONDS,
                command_timeout=_MIGRATE_SECONDS,
                server_settings=_SETTINGS,
            )
        except ValueError as error:
            raise StoreDown(f"its address is no good: {error}") from error
        try:
            async with _down(_MIGRATE_SECONDS):
                await pool
                async with pool.acquire() as connection:
                    await migrate(connection)
        except BaseException:
            pool.terminate()
            raise
        return pool

    async def close(self) -> None:
        """Close all connections; those that are still lent after `CLOSE_LIMIT` seconds are cut off."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            # asyncpg hands connections back in tasks of its own, which nobody would hear of if they were cut off.
            async with asyncio.timeout(CLOSE_LIMIT):
                await pool.close()
        except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            pool.terminate()

    @asynccontextmanager
    async def connection(self, seconds: float) -> AsyncIterator[asyncpg.Connection]:
        """Lend a connection for so long at most.

        Raises:
            StoreDown: there is none, or what was asked took longer.
        """
        if self._pool is None:
            raise StoreDown("the database is not open")
        pool = self._pool
        async with _down(seconds):
            connection = await pool.acquire()
            try:
                yield connection
            except (asyncio.CancelledError, OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError):
                # Handing it back in order would wait for a server that does not answer.
                connection.terminate()
                raise
            finally:
                await pool.release(connection)


@asynccontextmanager
async def _down(seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except _BAD_DATA as error:
        raise BadData(str(error)) from error
    except _AWAY as error:
        if isinstance(error, asyncpg.exceptions.SyntaxOrAccessError):
            logger.error(f"the database does not know what is asked of it, its schema may be damaged: {error}")
        raise StoreDown(str(error) or f"it took longer than {seconds:g} s") from error


async def migrate(connection: asyncpg.Connection, folder: Path = _MIGRATIONS) -> int:
    """Run the migrations that the database has not seen, in order, each once; return its version then.

    Raises `Unusable`.
    """
    statements = await asyncio.to_thread(_statements, folder)
    newest = max(statements)
    await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
    try:
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_versions "
            "(version integer PRIMARY KEY, applied timestamptz NOT NULL DEFAULT now())"
        )
        version = await schema_version(connection)
        if version > newest:
            told = f"the database has schema {version}, and this PASSFEL knows {newest}"
            raise SchemaTooNew(f"{told}: run a newer PASSFEL, or set stores.postgres to another database")
        for number in range(version + 1, newest + 1):
            try:
                async with connection.transaction():
                    await connection.execute(statements[number])
                    await connection.execute("INSERT INTO schema_versions (version) VALUES ($1)", number)
            except _NO_EXTENSION as error:
                told = "install pgvector for its Postgres, and let its owner run: CREATE EXTENSION vector"
                raise Unusable(f"the database has no pgvector ({error}): {told}") from error
            except _DAMAGED as error:
                told = "restore a backup into an empty database (passfel restore), or set stores.postgres to another"
                raise Unusable(
                    f"the database's schema is not as version {version} left it ({error}): {told}"
                ) from error
            logger.info(f"the database has schema {number} now")
        return newest
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)


async def schema_version(connection: asyncpg.Connection) -> int:
    """The number of the last migration that was run."""
    version: int = await connection.fetchval("SELECT coalesce(max(version), 0) FROM schema_versions")
    return version


def _statements(folder: Path) -> dict[int, str]:
    return {int(file.name.partition("_")[0]): file.read_text(encoding="utf-8") for file in folder.glob("*.sql")}
