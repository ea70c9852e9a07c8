"""Devices with ESPHome's firmware: one whose player fetches speech as FLAC over HTTP, and one that takes it over the API."""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import av

from tests.benchmarks.clients import from_pcm, to_pcm
from tests.benchmarks.door_clients.door import FOLLOW_UP, START_SECONDS, AtDevice, Door, streaming
from tests.benchmarks.playback import AUDIBLE
from tests.benchmarks.recordings import Recording
from tests.benchmarks.servers import Server
from tests.benchmarks.signals import Samples
from tests.satellites.esphome.device import ESPHOME_WITH_SPEAKER, RATE, FakeDevice, decoded

KEY = base64.b64encode(bytes(range(32))).decode()
FILE_BEGINS = b"fLaC"
LOOK = 0.01
"""Seconds between two looks at what has arrived."""
RELISTEN = 3.0
"""Seconds in which a device has begun to listen again by itself after an answer."""


class WithDevice(AtDevice):
    """Somebody at a device, which plays what comes at once and closes its microphone at the end of speech."""

    frame_samples = RATE * 32 // 1000

    def __init__(self, device: FakeDevice, room: Recording) -> None:
        super().__init__(room)
        self._device = device

    async def wake(self) -> None:
        """Say the wake word, unless the device listens already."""
        device = self._device
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RELISTEN if device.events else 0):
                await device.listening.wait()
                return
        device.wake()
        async with asyncio.timeout(START_SECONDS):
            await device.listening.wait()

    async def carry(self, frame: Samples) -> None:
        """Send one piece, where the microphone is open."""
        if self._device.listening.is_set():
            self._device.stream(to_pcm(frame))

    async def silence(self, seconds: float, limit: float) -> bool:
        """Wait until the player has played it all, too."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit):
                while self._device.playing.is_set():
                    await asyncio.sleep(LOOK)
        return await super().silence(seconds, limit)

    async def follow(self) -> None:
        """Play what arrives."""
        arrivals, seen = self._device.arrivals, 0
        while True:
            for at, piece in arrivals[seen:]:
                self._take(at, piece)
            seen = len(arrivals)
            await asyncio.sleep(LOOK)

    def _take(self, at: float, piece: bytes) -> None:
        self.playback.arrive(at, from_pcm(piece), RATE)


class WithPlayer(WithDevice):
    """The device fetches what it plays."""

    def __init__(self, device: FakeDevice, room: Recording) -> None:
        super().__init__(device, room)
        self._file = bytearray()
        self._played = 0
        self._audible = False

    def _take(self, at: float, piece: bytes) -> None:
        """Decode until something is audible: the rest is no matter for the latency."""
        if piece.startswith(FILE_BEGINS):
            self._file.clear()
            self._played, self._audible = 0, False
        self._file += piece
        if self._audible:
            return
        with contextlib.suppress(av.error.FFmpegError):
            samples, rate = decoded(bytes(self._file))
            self.playback.arrive(at, samples[self._played :], rate)
            self._played = len(samples)
            self._audible = bool((abs(samples) > AUDIBLE).any())


def settings(devices: dict[str, FakeDevice]) -> dict[str, str]:
    """What makes the server dial devices."""
    places = {name: {"address": "127.0.0.1", "port": each.port, "key": each.key} for name, each in devices.items()}
    prefix = "PASSFEL_ESPHOME__"
    chosen = {"DEVICES": json.dumps(places), "DISCOVER": "off", "HOST": "127.0.0.1", "PORT": "0"}
    return {prefix + name: value for name, value in (chosen | {"FOLLOW_UP": FOLLOW_UP}).items()}


@asynccontextmanager
async def doors() -> AsyncIterator[tuple[Door, Door]]:
    """Let a device of each kind be dialled until the context ends."""
    player = FakeDevice(name="player", key=KEY)
    speaker = FakeDevice(name="speaker", mac="20:F8:3B:00:00:02", features=ESPHOME_WITH_SPEAKER, key=KEY)
    async with player.serving(), speaker.serving():
        chosen = settings({"player": player, "speaker": speaker})
        yield (
            Door("ESPHome, fetches", "PCM, 32 ms, up; FLAC by HTTP down", _asking(player, WithPlayer), chosen),
            Door("ESPHome, speaker", "PCM, 32 ms, over the API", _asking(speaker, WithDevice), chosen),
        )


def _asking(device: FakeDevice, kind: type[WithDevice]) -> Callable[..., Awaitable[list[float]]]:
    async def ask(_: Server, utterances: tuple[Recording, ...]) -> list[float]:
        async with asyncio.timeout(START_SECONDS):
            await device.subscribed.wait()
        person = kind(device, utterances[0])
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(person.follow())
            found = await streaming(person, utterances)
            following.cancel()
        return found

    return ask
