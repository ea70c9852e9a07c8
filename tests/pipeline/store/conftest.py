"""A real Postgres, the one that PASSFEL brings."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from pipeline.store.database import Database
from pipeline.store.embedded_postgres import EmbeddedPostgres


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that other accounts can reach: as root, Postgres runs as one of them."""
    made = Path(tempfile.mkdtemp(prefix="passfel-test-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def postgres(folder: Path) -> AsyncIterator[tuple[EmbeddedPostgres, str]]:
    server = EmbeddedPostgres(folder / "postgres")
    address = await server.start()
    yield server, address
    await server.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def database(postgres: tuple[EmbeddedPostgres, str]) -> AsyncIterator[Database]:
    database = Database(postgres[1])
    await database.open()
    async with database.connection(10) as connection:
        await connection.execute(
            "TRUNCATE messages, facts, people, devices, documents, embedding_models, learned_talk CASCADE"
        )
    yield database
    await database.close()
