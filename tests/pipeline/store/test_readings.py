"""Readings in a plain table of a real Postgres, and in a real TimescaleDB: the same questions get the same answers."""

import asyncio
import math
import os
import random
import shutil
import socket
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio

from pipeline.context.measured import described, meant, oddness
from pipeline.store.database import Database, StoreDown
from pipeline.store.readings import ADD_UP, BASELINE, INSERT, SUMMARY, Reading, Readings, Series, Summary, statements

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = datetime.now(UTC).replace(microsecond=0)
PEER = Path(__file__).resolve().parents[2] / "peers" / "timescale"
MIGRATION = Path(__file__).resolve().parents[3] / "pipeline" / "store" / "migrations" / "0003_readings.sql"


def freezer(*, warm: bool) -> list[Reading]:
    """Two weeks and a day of a freezer, a reading each half hour, the last of them warm or not."""
    chance = random.Random(7)
    moments = [NOW - timedelta(minutes=30 * step) for step in range(15 * 48, -1, -1)]
    values = [round(-18 + 0.4 * math.sin(moment.hour) + chance.uniform(-0.2, 0.2), 2) for moment in moments]
    if warm:
        values[-6:] = [-17.0, -16.1, -15.0, -14.2, -13.1, -12.4]
    return [
        Reading("Freezer temperature", value, at, "°C", "kitchen") for at, value in zip(moments, values, strict=True)
    ]


@pytest_asyncio.fixture(loop_scope="module")
async def readings(database: Database) -> Readings:
    async with database.connection(10) as connection:
        await connection.execute("TRUNCATE series CASCADE")
    readings = Readings(database, keep=timedelta(days=30))
    await readings.prepare()
    return readings


async def summary_of(readings: Readings, name: str) -> Summary:
    series = next(each for each in await readings.series(seconds=5) if each.name == name)
    return (await readings.summaries([series.id], seconds=5))[0]


async def test_what_is_odd_is_told_of_from_history(readings) -> None:
    await readings.note(freezer(warm=True))
    await readings.tidy(None)
    summary = await summary_of(readings, "Freezer temperature")
    assert oddness(summary) == "high"
    assert described(summary, NOW).startswith(
        "Freezer temperature is -12.4 °C now. That is unusually high: in the two weeks"
    )


async def test_what_is_as_ever_is_told_so(readings) -> None:
    await readings.note(freezer(warm=False))
    await readings.tidy(None)
    summary = await summary_of(readings, "Freezer temperature")
    assert oddness(summary) == ""
    assert "That is as usual" in described(summary, NOW)
    assert "Nothing was heard of it since" in described(summary, NOW + timedelta(hours=5))


async def test_a_new_sensor_is_told_of_without_a_judgement(readings) -> None:
    await readings.note(
        [Reading("Attic humidity", 61, NOW - timedelta(hours=1), "%"), Reading("attic humidity", 64, NOW, "%")]
    )
    await readings.tidy(None)
    summary = await summary_of(readings, "Attic humidity")
    assert described(summary, NOW) == "Attic humidity is 64 % now. In the last day it was between 61 and 64 %."


async def test_a_reading_that_comes_again_takes_the_place_of_the_first(readings, database) -> None:
    await readings.note([Reading("Attic", 1, NOW), Reading("Attic", 2, NOW)])
    async with database.connection(5) as connection:
        assert [row["value"] for row in await connection.fetch("SELECT value FROM readings")] == [2.0]


async def test_what_is_too_old_goes_and_its_hours_stay(readings, database) -> None:
    await readings.note(
        [Reading("Attic", 20 + minute, NOW - timedelta(days=40, minutes=minute)) for minute in range(3)]
    )
    await readings.note([Reading("Attic", 30, NOW)])
    async with database.connection(5) as connection:
        await connection.execute(ADD_UP, NOW - timedelta(days=50))
    await readings.tidy(None)
    async with database.connection(5) as connection:
        assert await connection.fetchval("SELECT count(*) FROM readings") == 1
        assert await connection.fetchval("SELECT sum(count) FROM readings_hourly") == 4


async def test_preparing_again_keeps_everything(readings, database) -> None:
    await readings.note(freezer(warm=False))
    await readings.tidy(None)
    await readings.prepare()
    async with database.connection(5) as connection:
        assert await connection.fetchval("SELECT count(*) FROM readings_hourly") > 300


async def test_without_a_database_nothing_is_said_to_be_kept() -> None:
    with pytest.raises(StoreDown):
        await Readings(Database("postgresql://nobody@/none?host=/nowhere"), keep=timedelta(days=30)).note(
            freezer(warm=False)
        )


