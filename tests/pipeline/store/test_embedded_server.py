"""What all servers that PASSFEL brings have in common, tried with one that does nothing."""

import asyncio
import os
from pathlib import Path

import pytest

from pipeline.store import embedded_server
from pipeline.store.embedded_server import EmbeddedServer


class Sleeper(EmbeddedServer):
    """Sleeps for a moment, and ends."""

    what = "a sleeper"

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self.launched = asyncio.Semaphore(0)

    def _find_place(self) -> Path:
        return self._folder

    def _address(self) -> str:
        return "nowhere"

    async def _launch(self) -> None:
        self.launched.release()
        await self._run("sleep", "0.05", log=os.open(os.devnull, os.O_WRONLY))

    async def _serves(self) -> bool:
        return True


async def test_one_that_has_served_for_long_is_soon_there_again_however_often_it_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_server, "STEADY_SECONDS", 0.01)
    monkeypatch.setattr(embedded_server, "_SHORTEST_DELAY", 0.01)
    server = Sleeper(tmp_path / "data")
    await server.start()
    try:
        async with asyncio.timeout(20):
            for _ in range(15):
                await server.launched.acquire()
    finally:
        await server.stop()
