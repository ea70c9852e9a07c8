"""Both sides as processes of their own, one alive at a time."""

import asyncio
import contextlib
import os
import socket
import sys
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from pipeline.engines.endpoint import Endpoint
from tests.benchmarks.clients import Caller, PlainCaller, RealtimeCaller
from tests.benchmarks.recordings import VOICE, Recording
from voice.models import piper_voice, whisper_model

REPOSITORY = Path(__file__).parents[2]
START_TIMEOUT = 180.0
STOP_TIMEOUT = 20.0


@dataclass(frozen=True, slots=True)
class LanguageServer:
    """The OpenAI-compatible server that both sides ask."""

    url: str
    key: str
    model: str
    embedded: bool = False
    """It is PASSFEL's own engine, started for the measurement."""
    endpoint: Endpoint | None = None
    """What PASSFEL knows of an engine that it started."""

    @property
    def engine(self) -> str:
        """What a report calls it."""
        kind = "embedded llama.cpp" if self.embedded else "vLLM" if self.endpoint else self.url
        return f"{self.model} at {kind}"


@dataclass(frozen=True)
class Side(ABC):
    """One of the two systems that are compared."""

    language: LanguageServer
    folder: Path
    """Where it may keep data and logs."""
    persona: str

    @property
    @abstractmethod
    def name(self) -> str:
        """What the report calls it."""

    @abstractmethod
    def command(self, port: int) -> list[str]:
        """Return the command that serves on a port."""

    @abstractmethod
    def environment(self, port: int) -> dict[str, str]:
        """Return the settings that it takes from the environment."""

    @abstractmethod
    def caller(self, port: int, room: Recording) -> Caller:
        """Return a caller from the room of a recording."""


class Plain(Side):
    """Pipecat's quick-start pipeline."""

    name = "Pipecat"

    def command(self, port: int) -> list[str]:
        """Serve `plain_pipecat` with the shared models."""
        options = {
            "--port": str(port),
            "--language-url": self.language.url,
            "--language-key": self.language.key,
            "--language-model": self.language.model,
            "--whisper": str(whisper_model("tiny.en", self.folder)),
            "--voice": str(piper_voice(VOICE, self.folder)),
            "--persona": self.persona,
        }
        # As one word each: a key may begin with a dash.
        return [sys.executable, "-m", "tests.benchmarks.plain_pipecat", *map("=".join, options.items())]

    def environment(self, port: int) -> dict[str, str]:
        """Ask for nothing."""
        return {}

    def caller(self, port: int, room: Recording) -> Caller:
        """Call over Pipecat's websocket."""
        return PlainCaller(f"ws://127.0.0.1:{port}/ws", room)


class Passfel(Side):
    """This repository."""

    name = "PASSFEL"

    def command(self, port: int) -> list[str]:
        """Serve with the default settings."""
        return [sys.executable, "passfel.py", "serve"]

    def environment(self, port: int) -> dict[str, str]:
        """Give it a port and a data directory of its own. Where the other side asks the embedded engine, it has one
        of the same model for itself, as it would at home.
        """
        place = {"PASSFEL_PORT": str(port), "PASSFEL_DATA_DIR": str(self.folder / "passfel-data")}
        if self.language.embedded:
            return place
        return place | {
            "PASSFEL_LANGUAGE__URL": self.language.url,
            "PASSFEL_LANGUAGE__MODEL": self.language.model,
            "PASSFEL_LANGUAGE__API_KEY": self.language.key,
        }

    def caller(self, port: int, room: Recording) -> Caller:
        """Call over the OpenAI Realtime API."""
        return RealtimeCaller(f"ws://127.0.0.1:{port}/v1/realtime", room)


@dataclass(frozen=True, slots=True)
class Server:
    """A side that is up."""

    side: Side
    pid: int
    port: int

    def caller(self, room: Recording) -> Caller:
        """Return a caller that is not connected yet (see `calling`)."""
        return self.side.caller(self.port, room)


@contextlib.asynccontextmanager
async def serving(side: Side, **environment: str) -> AsyncIterator[Server]:
    """Start a side with further settings, wait until it is warm, and stop it when the context is left.

    Raises:
        RuntimeError: if it does not come up; its log is in the side's folder.
    """
    port = free_port()
    log = side.folder / f"{side.name.lower()}.log"
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *side.command(port),
            cwd=REPOSITORY,
            env={**os.environ, **side.environment(port), **environment},
            stdout=output,
            stderr=output,
        )
    try:
        await _warm(f"http://127.0.0.1:{port}/healthz", process, log)
        yield Server(side, process.pid, port)
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), STOP_TIMEOUT)
            except TimeoutError:
                process.kill()
                await process.wait()


def free_port() -> int:
    """Return a port of the loopback interface that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _warm(url: str, process: asyncio.subprocess.Process, log: Path) -> None:
    deadline = asyncio.get_running_loop().time() + START_TIMEOUT
    async with httpx.AsyncClient(timeout=5) as client:
        while asyncio.get_running_loop().time() < deadline and process.returncode is None:
            with contextlib.suppress(httpx.TransportError):
                if (await client.get(url)).status_code == httpx.codes.OK:
                    return
            await asyncio.sleep(0.2)
    raise RuntimeError(f"the server did not come up: see {log}")
