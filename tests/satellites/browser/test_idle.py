"""The real assistant short of memory, with a browser that has fallen silent."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import assistant as assistant_module
from pipeline.assistant import Assistant
from pipeline.budget import memory_watch
from pipeline.budget.shedding import Reading
from pipeline.settings import Settings
from tests.satellites.browser.conftest import Serve
from tests.satellites.browser.test_door import Peer, client

GIB = 1 << 30
PLENTY, LITTLE = Reading(16 * GIB, 8 * GIB), Reading(16 * GIB, GIB * 8 // 10)


@pytest.fixture
def data() -> Iterator[Path]:
    """A folder that other accounts can reach: as root, Postgres runs as one of them."""
    made = Path(tempfile.mkdtemp(prefix="passfel-test-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


async def test_an_idle_conversation_ends_and_a_new_one_is_held_once_there_is_memory(
    serve: Serve, data: Path, monkeypatch: pytest.MonkeyPatch
):
    readings = [PLENTY]
    monkeypatch.setattr(memory_watch, "_read", lambda _: readings[-1])
    monkeypatch.setattr(assistant_module, "IDLE_SECONDS", 0.0)
    monkeypatch.setenv("PASSFEL_STORES__EMBEDDED", "true")
    async with Assistant(Settings(data_dir=data)) as assistant, serve(assistant) as address, client(address) as http:
        async with Peer(http), asyncio.timeout(20):
            while not assistant._open:
                await asyncio.sleep(0.05)
            readings.append(LITTLE)
            while assistant._open:
                await asyncio.sleep(0.05)
        assert assistant.engine_state()["memory"]["shed"].endswith("idle conversations")
        # New conversations are given up after those that are idle.
        async with Peer(http), asyncio.timeout(20):
            while not assistant._open:
                await asyncio.sleep(0.05)