KNOWN = [
    Series(1, "Freezer temperature", "kitchen"),
    Series(2, "Kitchen temperature", "kitchen"),
    Series(3, "Bedroom temperature", "bedroom"),
    Series(4, "Solar power", None),
]


@pytest.mark.parametrize(
    ("question", "room", "names"),
    [
        ("Is the freezer behaving oddly?", None, ["Freezer temperature"]),
        ("How warm is it in the bedroom?", None, ["Bedroom temperature"]),
        ("What's the temperature in the kitchen?", None, ["Kitchen temperature", "Freezer temperature"]),
        ("How much solar power do we make?", None, ["Solar power"]),
        ("What is the temperature?", "bedroom", ["Bedroom temperature"]),
        ("What is the temperature?", None, []),
        ("Who wrote Hamlet?", "kitchen", []),
    ],
)
async def test_a_question_means_what_it_names(question: str, room: str | None, names: list[str]) -> None:
    assert [each.name for each in meant(question, KNOWN, room=room)] == names


@pytest.fixture(scope="module")
def timescale() -> Iterator[psycopg.Connection]:
    node = shutil.which("node")
    if node is None or not (PEER / "node_modules").is_dir():
        told = "TimescaleDB comes from npm: make test installs it where Node is at hand"
        pytest.fail(told) if os.environ.get("CI") == "true" else pytest.skip(told)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = subprocess.Popen([node, "server.js", str(port)], cwd=PEER, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        assert server.stdout.readline().strip() == "ready"
        # It takes one connection at a time, and no statements prepared beforehand.
        with psycopg.connect(
            f"postgresql://postgres:postgres@127.0.0.1:{port}/postgres?sslmode=disable",
            prepare_threshold=None,
            autocommit=True,
            cursor_factory=psycopg.RawCursor,
        ) as connection:
            yield connection
    finally:
        server.terminate()
        server.wait(10)
        if server.stdout is not None:
            server.stdout.close()


async def test_timescaledb_keeps_the_same_and_answers_the_same(timescale, readings, database) -> None:
    timescale.execute("CREATE EXTENSION timescaledb")
    for statement in [*MIGRATION.read_text().split(";\n"), *statements(timescale=True)]:
        if statement.strip():
            timescale.execute(statement)
    timescale.execute("SELECT add_retention_policy('readings', $1::interval)", [timedelta(days=30)])
    noted = freezer(warm=True)
    for each in noted:
        timescale.execute(INSERT, [each.name, each.unit, each.room, each.at, each.value])
    timescale.execute("CALL refresh_continuous_aggregate('readings_hourly', NULL, NULL)")
    await readings.note(noted)
    await readings.tidy(None)
    kept = timescale.execute("SELECT hour, count, mean, low, high FROM readings_hourly ORDER BY hour").fetchall()
    async with database.connection(5) as connection:
        plain = await connection.fetch("SELECT hour, count, mean, low, high FROM readings_hourly ORDER BY hour")
        number = await connection.fetchval("SELECT id FROM series")
        same = await connection.fetchrow(SUMMARY, [number], NOW, NOW - BASELINE)
    assert len(kept) == len(plain) > 300
    for one, other in zip(kept, plain, strict=True):
        assert one[:2] == tuple(other)[:2]
        assert one[2:] == pytest.approx(tuple(other)[2:])
    row = timescale.execute(SUMMARY, [[1], NOW, NOW - BASELINE]).fetchone()
    assert row is not None
    assert row[1:5] == tuple(same)[1:5]
    assert row[5:] == pytest.approx(tuple(same)[5:])


async def test_timescaledb_compresses_and_lets_go_of_what_is_old(timescale) -> None:
    jobs = {row[0] for row in timescale.execute("SELECT proc_name FROM timescaledb_information.jobs").fetchall()}
    assert {"policy_compression", "policy_retention", "policy_refresh_continuous_aggregate"} <= jobs
    chunks = timescale.execute(
        "SELECT compress_chunk(c) FROM show_chunks('readings', older_than => INTERVAL '7 days') c"
    ).fetchall()
    assert chunks
    before = timescale.execute("SELECT count(*) FROM readings").fetchone()
    assert before == (15 * 48 + 1,)


async def test_run_prepares_and_adds_up_by_itself(database, readings) -> None:
    await readings.note(freezer(warm=False))
    running = asyncio.create_task(readings.run())
    try:
        async with asyncio.timeout(10), database.connection(10) as connection:
            while not await connection.fetchval("SELECT count(*) FROM readings_hourly"):
                await asyncio.sleep(0.05)
    finally:
        running.cancel()
        await asyncio.wait({running})
