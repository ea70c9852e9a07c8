import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from pipeline.budget.footprint import descendants, name
from pipeline.store.embedded_postgres import EmbeddedPostgres
from pipeline.store.embedded_server import ServerFailed

pytestmark = pytest.mark.asyncio(loop_scope="module")

KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from pipeline.store.embedded_postgres import EmbeddedPostgres
import asyncpg
async def main():
    address = await EmbeddedPostgres(Path(sys.argv[1])).start()
    connection = await asyncpg.connect(address)
    await connection.execute("CREATE TABLE kept (word text)")
    await connection.execute("INSERT INTO kept VALUES ('still here')")
    print(address, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""


def servers() -> list[int]:
    return [process for process in descendants(os.getpid()) if name(process) == "postgres"]


def control_file(folder: Path) -> Path:
    return next(folder.glob("damaged*/**/global/pg_control"))


async def test_what_a_killed_process_has_written_is_there_and_its_server_is_taken_over(folder: Path) -> None:
    place = folder / "killed"
    killed = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", KILLED, str(place)], capture_output=True, text=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    server = EmbeddedPostgres(place)
    connection = await asyncpg.connect(await server.start())
    assert await connection.fetchval("SELECT word FROM kept") == "still here"
    await connection.close()
    await server.stop()


async def test_two_over_one_folder_share_it_and_the_second_goes_on_alone(folder: Path) -> None:
    first, second = EmbeddedPostgres(folder / "shared"), EmbeddedPostgres(folder / "shared")
    address = await first.start()
    assert await second.start() == address
    connection = await asyncpg.connect(address)
    await connection.execute("CREATE TABLE shared AS SELECT 42 AS n")
    await connection.close()
    await first.stop()
    async with asyncio.timeout(60):
        while True:
            try:
                connection = await asyncpg.connect(address, timeout=5)
            except (OSError, asyncpg.PostgresError):
                await asyncio.sleep(0.2)
            else:
                break
    assert await connection.fetchval("SELECT n FROM shared") == 42
    await connection.close()
    await second.stop()


async def test_a_server_that_dies_is_started_again_with_its_data(postgres) -> None:
    _, address = postgres
    connection = await asyncpg.connect(address)
    await connection.execute("CREATE TABLE IF NOT EXISTS survives (n integer)")
    await connection.execute("INSERT INTO survives VALUES (1)")
    leader = await connection.fetchval("SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'")
    for process in [process for process in servers() if process != leader][:1]:
        os.kill(process, signal.SIGKILL)
    async with asyncio.timeout(60):
        while True:
            try:
                again = await asyncpg.connect(address, timeout=5)
                assert await again.fetchval("SELECT count(*) FROM survives") == 1
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await asyncio.sleep(0.2)
            else:
                await again.close()
                break


async def test_it_can_only_be_opened_by_its_owner_and_listens_on_no_network(postgres) -> None:
    _, address = postgres
    connection = await asyncpg.connect(address)
    assert await connection.fetchval("SHOW listen_addresses") == ""
    folder = Path(await connection.fetchval("SHOW unix_socket_directories"))
    assert folder.stat().st_mode & 0o077 == 0  # noqa: ASYNC240 - one look
    await connection.close()


async def test_after_stop_no_process_is_left_and_stop_may_be_repeated(folder: Path) -> None:
    before = set(servers())
    server = EmbeddedPostgres(folder / "stopped")
    await server.start()
    # Those of other tests' servers come and go.
    own = set(servers()) - before
    assert own
    await server.stop()
    await server.stop()
    assert not own & set(servers())


async def test_a_damaged_folder_is_told_and_left_as_it_is(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "damaged")
    await server.start()
    await server.stop()
    control = control_file(folder)
    control.write_bytes(b"nothing of use")
    with pytest.raises(ServerFailed, match="does not start"):
        await server.start()
    assert control.read_bytes() == b"nothing of use"
