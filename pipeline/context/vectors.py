"""The points of all texts in the database: one index for each table and embedding model, and what is not embedded yet.

Another model in the settings changes nothing at once: what it has not embedded yet is found by its words, and, as long
as the built-in model's points are there, by those. Everything is embedded again in the background.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg
import numpy as np
from loguru import logger
from numpy.typing import NDArray

from pipeline.context.embeddings import BATCH, Embedder, EmbeddingsDown
from pipeline.store.database import Database, StoreDown

TABLES: Final[Mapping[str, str]] = {"facts": "content", "passages": "heading || ' ' || content"}
"""The tables with texts, and what is embedded of a row."""

_WRITE_SECONDS = 30.0
_INDEX_SECONDS = 280.0
_LOOK_AGAIN_SECONDS = 60.0
_SHORTEST_DELAY, _LONGEST_DELAY = 1.0, 60.0
_LOCK = 7_860_002


@dataclass(frozen=True, slots=True)
class Model:
    """An embedding model that the database knows."""

    id: int
    dimensions: int


@dataclass(frozen=True, slots=True)
class Point:
    """A text as a model places it, ready for a statement."""

    model: Model
    literal: str


class Vectors:
    """Embeds texts and questions.

    Args:
        spare: the built-in model, where another one is used: what it has embedded is searched until that is done anew.
        may_work: whether there is time and memory for what nobody waits for.
    """

    def __init__(
        self,
        database: Database,
        embedder: Embedder,
        *,
        spare: Embedder | None = None,
        may_work: Callable[[], bool] = lambda: True,
    ) -> None:
        self._database = database
        self._embedder = embedder
        self._spare = spare
        self._may_work = may_work
        self._model: Model | None = None
        self._spare_model: Model | None = None
        self._wanted = asyncio.Event()

    async def close(self) -> None:
        """Let go of the models."""
        await self._embedder.close()
        if self._spare is not None:
            await self._spare.close()

    async def question(self, text: str) -> list[Point]:
        """Place a question among the texts: once for each model that has placed some of them."""
        points = []
        for model, embedder in ((self._model, self._embedder), (self._spare_model, self._spare)):
            if model is None or embedder is None:
                continue
            try:
                points.append(Point(model, literal((await embedder.embed([text]))[0])))
            except EmbeddingsDown as error:
                logger.debug(f"a question is searched by its words alone: {error}")
        return points

    async def points(self, texts: Sequence[str]) -> list[Point | None]:
        """Place texts that are about to be kept; None where that has to wait, and is made up for in the background."""
        if self._model is None:
            self._wanted.set()
            return [None] * len(texts)
        try:
            placed = await self._embedder.embed(texts)
        except EmbeddingsDown as error:
            logger.warning(f"texts are kept and found by their words alone for now: {error}")
            self._wanted.set()
            return [None] * len(texts)
        model = self._model
        return [Point(model, literal(row)) for row in placed]

    async def prepare(self) -> None:
        """Get to know the model, and make its indexes. Raises `EmbeddingsDown` and `StoreDown`."""
        dimensions = (await self._embedder.embed(["a"])).shape[1]
        async with self._database.connection(_INDEX_SECONDS) as connection:
            self._model = await _known(connection, self._embedder.name, dimensions)
            if self._spare is not None:
                row = await connection.fetchrow(
                    "SELECT id, dimensions FROM embedding_models WHERE name = $1", self._spare.name
                )
                self._spare_model = Model(row["id"], row["dimensions"]) if row else None

    async def run(self) -> None:
        """Embed what is not, or was by another model, until cancelled. Raises `pipeline.store.database.Unusable`."""
        await self._database.until_open()
        delay = _SHORTEST_DELAY
        while True:
            try:
                if self._model is None:
                    await self.prepare()
                embedded = 1
                while embedded and self._may_work():
                    embedded = await self.embed_batch()
                if self._may_work():
                    await self._drop_others()
                delay = _SHORTEST_DELAY
            except (EmbeddingsDown, StoreDown) as error:
                logger.debug(f"texts are embedded later: {error}")
                await asyncio.sleep(delay)
                delay = min(2 * delay, _LONGEST_DELAY)
                continue
            self._wanted.clear()
            try:
                async with asyncio.timeout(_LOOK_AGAIN_SECONDS):
                    await self._wanted.wait()
            except TimeoutError:
                pass

    async def rest(self) -> int:
        """Tell how many texts are still to be embedded. Raises `EmbeddingsDown` and `StoreDown`."""
        if self._model is None:
            await self.prepare()
        assert self._model is not None
        async with self._database.connection(_WRITE_SECONDS) as connection:
            counts = [
                await connection.fetchval(
                    f"SELECT count(*) FROM {table} WHERE model IS DISTINCT FROM $1", self._model.id
                )
                for table in TABLES
            ]
        return sum(counts)

    async def embed_batch(self, *, newest_first: bool = True) -> int:
        """Embed some texts and return how many; 0 where none is left. Raises `EmbeddingsDown` and `StoreDown`.

        Two processes that begin at different ends do nothing twice until they meet.
        """
        if self._model is None:
            await self.prepare()
        assert self._model is not None
        model, order = self._model.id, "DESC" if newest_first else "ASC"
        for table, text in TABLES.items():
            async with self._database.connection(_WRITE_SECONDS) as connection:
                rows = await connection.fetch(
                    f"SELECT id, {text} AS text FROM {table} WHERE model IS DISTINCT FROM $1 ORDER BY id {order} "
                    "LIMIT $2",
                    *(model, BATCH),
                )
            if not rows:
                continue
            placed = await self._embedder.embed([row["text"] for row in rows])
            values = [(row["id"], model, literal(point)) for row, point in zip(rows, placed, strict=True)]
            async with self._database.connection(_WRITE_SECONDS) as connection:
                await connection.executemany(
                    f"UPDATE {table} SET model = $2, embedding = $3::text::halfvec WHERE id = $1",
                    values,
                )
            return len(values)
        return 0

    async def _drop_others(self) -> None:
        """Remove models that have placed nothing any more, and their indexes."""
        assert self._model is not None
        async with self._database.connection(_INDEX_SECONDS) as connection:
            unused = await connection.fetch(
                "SELECT id FROM embedding_models m WHERE id <> $1 "
                "AND NOT EXISTS (SELECT FROM facts WHERE model = m.id) "
                "AND NOT EXISTS (SELECT FROM passages WHERE model = m.id)",
                self._model.id,
            )
            for row in unused:
                for table in TABLES:
                    await connection.execute(f"DROP INDEX IF EXISTS {index_name(table, row['id'])}")
                await connection.execute("DELETE FROM embedding_models WHERE id = $1", row["id"])
        if any(self._spare_model is not None and row["id"] == self._spare_model.id for row in unused):
            self._spare_model = None


def literal(point: NDArray[np.float32]) -> str:
    """A point as pgvector writes it."""
    return f"[{','.join(format(value, '.6g') for value in point.tolist())}]"


def index_name(table: str, model: int) -> str:
    """The index of a table for one model's points."""
    return f"{table}_near_{model}"


async def _known(connection: asyncpg.Connection, name: str, dimensions: int) -> Model:
    await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
    try:
        row = await connection.fetchrow("SELECT id, dimensions FROM embedding_models WHERE name = $1", name)
        if row is not None and row["dimensions"] != dimensions:
            # The same name and another model: what it has placed says nothing any more.
            for table in TABLES:
                await connection.execute(f"DROP INDEX IF EXISTS {index_name(table, row['id'])}")
            await connection.execute("DELETE FROM embedding_models WHERE id = $1", row["id"])
            row = None
        number: int = (
            row["id"]
            if row
            else await connection.fetchval(
                "INSERT INTO embedding_models (name, dimensions) VALUES ($1, $2) RETURNING id", name, dimensions
            )
        )
        for table in TABLES:
            await connection.execute(
                f"CREATE INDEX IF NOT EXISTS {index_name(table, number)} ON {table} "
                f"USING hnsw ((embedding::halfvec({dimensions})) halfvec_cosine_ops) WHERE model = {number}"
            )
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)
    return Model(number, dimensions)
