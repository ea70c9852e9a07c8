"""A household that has used the assistant for years, put straight into the tables."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import numpy as np
from numpy.typing import NDArray

from pipeline.context.documents import Paragraph
from pipeline.context.vectors import index_name, literal

MESSAGES, READINGS, SERIES, FACTS, EVENTS = 50_000, 1_000_000, 50, 500, 300
NOISE = 0.35
"""Length of what is added to a copy's point, whose own length is 1."""

_ROOMS = ("kitchen", "bedroom", "office", "hall", "attic", "garage", "cellar", "garden", "bathroom", "nursery")
_THINGS = ("temperature", "humidity", "power", "light level", "freezer temperature")


async def furnish(connection: asyncpg.Connection) -> None:
    """Put messages, readings, facts and events in."""
    chance, now = random.Random(3), datetime.now(UTC)
    await connection.execute("INSERT INTO people VALUES ('Ada') ON CONFLICT DO NOTHING")
    await connection.copy_records_to_table(
        "messages",
        records=(
            (
                uuid4(),
                f"c{n // 20}",
                "browser",
                "kitchen",
                "Ada",
                None,
                ("user", "assistant")[n % 2],
                f"Word {n}",
                now - timedelta(minutes=3 * n),
            )
            for n in range(MESSAGES)
        ),
    )
    for number in range(SERIES):
        room, thing = _ROOMS[number % len(_ROOMS)], _THINGS[number // len(_ROOMS)]
        await connection.execute("INSERT INTO series (name, room) VALUES ($1, $2)", f"{room} {thing}", room)
    each = READINGS // SERIES
    rows = await connection.fetch("SELECT id FROM series")
    for row in rows:
        await connection.copy_records_to_table(
            "readings",
            records=((row["id"], now - timedelta(minutes=4 * n), chance.gauss(20, 1)) for n in range(each)),
            columns=("series", "at", "value"),
        )
    await connection.copy_records_to_table(
        "events",
        records=(
            (
                "family",
                f"e{n}",
                None,
                f"Appointment {n}",
                now + timedelta(hours=n),
                now + timedelta(hours=n + 1),
                False,
                "",
            )
            for n in range(EVENTS)
        ),
        columns=("calendar", "uid", "person", "title", "starts", "ends", "all_day", "place"),
    )


async def remember(
    connection: asyncpg.Connection, points: NDArray[np.float32], parts: Sequence[Paragraph], model: int
) -> None:
    """Put facts in: first sentences of passages, which are as good as any."""
    await connection.executemany(
        "INSERT INTO facts (person, content, conversation, turn, device, said_as, words, model, embedding) "
        "VALUES ('Ada', $1, 'c', '1', 'kitchen', $1, to_tsvector('english', $1), $2, $3::text::halfvec)",
        [(part.text[:120], model, literal(point)) for part, point in zip(parts[:FACTS], points[:FACTS], strict=True)],
    )


async def shelve(
    connection: asyncpg.Connection,
    parts: Sequence[Paragraph],
    points: NDArray[np.float32],
    model: int,
    count: int,
) -> None:
    """Put so many passages in; those beyond the given ones are copies whose points lie a little beside them."""
    random_numbers = np.random.default_rng(5)
    await connection.execute("TRUNCATE documents CASCADE")
    await connection.execute(f"DROP INDEX IF EXISTS {index_name('passages', model)}")
    document = await connection.fetchval(
        "INSERT INTO documents (source, title, digest) VALUES ('bench', 'Library', '') RETURNING id"
    )
    await connection.execute("CREATE TEMPORARY TABLE shelf (position integer, heading text, content text, place text)")
    for start in range(0, count, 5000):
        numbers = np.arange(start, min(count, start + 5000))
        placed = points[numbers % len(parts)]
        if start >= len(parts):
            noise = random_numbers.normal(size=placed.shape).astype(np.float32)
            placed = placed + NOISE * noise / np.linalg.norm(noise, axis=1, keepdims=True)
            placed /= np.linalg.norm(placed, axis=1, keepdims=True)
        await connection.copy_records_to_table(
            "shelf",
            records=[
                (int(number), parts[number % len(parts)].heading, parts[number % len(parts)].text, literal(point))
                for number, point in zip(numbers, placed, strict=True)
            ],
        )
        await connection.execute(
            "INSERT INTO passages (document, position, heading, content, words, model, embedding) SELECT $1, position, "
            "heading, content, to_tsvector('english', heading || ' ' || content), $2, place::halfvec FROM shelf",
            *(document, model),
        )
        await connection.execute("TRUNCATE shelf")
    await connection.execute("DROP TABLE shelf")
    await connection.execute("SET maintenance_work_mem = '512MB'")
    await connection.execute(
        f"CREATE INDEX {index_name('passages', model)} ON passages "
        f"USING hnsw ((embedding::halfvec({points.shape[1]})) halfvec_cosine_ops) WHERE model = {model}"
    )
    await connection.execute("VACUUM ANALYZE passages")
