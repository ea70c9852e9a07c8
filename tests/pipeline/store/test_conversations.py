import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.caller import Caller
from pipeline.store.conversations import LAST_MESSAGES, Conversations
from pipeline.store.database import Database, StoreDown
from pipeline.store.embedded_postgres import EmbeddedPostgres

pytestmark = pytest.mark.asyncio(loop_scope="module")

KITCHEN = Caller("browser", "kitchen", resumes=True)
HALL = Caller("browser", "hall", resumes=True)


@contextlib.asynccontextmanager
async def kept(database: Database, *, resume: float = 30.0, keep: float = 90.0) -> AsyncIterator[Conversations]:
    conversations = Conversations(database, resume=timedelta(minutes=resume), keep=timedelta(days=keep))
    running = asyncio.create_task(conversations.run())
    try:
        yield conversations
    finally:
        running.cancel()
        await asyncio.wait({running})
        await conversations.flush()


async def written(database: Database, count: int) -> None:
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(StoreDown):
                async with database.connection(5) as connection:
                    if await connection.fetchval("SELECT count(*) FROM messages") == count:
                        return
            await asyncio.sleep(0.05)


async def test_another_process_takes_up_what_was_said(database) -> None:
    async with kept(database) as first:
        first.note("a", KITCHEN, "user", "My name is Ada.")
        first.note("a", KITCHEN, "assistant", "Hello Ada.")
        first.note("b", HALL, "user", "What time is it?")
        await written(database, 3)
    async with kept(database) as second:
        assert await second.earlier(KITCHEN) == [
            {"role": "user", "content": "My name is Ada."},
            {"role": "assistant", "content": "Hello Ada."},
        ]
        assert await second.earlier(Caller("browser", "attic")) == []
        assert await second.earlier(Caller("browser", "kitchen", person="bob")) == []


async def test_what_is_not_written_yet_is_taken_up_too_and_nothing_twice(database) -> None:
    conversations = Conversations(database, resume=timedelta(minutes=30), keep=timedelta(days=1))
    conversations.note("a", KITCHEN, "user", "One.")
    await conversations.flush()
    conversations.note("a", KITCHEN, "assistant", "Two.")
    assert [message["content"] for message in await conversations.earlier(KITCHEN)] == ["One.", "Two."]


async def test_only_the_last_words_and_only_lately_are_taken_up(database) -> None:
    async with kept(database) as conversations:
        for number in range(LAST_MESSAGES + 5):
            conversations.note("a", KITCHEN, "user", f"{number}")
        await written(database, LAST_MESSAGES + 5)
        taken = await conversations.earlier(KITCHEN)
        assert [message["content"] for message in taken] == [str(number) for number in range(5, LAST_MESSAGES + 5)]
    async with kept(database, resume=0.0) as conversations:
        assert await conversations.earlier(KITCHEN) == []


async def test_what_is_too_old_is_removed(database) -> None:
    async with database.connection(5) as connection:
        for days in (1, 100):
            await connection.execute(
                "INSERT INTO messages VALUES (gen_random_uuid(), 'a', 'browser', 'kitchen', NULL, NULL, 'user', $1, $2)",
                *(f"{days}", datetime.now(UTC) - timedelta(days=days)),
            )
    async with kept(database):
        await written(database, 1)


async def test_any_text_can_be_kept(database) -> None:
    async with kept(database) as conversations:
        conversations.note("a", KITCHEN, "user", "zero \x00 byte, 'quotes'; DROP TABLE messages; -- ünïcödé 🙂")
        await written(database, 1)
        (message,) = await conversations.earlier(KITCHEN)
        assert message["content"] == "zero  byte, 'quotes'; DROP TABLE messages; -- ünïcödé 🙂"


async def test_while_the_database_is_away_nobody_waits_and_nothing_is_lost(folder) -> None:
    server = EmbeddedPostgres(folder / "away")
    database = Database(await server.start())
    await server.stop()
    async with kept(database) as conversations:
        conversations.note("a", KITCHEN, "user", "before")
        await server.start()
        await written(database, 1)
        await server.stop()
        conversations.note("a", KITCHEN, "assistant", "meanwhile")
        async with asyncio.timeout(5):
            waiting = await conversations.earlier(KITCHEN)
        # What was written cannot be had now, and is not waited for.
        assert waiting == []
        await server.start()
        await written(database, 2)
        assert [message["content"] for message in await conversations.earlier(KITCHEN)] == ["before", "meanwhile"]
    await database.close()
    await server.stop()
