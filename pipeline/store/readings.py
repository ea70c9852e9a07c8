"""What changes over time: sensors of the house, the weather, prices.

Each reading is kept for a month or so, and each hour's mean, lowest and highest for years. TimescaleDB does that where
the database has it; elsewhere a plain table and a job of our own do the same.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import asyncpg
from loguru import logger

from pipeline.store.database import Database, StoreDown

BASELINE: Final = timedelta(days=14)
"""How far back it is looked for what is usual."""

_FOLDER = Path(__file__).with_name("timeseries")
_HOURS_KEPT = timedelta(days=5 * 366)
_SECONDS = 10.0
_JOB_SECONDS = 240.0
_JOB_EVERY_SECONDS = 600.0
_PAUSE_SECONDS = 5.0
_REFRESH_SECONDS = 60.0
_LOCK = 7_860_003
# Readings that come late change an hour that was added up before.
_LATE = timedelta(days=2)

INSERT: Final = (
    "WITH known AS (INSERT INTO series (name, unit, room) VALUES ($1, $2, $3) ON CONFLICT (lower(name)) "
    "DO UPDATE SET unit = EXCLUDED.unit, room = coalesce(EXCLUDED.room, series.room) RETURNING id) "
    "INSERT INTO readings (series, at, value) SELECT id, $4, $5 FROM known "
    "ON CONFLICT (series, at) DO UPDATE SET value = EXCLUDED.value"
)
ADD_UP: Final = (
    "INSERT INTO readings_hourly SELECT series, date_bin('1 hour', at, TIMESTAMPTZ '2000-01-01 00:00Z'), count(*), "
    "avg(value), min(value), max(value) FROM readings WHERE at >= date_bin('1 hour', $1::timestamptz, "
    "TIMESTAMPTZ '2000-01-01 00:00Z') GROUP BY 1, 2 ON CONFLICT (series, hour) DO UPDATE SET count = EXCLUDED.count, "
    "mean = EXCLUDED.mean, low = EXCLUDED.low, high = EXCLUDED.high"
)
SUMMARY: Final = (
    "SELECT s.id, s.name, s.unit, s.room, latest.at, latest.value, day.low AS day_low, "
    "day.high AS day_high, usual.mean AS usual_mean, usual.spread AS usual_spread, usual.low AS usual_low, "
    "usual.high AS usual_high, usual.hours FROM series s "
    "CROSS JOIN LATERAL (SELECT at, value FROM readings WHERE series = s.id AND at <= $2 "
    "ORDER BY at DESC LIMIT 1) latest "
    "CROSS JOIN LATERAL (SELECT min(value) AS low, max(value) AS high FROM readings "
    "WHERE series = s.id AND at > $2::timestamptz - INTERVAL '1 day' AND at <= $2) day "
    "CROSS JOIN LATERAL (SELECT avg(mean) AS mean, stddev_pop(mean) AS spread, min(low) AS low, max(high) AS high, "
    "count(*) AS hours FROM readings_hourly WHERE series = s.id AND hour <= $2::timestamptz - INTERVAL '1 day' "
    "AND hour > $3) usual WHERE s.id = ANY ($1::integer[])"
)


@dataclass(frozen=True, slots=True)
class Reading:
    """A value at a moment."""

    name: str
    """What was measured, as people call it: "Freezer temperature"."""
    value: float
    at: datetime
    unit: str = ""
    room: str | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """Something that is measured."""

    id: int
    name: str
    room: str | None


@dataclass(frozen=True, slots=True)
class Summary:
    """How something is now, and how it usually is."""

    id: int
    name: str
    unit: str
    room: str | None
    at: datetime
    value: float
    day_low: float | None
    """Of the last 24 hours; None where nothing was measured in them."""
    day_high: float | None
    usual_mean: float | None
    """Of the two weeks before; None where nothing was measured in them."""
    usual_spread: float | None
    """Standard deviation of the hours' means."""
    usual_low: float | None
    usual_high: float | None
    hours: int


