"""The whole assistant in its own process, talked to through its page by Chromium."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Page

from tests.satellites.browser.chromium import (
    Visit,
    browser,
    chromium,
    contacted,
    synthesize,
    write_microphone,
)

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 120
ANSWER_SECONDS = 60


@asynccontextmanager
async def running_server(data: Path) -> AsyncIterator[str]:
    """Run `passfel serve` on a free port until the context ends; the value is its address."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = os.environ | {"PASSFEL_PORT": str(port), "PASSFEL_DATA_DIR": str(data)}
    with (data / "server.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "passfel.py", "serve", cwd=ROOT, env=environment, stdout=log, stderr=log
        )
    try:
        address = f"http://127.0.0.1:{port}"
        await healthy(process, address, data / "server.log")
        yield address
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(20):
            await process.wait()


async def healthy(process: asyncio.subprocess.Process, address: str, log: Path) -> None:
    """Wait until the server's assistant is warm."""
    async with httpx.AsyncClient(base_url=address) as http, asyncio.timeout(START_SECONDS):
        while True:
            if process.returncode is not None:
                pytest.fail(f"passfel serve ended with {process.returncode}:\n{tail(log)}")
            try:
                if (await http.get("/healthz")).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.2)


def tail(log: Path) -> str:
    """Return the end of a log."""
    return log.read_text()[-3000:]


async def sounds(page: Page) -> None:
    """Wait until the assistant's voice is heard, not only said to be speaking."""
    visit = Visit(page)
    async with asyncio.timeout(ANSWER_SECONDS):
        while await visit.loudness() < 0.02:
            pass


@pytest.mark.timeout(400)
async def test_chromium_talks_with_the_assistant_and_interrupts_it(tmp_path: Path):
    chromium()
    microphone = write_microphone(
        tmp_path / "microphone.wav",
        iter(
            [
                2.0,
                synthesize("Please tell me a long story about the sea."),
                6.0,
                synthesize("Stop, please. What time is it?"),
                60.0,
            ]
        ),
    )
    log = tmp_path / "network.json"
    async with running_server(tmp_path) as address, browser(microphone, network_log=log) as running:
        visit = Visit(await running.new_page())
        await visit.page.goto(address)
        await visit.page.click("#talk")
        assert "story" in (await visit.caption(".person .words:not(:empty)", ANSWER_SECONDS)).lower()
        await visit.state("speaking", ANSWER_SECONDS)
        await sounds(visit.page)
        assert await visit.caption(".assistant .words:not(:empty)", ANSWER_SECONDS)
        await visit.caption(".assistant.cut", ANSWER_SECONDS)
        await visit.caption(".person:nth-of-type(n+3) .words:has-text('time')", ANSWER_SECONDS)
        await visit.caption(".timings", ANSWER_SECONDS)
        assert visit.complaints == []
    assert contacted(log) == {"127.0.0.1"}
