"""Opens what the household's memory is kept in, and closes it again."""

from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

from loguru import logger

from pipeline.settings import Stores
from pipeline.store.conversations import Conversations
from pipeline.store.database import Database
from pipeline.store.embedded_postgres import EmbeddedPostgres, PostgresError


async def open_conversations(settings: Stores, data_dir: Path, stack: AsyncExitStack) -> Conversations | None:
    """Make the store of what is said, which opens when it is run; `stack` closes it.

    None where there is none: the assistant goes on without.
    """
    if settings.postgres is None and not settings.embedded:
        return None
    try:
        if settings.postgres is not None:
            address = settings.postgres.get_secret_value()
        else:
            postgres = EmbeddedPostgres(data_dir / "postgres")
            address = await postgres.start()
            stack.push_async_callback(postgres.stop)
    except PostgresError as error:
        logger.error(f"What is said is not kept: {error}")
        return None
    database = Database(address)
    stack.push_async_callback(database.close)
    conversations = Conversations(
        database, resume=timedelta(minutes=settings.resume_minutes), keep=timedelta(days=settings.keep_days)
    )
    stack.push_async_callback(conversations.flush)
    return conversations
