"""`passfel serve` in a process of its own, as a user runs it."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 120


@dataclass(frozen=True)
class Server:
    """A running assistant."""

    port: int
    process: asyncio.subprocess.Process

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def turns(self) -> list[dict]:
        async with httpx.AsyncClient(base_url=self.address) as http:
            return (await http.get("/v1/turns")).raise_for_status().json()


@asynccontextmanager
async def running_server(data: Path, **settings: str) -> AsyncIterator[Server]:
    """Run the assistant on a free port until the context ends; fail with its log where it does not get warm."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = os.environ | {"PASSFEL_PORT": str(port), "PASSFEL_DATA_DIR": str(data)} | settings
    log = data / "server.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "passfel.py", "serve", cwd=ROOT, env=environment, stdout=output, stderr=output
        )
    try:
        server = Server(port, process)
        await _healthy(server, log)
        yield server
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(20):
            await process.wait()


async def _healthy(server: Server, log: Path) -> None:
    async with httpx.AsyncClient(base_url=server.address) as http, asyncio.timeout(START_SECONDS):
        while True:
            if server.process.returncode is not None:
                pytest.fail(f"passfel serve ended with {server.process.returncode}:\n{_tail(log)}")
            try:
                if (await http.get("/healthz")).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.2)


def _tail(log: Path) -> str:
    return log.read_text()[-3000:]
