"""Fixtures for the browser's door."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
import uvicorn
from fastapi import FastAPI

from pipeline.settings.satellites import IceServer
from satellites.access import Access
from satellites.browser.door import Assistant, mount
from satellites.gate import Gate

Serve = Callable[..., AbstractAsyncContextManager[str]]


@pytest.fixture
def serve() -> Serve:
    """Serve an assistant's door behind the application's gate; the context's value is the address."""
    return _serve


@asynccontextmanager
async def _serve(
    assistant: Assistant,
    port: int = 0,
    *,
    host: str = "127.0.0.1",
    access: Access | None = None,
    ice_servers: Sequence[IceServer] = (),
) -> AsyncIterator[str]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await door.close()

    app = FastAPI(lifespan=lifespan)
    door = mount(app, assistant, ice_servers)
    app.add_middleware(Gate, access=access or Access(None))
    listener = socket.create_server((host, port))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"http://{host}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
        listener.close()
