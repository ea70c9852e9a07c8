import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import pytest
import uvicorn
from fastapi import FastAPI

from satellites.realtime.door import Connected, mount
from tests.fakes.scripted_assistant import ScriptedAssistant


@dataclass
class Server:
    """The door on a real socket, with a scripted assistant behind it."""

    port: int
    assistant: ScriptedAssistant
    connected: Connected

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v1"


@asynccontextmanager
async def serving(ping: float | None = None) -> AsyncIterator[Server]:
    """Serve on loopback; `ping` is the seconds between pings, and for their answers."""
    assistant = ScriptedAssistant()
    app = FastAPI()
    connected = mount(app, assistant)
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)  # so that a stall is soon felt
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        config = uvicorn.Config(app, log_level="warning", lifespan="off", ws_ping_interval=ping, ws_ping_timeout=ping)
        running = uvicorn.Server(config)
        task = asyncio.create_task(running.serve([listener]))
        try:
            yield Server(listener.getsockname()[1], assistant, connected)
        finally:
            running.should_exit = True
            await task


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as server:
        yield server


@pytest.fixture
def pinging_server() -> Callable[[float], AbstractAsyncContextManager[Server]]:
    return serving
