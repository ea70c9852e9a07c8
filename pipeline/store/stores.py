"""Opens what the household's memory is kept in, runs what it needs, and closes it again."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta, tzinfo

from loguru import logger

from pipeline.context.builder import ContextBuilder
from pipeline.context.embeddings import Embedder, EmbeddingsDown, Points, ServedEmbeddings
from pipeline.context.extraction import Extraction
from pipeline.context.measured import Measured
from pipeline.context.minilm import MiniLM
from pipeline.context.notebook import StoredNotebook
from pipeline.context.search import Search
from pipeline.context.sources import Contacts, Documents, Remembered, Upcoming
from pipeline.context.vectors import Vectors
from pipeline.orchestrator.completions import Completions
from pipeline.settings import Settings
from pipeline.store.conversations import Conversations
from pipeline.store.database import Database, StoreDown, Unusable
from pipeline.store.embedded_postgres import EmbeddedPostgres
from pipeline.store.embedded_redis import EmbeddedRedis
from pipeline.store.embedded_server import ServerFailed
from pipeline.store.facts import Facts
from pipeline.store.people import People
from pipeline.store.readings import Readings
from pipeline.store.shared import Shared
from voice import models
from voice.models import ModelMissing

_REFRESH_SECONDS = 600.0
_RETRY_SECONDS = 5.0


class NoEmbeddings:
    """Stands where the model's files are missing: texts are found by their words alone."""

    name = "none"

    def __init__(self, why: str) -> None:
        """Take what is wrong."""
        self._why = why

    async def embed(self, texts: Sequence[str]) -> Points:
        """Raise `EmbeddingsDown`."""
        raise EmbeddingsDown(self._why)

    async def close(self) -> None:
        """Hold nothing."""


@dataclass(frozen=True, slots=True)
class Stores:
    """What is kept in Postgres."""

    database: Database
    conversations: Conversations
    people: People
    vectors: Vectors
    search: Search
    facts: Facts
    readings: Readings

    def notebook(self) -> StoredNotebook:
        """Where tools keep what people want remembered."""
        return StoredNotebook(self.facts, self.search)

    def context(
        self,
        *,
        timers: Callable[[tzinfo], Awaitable[Sequence[str]]],
        zone: Callable[[], tzinfo],
        deadline: float | None,
        small: bool,
    ) -> ContextBuilder:
        """What gathers the context of a turn; see `ContextBuilder` and `Upcoming`."""
        sources = (
            Remembered(self.search),
            Upcoming(self.database, zone=zone, timers=timers),
            Contacts(self.database),
            Measured(self.readings),
            Documents(self.search),
        )
        return ContextBuilder(self.search, sources, deadline=deadline, small=small)

    def extraction(self, completions: Completions, *, model: str | None, may_work: Callable[[], bool]) -> Extraction:
        """What finds out what is worth remembering; see `Extraction`."""
        return Extraction(self.database, self.facts, completions, model=model, may_work=may_work)

    async def run(self, extraction: Extraction | None = None) -> None:
        """Write, embed, learn and clean up in the background, until cancelled; give up on an unusable database."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.conversations.run())
                tasks.create_task(self.vectors.run())
                tasks.create_task(self.readings.run())
                tasks.create_task(self._refresh())
                if extraction is not None:
                    tasks.create_task(extraction.run())
        except* Unusable as unusable:
            logger.error(f"What is said is not kept, and nothing is remembered: {unusable.exceptions[0]}")

    async def _refresh(self) -> None:
        await self.database.until_open()
        while True:
            try:
                await self.search.refresh()
            except StoreDown as error:
                logger.debug(f"which words are common is learned later: {error}")
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                await asyncio.sleep(_REFRESH_SECONDS)


async def open_stores(
    settings: Settings, stack: AsyncExitStack, *, may_work: Callable[[], bool] = lambda: True
) -> Stores | None:
    """Make the stores, which open when they are run; `stack` closes them.

    None where there is no database: the assistant goes on without.

    Args:
        may_work: whether there is memory and time for work that nobody waits for.
    """
    try:
        address = await database_address(settings, stack)
    except ServerFailed as error:
        logger.error(f"What is said is not kept: {error}")
        return None
    if address is None:
        return None
    database = Database(address)
    stack.push_async_callback(database.close)
    vectors = await open_vectors(settings, database, may_work=may_work)
    stack.push_async_callback(vectors.close)
    stores = settings.stores
    conversations = Conversations(
        database,
        resume=timedelta(minutes=stores.resume_minutes),
        keep=timedelta(days=stores.keep_days),
        follows=stores.follows,
    )
    stack.push_async_callback(conversations.flush)
    search = Search(database, vectors, language=settings.hearing.language)
    facts = Facts(database, vectors, search)
    readings = Readings(database, keep=timedelta(days=stores.readings_days))
    return Stores(database, conversations, People(database), vectors, search, facts, readings)


async def open_shared(settings: Settings, stack: AsyncExitStack) -> Shared | None:
    """Make what the processes of the household share; `stack` closes it. None where there is no Redis.

    The embedded one is started where no other is set.
    """
    stores = settings.stores
    if stores.redis is not None:
        address = stores.redis.get_secret_value()
    elif not stores.embedded:
        return None
    else:
        redis = EmbeddedRedis(settings.data_dir / "redis")
        try:
            address = await redis.start()
        except (ServerFailed, OSError) as error:
            logger.error(f"Nothing is shared with other processes: {error}")
            return None
        stack.push_async_callback(redis.stop)
    shared = Shared(address)
    stack.push_async_callback(shared.close)
    return shared


async def database_address(settings: Settings, stack: AsyncExitStack) -> str | None:
    """Start the embedded Postgres where no other is set, and return the address; None where there is to be none.

    Raises `ServerFailed`.
    """
    stores = settings.stores
    if stores.postgres is not None:
        return stores.postgres.get_secret_value()
    if not stores.embedded:
        return None
    postgres = EmbeddedPostgres(settings.data_dir / "postgres")
    address = await postgres.start()
    stack.push_async_callback(postgres.stop)
    return address


async def open_vectors(
    settings: Settings, database: Database, *, may_work: Callable[[], bool] = lambda: True
) -> Vectors:
    """Load the embedding model that the settings name."""
    own = await asyncio.to_thread(_built_in)
    if settings.embeddings.url is None:
        return Vectors(database, own, may_work=may_work)
    return Vectors(database, ServedEmbeddings(settings.embeddings), spare=own, may_work=may_work)


def _built_in() -> Embedder:
    try:
        return MiniLM(*models.sentence_encoder())
    except (ModelMissing, EmbeddingsDown) as error:
        logger.error(f"Texts are found by their words alone: {error}")
        return NoEmbeddings(str(error))
