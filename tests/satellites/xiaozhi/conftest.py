"""The door on a real socket, with a scripted assistant behind it, and a device as the firmware is."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from pipeline.caller import Caller
from pipeline.json_store import JsonStore
from pipeline.settings import Settings
from pipeline.settings.satellites import Xiaozhi as XiaozhiSettings
from satellites.pairing.paired import Paired
from satellites.pairing.waiting import Waiting
from satellites.services import House
from satellites.xiaozhi import framing
from satellites.xiaozhi.door import Xiaozhi
from tests.fakes.scripted_assistant import Script, ScriptedAssistant
from voice.opus import DECODED_RATE, OpusDecoder, OpusEncoder

SECONDS = 20.0
"""In which anything at all happens, on a busy machine."""
LOUD = (np.sin(np.arange(16_000) / 4) * 12000).astype("<i2")
"""A second of a tone at 16 kHz."""


class Assistant(ScriptedAssistant):
    """One that also has things to say at devices that rest."""

    def __init__(self) -> None:
        super().__init__(Script())
        self.resting: dict[str, Callable[[], None]] = {}

    def expects(self, *turns: tuple[str, str]) -> None:
        self.script.heard = deque(heard for heard, _ in turns)
        self.script.replies = deque(reply for _, reply in turns)

    @asynccontextmanager
    async def standby(self, caller: Caller, wake: Callable[[], None]) -> AsyncIterator[None]:
        self.resting[caller.device] = wake
        try:
            yield
        finally:
            del self.resting[caller.device]


@dataclass
class Device:
    """The firmware's end of a connection."""

    websocket: ClientConnection
    version: int = 1
    told: list[dict[str, Any]] = field(default_factory=list)
    heard: bytearray = field(default_factory=bytearray)
    """16-bit PCM at 48 kHz."""
    misplaced: int = 0
    """Packets that came while it did not play."""
    answers: Callable[[dict[str, Any]], dict[str, Any] | None] = lambda _: None
    """What it answers to a message for its tools."""
    closed: ConnectionClosed | None = None
    _speaking: bool = False
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _encoder: OpusEncoder = field(default_factory=lambda: OpusEncoder(16_000, 60))
    _decoder: OpusDecoder = field(default_factory=OpusDecoder)

    async def read(self) -> None:
        try:
            async for message in self.websocket:
                await self._take(message)
                self._changed.set()
        except ConnectionClosed as closed:
            self.closed = closed
        self._changed.set()

    async def _take(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            packet = framing.unwrap(self.version, message).content
            self.misplaced += not self._speaking
            self.heard += self._decoder.decode(packet)
            return
        told = json.loads(message)
        self.told.append(told)
        if told["type"] == "tts" and told["state"] in ("start", "stop"):
            self._speaking = told["state"] == "start"
        if told["type"] == "mcp" and (answer := self.answers(told["payload"])) is not None:
            await self.send(type="mcp", payload={"jsonrpc": "2.0", "id": told["payload"]["id"], **answer})

    async def send(self, **message: Any) -> None:
        await self.websocket.send(json.dumps(message))

    async def hello(self, **more: Any) -> None:
        params = {"format": "opus", "sample_rate": 16000, "channels": 1, "frame_duration": 60}
        hello = {"version": self.version, "features": {}, "transport": "websocket", "audio_params": params}
        await self.send(**{"type": "hello", **hello, **more})

    async def listen(self, state: str = "start", **more: Any) -> None:
        await self.send(type="listen", state=state, **more)

    async def sound(self, seconds: float, *, loud: bool) -> None:
        """Send sound in real time."""
        samples = np.tile(LOUD, 1 + int(seconds))[: int(seconds * 16_000)]
        pcm = samples.tobytes() if loud else bytes(len(samples) * 2)
        for packet in [*self._encoder.encode(pcm), *self._encoder.rest()]:
            await self.websocket.send(framing.wrap(self.version, packet))
            await asyncio.sleep(0.06)

    def says(self, kind: str, state: str | None = None) -> list[dict[str, Any]]:
        return [each for each in self.told if each["type"] == kind and state in (None, each.get("state"))]

    async def until(self, kind: str, state: str | None = None, *, count: int = 1) -> list[dict[str, Any]]:
        async with asyncio.timeout(SECONDS):
            while len(found := self.says(kind, state)) < count:
                assert self.closed is None, f"hung up: {self.closed}; told: {self.told}"
                self._changed.clear()
                await self._changed.wait()
        return found

    async def until_closed(self) -> tuple[int, str]:
        async with asyncio.timeout(SECONDS):
            await self.websocket.wait_closed()
        return self.websocket.close_code or 0, self.websocket.close_reason or ""

    def seconds_heard(self) -> float:
        return float(np.count_nonzero(abs(np.frombuffer(bytes(self.heard), "<i2")) > 500)) / DECODED_RATE


@dataclass
class Door:
    """The door while it is open."""

    service: Xiaozhi
    assistant: Assistant
    waiting: Waiting
    paired: Paired

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.service.port}"

    async def token(self, name: str = "Kitchen") -> str:
        """What a device of this name comes in with."""
        _, secret = await self.paired.add(name)
        return secret

    async def ask(self, device: str = "aa:bb:cc:dd:ee:ff", client: str = "client-1", **more: Any) -> httpx.Response:
        async with httpx.AsyncClient(base_url=self.url) as http:
            headers = {"Device-Id": device, "Client-Id": client, "Host": "house.lan"}
            return await http.post("/xiaozhi/ota/", headers=headers, **({"json": {}} | more))

    @asynccontextmanager
    async def device(self, token: str | None = None, *, version: int = 1) -> AsyncIterator[Device]:
        """A device that has connected and said nothing."""
        headers = {"Authorization": f"Bearer {token or await self.token()}", "Protocol-Version": str(version)}
        url = f"ws://127.0.0.1:{self.service.port}/xiaozhi/v1/"
        async with connect(url, additional_headers=headers, max_size=None) as websocket:
            device = Device(websocket, version)
            reading = asyncio.create_task(device.read())
            try:
                yield device
            finally:
                reading.cancel()
                with suppress(asyncio.CancelledError):
                    await reading

    async def rests(self, name: str = "Kitchen") -> None:
        """Wait until a device rests, and none is talked with."""
        async with asyncio.timeout(SECONDS):
            while name not in self.assistant.resting or self.assistant.conversations:
                await asyncio.sleep(0.02)


@asynccontextmanager
async def opened(folder: Path, **settings: Any) -> AsyncIterator[Door]:
    assistant = Assistant()
    paired = Paired(JsonStore(folder / "paired.json"))
    waiting = Waiting(paired)
    chosen = XiaozhiSettings(enabled=True, host="127.0.0.1", port=0, **settings)
    house = House(assistant, Settings(data_dir=folder, xiaozhi=chosen), waiting=waiting)
    service = Xiaozhi(house, waiting)
    running = asyncio.create_task(service.run())
    async with asyncio.timeout(SECONDS):
        while service.port is None:
            await asyncio.sleep(0.01)
    try:
        yield Door(service, assistant, waiting, paired)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


@pytest_asyncio.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    async with opened(tmp_path, follow_up=1.0) as door:
        yield door


@pytest.fixture
def patient(tmp_path: Path) -> Callable[[], Any]:
    """Open a door whose devices go on listening for long."""
    return lambda: opened(tmp_path, follow_up=30.0)
