"""A satellite with a wake word of its own, made of the `wyoming` package's events, which the household's side dials."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from wyoming.audio import AudioChunk
from wyoming.event import Eventable, async_read_event, async_write_event
from wyoming.ping import Ping, Pong
from wyoming.pipeline import PipelineStage, RunPipeline
from wyoming.wake import Detection

from tests.benchmarks.clients import from_pcm, to_pcm
from tests.benchmarks.door_clients.door import FOLLOW_UP, START_SECONDS, AtDevice, Door, streaming
from tests.benchmarks.recordings import Recording
from tests.benchmarks.servers import Server
from tests.benchmarks.signals import SAMPLE_RATE, Samples


class Satellite:
    """Takes one connection, and plays what comes at once.

    Args:
        port: to listen on; 0 takes any free one.
    """

    def __init__(self, port: int = 0) -> None:
        self.connected = asyncio.Event()
        self.person: WithWakeWord | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._server: asyncio.Server | None = None
        self.port = port

    async def listen(self) -> None:
        """Let itself be dialled."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Hang up, and take no further connection."""
        if self._server is not None:
            self._server.close()
        if self._writer is not None:
            self._writer.close()

    async def send(self, event: Eventable) -> None:
        """Send an event, where it is connected."""
        if self._writer is not None:
            await async_write_event(event.event(), self._writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self.connected.set()
        while (event := await async_read_event(reader)) is not None:
            if Ping.is_type(event.type):
                await self.send(Pong(text=Ping.from_event(event).text))
            elif AudioChunk.is_type(event.type) and self.person is not None:
                chunk = AudioChunk.from_event(event)
                self.person.playback.arrive(time.monotonic(), from_pcm(chunk.audio), chunk.rate)
        writer.close()


class WithWakeWord(AtDevice):
    """Somebody who has said the wake word to a satellite, which then streams until it is sent a transcript."""

    frame_samples = 1024

    def __init__(self, satellite: Satellite, room: Recording) -> None:
        super().__init__(room)
        self._satellite = satellite

    async def carry(self, frame: Samples) -> None:
        """Send one chunk."""
        await self._satellite.send(AudioChunk(SAMPLE_RATE, 2, 1, to_pcm(frame)))


def settings(satellites: dict[str, Satellite]) -> dict[str, str]:
    """What makes the server dial satellites."""
    places = {name: {"uri": f"tcp://127.0.0.1:{each.port}"} for name, each in satellites.items()}
    return {"PASSFEL_WYOMING__SATELLITES": json.dumps(places), "PASSFEL_WYOMING__FOLLOW_UP": FOLLOW_UP}


@asynccontextmanager
async def door() -> AsyncIterator[Door]:
    """Let a satellite be dialled until the context ends."""
    satellite = Satellite()
    await satellite.listen()

    async def ask(_: Server, utterances: tuple[Recording, ...]) -> list[float]:
        async with asyncio.timeout(START_SECONDS):
            await satellite.connected.wait()
        person = satellite.person = WithWakeWord(satellite, utterances[0])
        await satellite.send(Detection("okay_nabu"))
        await satellite.send(RunPipeline(PipelineStage.ASR, PipelineStage.TTS))
        return await streaming(person, utterances)

    try:
        yield Door("Wyoming", "PCM, 64 ms, over TCP", ask, settings({"bench": satellite}))
    finally:
        await satellite.close()
