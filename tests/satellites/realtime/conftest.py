import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import uvicorn
from fastapi import FastAPI

from satellites.realtime.door import mount
from tests.fakes.scripted_assistant import ScriptedAssistant


@dataclass
class Server:
    """The door on a real socket, with a scripted assistant behind it."""

    port: int
    assistant: ScriptedAssistant

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v1"


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    assistant = ScriptedAssistant()
    app = FastAPI()
    mount(app, assistant)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            app, log_level="warning", lifespan="off", ws_ping_interval=0.5, ws_ping_timeout=0.5
        )
        running = uvicorn.Server(config)
        task = asyncio.create_task(running.serve([listener]))
        try:
            yield Server(listener.getsockname()[1], assistant)
        finally:
            running.should_exit = True
            await task
