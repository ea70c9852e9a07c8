"""A device with the xiaozhi firmware's protocol and Opus, let in by its code."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from websockets.asyncio.client import connect

from satellites.xiaozhi import framing
from tests.benchmarks.clients import from_pcm, to_pcm
from tests.benchmarks.door_clients.door import FOLLOW_UP, AtDevice, Door, streaming
from tests.benchmarks.playback import Playback
from tests.benchmarks.recordings import Recording
from tests.benchmarks.servers import Server, free_port
from tests.benchmarks.signals import SAMPLE_RATE, Samples
from tests.satellites.xiaozhi.conftest import Device
from voice.opus import DECODED_RATE, OpusEncoder


class Puck(Device):
    """Plays what comes at once."""

    playback: Playback | None = None

    async def _take(self, message: str | bytes) -> None:
        before = len(self.heard)
        await super()._take(message)
        if self.playback is not None and len(self.heard) > before:
            self.playback.arrive(time.monotonic(), from_pcm(bytes(self.heard[before:])), DECODED_RATE)


class WithPuck(AtDevice):
    """Somebody who talks with one in its real-time mode, in which the microphone stays open."""

    frame_samples = SAMPLE_RATE * 60 // 1000

    def __init__(self, device: Puck, room: Recording) -> None:
        super().__init__(room)
        self._device = device
        self._encoder = OpusEncoder(SAMPLE_RATE, 60)
        device.playback = self.playback

    async def carry(self, frame: Samples) -> None:
        """Send one packet."""
        for packet in self._encoder.encode(to_pcm(frame)):
            await self._device.websocket.send(framing.wrap(self._device.version, packet))


def settings() -> dict[str, str]:
    """What opens this door."""
    prefix = "PASSFEL_XIAOZHI__"
    chosen = {"ENABLED": "true", "HOST": "127.0.0.1", "PORT": str(free_port()), "FOLLOW_UP": FOLLOW_UP}
    return {prefix + name: value for name, value in chosen.items()}


@asynccontextmanager
async def puck(server: Server, port: str, name: str) -> AsyncIterator[Puck]:
    """A device that has been let in and has said hello."""
    ids = {"Device-Id": name, "Client-Id": str(uuid.uuid5(uuid.NAMESPACE_DNS, name))}
    async with httpx.AsyncClient() as http:
        asked = await http.post(f"http://127.0.0.1:{port}/xiaozhi/ota/", headers=ids, json={})
        told = asked.raise_for_status().json()
        if "activation" in told:
            wanted = {"code": told["activation"]["code"], "name": name.replace(":", "")}
            (await http.post(f"http://127.0.0.1:{server.port}/v1/paired", json=wanted)).raise_for_status()
    headers = {"Authorization": f"Bearer {told['websocket']['token']}", "Protocol-Version": "1"}
    async with connect(f"ws://127.0.0.1:{port}/xiaozhi/v1/", additional_headers=headers) as websocket:
        device = Puck(websocket)
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(device.read())
            await device.hello()
            await device.until("hello")
            try:
                yield device
            finally:
                reading.cancel()


def door() -> Door:
    """Return the door with one device."""
    chosen = settings()

    async def ask(server: Server, utterances: tuple[Recording, ...]) -> list[float]:
        async with puck(server, chosen["PASSFEL_XIAOZHI__PORT"], "aa:bb:cc:00:00:01") as device:
            await device.listen(mode="realtime")
            return await streaming(WithPuck(device, utterances[0]), utterances)

    return Door("xiaozhi", "Opus, 60 ms, over a websocket", ask, chosen)
