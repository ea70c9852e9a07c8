"""The chat door on a real socket, before an assistant that writes what a script says."""

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import uvicorn
from fastapi import FastAPI
from openai import AsyncOpenAI
from pydantic import SecretStr

from pipeline.caller import Caller
from pipeline.writer import Finished, Text, Usage, Written, WrittenRequest
from satellites.access import Access
from satellites.chat.door import mount
from satellites.gate import Gate

END = Finished("stop", Usage(prompt=12, completion=3, cached=8))
ANSWER: tuple[Written | Exception, ...] = (Text("Good "), Text("day, "), Text("Ann."), END)


@dataclass
class ScriptedAssistant:
    """Writes each answer as the next of the scripts says; the last one stays. `None` waits for ever."""

    scripts: list[Sequence[Written | Exception | None]] = field(default_factory=lambda: [ANSWER])
    asked: list[tuple[WrittenRequest, Caller]] = field(default_factory=list)
    writing: int = 0
    """Answers that are under way."""

    async def write(self, request: WrittenRequest, caller: Caller) -> AsyncGenerator[Written]:
        self.asked.append((request, caller))
        self.writing += 1
        try:
            for piece in self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]:
                if isinstance(piece, Exception):
                    raise piece
                if piece is None:
                    await asyncio.Event().wait()
                else:
                    yield piece
        finally:
            self.writing -= 1

    async def idle(self) -> None:
        async with asyncio.timeout(5):
            while self.writing:
                await asyncio.sleep(0.01)


@dataclass
class Door:
    assistant: ScriptedAssistant
    address: str

    def client(self, **options: object) -> AsyncOpenAI:
        return AsyncOpenAI(base_url=f"{self.address}/v1", api_key="none", max_retries=0, **options)


@asynccontextmanager
async def serving(token: str | None = None) -> AsyncIterator[Door]:
    assistant = ScriptedAssistant()
    app = FastAPI()
    mount(app, assistant)
    app.add_middleware(Gate, access=Access(SecretStr(token) if token else None))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        running = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        task = asyncio.create_task(running.serve([listener]))
        try:
            yield Door(assistant, f"http://127.0.0.1:{listener.getsockname()[1]}")
        finally:
            running.should_exit = True
            await task