class Readings:
    """Keeps readings. What it raises where the database does not answer is `StoreDown`.

    Args:
        keep: how long each reading is kept.
    """

    def __init__(self, database: Database, *, keep: timedelta) -> None:
        self._database = database
        self._keep = keep
        self._timescale = False
        self._series: list[Series] = []
        self._series_read = -_REFRESH_SECONDS
        self._oldest: datetime | None = None
        self._wanted = asyncio.Event()

    async def note(self, readings: Sequence[Reading]) -> None:
        """Keep readings; when this returns, they survive a crash. One of the same moment takes the place of another."""
        rows = [(each.name, each.unit, each.room, each.at, each.value) for each in readings]
        async with self._database.connection(_SECONDS) as connection:
            await connection.executemany(INSERT, rows)
        if {each.name.lower() for each in readings} - {each.name.lower() for each in self._series}:
            self._series_read = -_REFRESH_SECONDS
        oldest = min(each.at for each in readings)
        if oldest < datetime.now(UTC) - _LATE:
            self._oldest = min(oldest, self._oldest or oldest)
            self._wanted.set()

    async def series(self, *, seconds: float) -> Sequence[Series]:
        """All that is measured; up to a minute old."""
        now = asyncio.get_running_loop().time()
        if now - self._series_read > _REFRESH_SECONDS:
            async with self._database.connection(seconds) as connection:
                rows = await connection.fetch("SELECT id, name, room FROM series ORDER BY name")
            self._series, self._series_read = [Series(*row.values()) for row in rows], now
        return self._series

    async def summaries(self, series: Sequence[int], *, seconds: float) -> list[Summary]:
        """Tell how these are now and how they usually are."""
        now = datetime.now(UTC)
        async with self._database.connection(seconds) as connection:
            rows = await connection.fetch(SUMMARY, list(series), now, now - BASELINE)
        return [Summary(*row.values()) for row in rows]

    async def run(self) -> None:
        """Prepare the tables, then add up and clean up, until cancelled. Raises `pipeline.store.database.Unusable`."""
        await self._database.until_open()
        since: datetime | None = None
        prepared = False
        while True:
            self._wanted.clear()
            try:
                if not prepared:
                    await self.prepare()
                    prepared = True
                since = await self.tidy(since)
            except StoreDown as error:
                logger.debug(f"readings are added up later: {error}")
            await asyncio.sleep(_PAUSE_SECONDS)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_JOB_EVERY_SECONDS if prepared else 0):
                    await self._wanted.wait()

    async def prepare(self) -> None:
        """Make what adds hours up: TimescaleDB's continuous aggregate, or a table."""
        async with self._database.connection(_JOB_SECONDS) as connection:
            await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
            try:
                self._timescale = await _has_timescale(connection)
                for statement in await asyncio.to_thread(statements, timescale=self._timescale):
                    await connection.execute(statement)
                if self._timescale:
                    await connection.execute("SELECT remove_retention_policy('readings', if_exists => true)")
                    await connection.execute("SELECT add_retention_policy('readings', $1::interval)", self._keep)
            finally:
                await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)
        logger.info(f"readings are kept {'by TimescaleDB' if self._timescale else 'in a plain table'}")

    async def tidy(self, since: datetime | None) -> datetime:
        """Add up the hours since a moment, and remove what is too old; returns the moment for the next time."""
        now = datetime.now(UTC)
        if self._timescale:
            return now
        first = now - self._keep if since is None else min(since - _LATE, self._oldest or since)
        self._oldest = None
        async with self._database.connection(_JOB_SECONDS) as connection:
            await connection.execute(ADD_UP, first)
            # Their hours are added up; what is left of them is in those.
            await connection.execute("DELETE FROM readings WHERE at < $1", now - self._keep)
            await connection.execute("DELETE FROM readings_hourly WHERE hour < $1", now - _HOURS_KEPT)
        return now


def statements(*, timescale: bool) -> list[str]:
    """The statements that prepare the tables, one by one: TimescaleDB takes some outside of a transaction only."""
    text = (_FOLDER / ("timescale.sql" if timescale else "plain.sql")).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("--")]
    return [statement.strip() for statement in "\n".join(lines).split(";\n") if statement.strip(" ;\n")]


async def _has_timescale(connection: asyncpg.Connection) -> bool:
    """Whether TimescaleDB is there and keeps this database's readings, or may begin to."""
    if await connection.fetchval("SELECT EXISTS (SELECT FROM pg_tables WHERE tablename = 'readings_hourly')"):
        # A plain table is in use: what it has added up would be lost.
        return False
    if not await connection.fetchval("SELECT current_setting('shared_preload_libraries') LIKE '%timescaledb%'"):
        return False
    try:
        await connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    except asyncpg.PostgresError as error:
        logger.warning(f"TimescaleDB is there and cannot be used, readings are kept in a plain table: {error}")
        return False
    return True
