"""A small voice assistant on the native API, which does what ESPHome's firmware does, or linux-voice-assistant.

It opens and closes its microphone, fetches and plays speech, and goes on listening, as `voice_assistant.cpp` does on
each event; who controls it wakes it, speaks to it and stops it.
"""

import asyncio
import contextlib
import io
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import av
import httpx
import numpy as np
from aioesphomeapi.api_pb2 import (
    DeviceInfoRequest,
    DeviceInfoResponse,
    DisconnectRequest,
    DisconnectResponse,
    HelloRequest,
    HelloResponse,
    ListEntitiesDoneResponse,
    ListEntitiesMediaPlayerResponse,
    ListEntitiesRequest,
    MediaPlayerCommandRequest,
    MediaPlayerStateResponse,
    MediaPlayerSupportedFormat,
    PingRequest,
    PingResponse,
    SubscribeLogsResponse,
    SubscribeStatesRequest,
    SubscribeVoiceAssistantRequest,
    VoiceAssistantAnnounceFinished,
    VoiceAssistantAnnounceRequest,
    VoiceAssistantAudio,
    VoiceAssistantEventResponse,
    VoiceAssistantRequest,
    VoiceAssistantResponse,
)
from aioesphomeapi.model import MediaPlayerEntityFeature, VoiceAssistantCommandFlag
from aioesphomeapi.model import VoiceAssistantEventType as Event
from aioesphomeapi.model import VoiceAssistantFeature as Feature
from google.protobuf.message import Message

from tests.satellites.esphome.wire import NoiseWire, PlainWire, Wire

RATE = 16_000
PIECE = RATE * 2 * 32 // 1000
ESPHOME_WITH_PLAYER = (
    Feature.VOICE_ASSISTANT | Feature.API_AUDIO | Feature.TIMERS | Feature.ANNOUNCE | Feature.START_CONVERSATION
)
ESPHOME_WITH_SPEAKER = Feature.VOICE_ASSISTANT | Feature.API_AUDIO | Feature.SPEAKER
OLD_WITH_SPEAKER = Feature.VOICE_ASSISTANT | Feature.SPEAKER
FLAC = (MediaPlayerSupportedFormat(format="flac", sample_rate=48_000, num_channels=1, purpose=1, sample_bytes=2),)
LINUX = "Open Home Foundation.Linux Voice Assistant"


@dataclass
class Heard:
    """What it played."""

    content_type: str
    audio: np.ndarray
    """Mono, -1 to 1."""
    rate: int
    first: float | None
    """When the first byte of it came, in monotonic seconds."""


@dataclass
class FakeDevice:
    name: str = "voice-0a1b2c"
    mac: str = "20:F8:3B:00:00:01"
    features: Feature = ESPHOME_WITH_PLAYER
    formats: tuple[MediaPlayerSupportedFormat, ...] = FLAC
    version: str = "2026.6.5"
    project: str = "Nabu Casa.Home Assistant Voice PE"
    key: str | None = None
    held_by: str | None = None
    """Another client, which has its voice."""
    reaches_server: bool = True
    """Whether it fetches what it is to say."""
    volume: float | None = None
    """Its player's, 0 to 1; None where that cannot be changed."""
    port: int = 0
    events: list[tuple[Event, dict[str, str]]] = field(default_factory=list)
    announced: list[VoiceAssistantAnnounceRequest] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    sound: bytearray = field(default_factory=bytearray)
    """What came over the connection."""
    arrivals: list[tuple[float, bytes]] = field(default_factory=list)
    """All that came to be played, over the connection or fetched, and when, in monotonic seconds."""
    refused: int = 0
    subscribed: asyncio.Event = field(default_factory=asyncio.Event)
    listening: asyncio.Event = field(default_factory=asyncio.Event)
    playing: asyncio.Event = field(default_factory=asyncio.Event)
    port_asked: int | None = None
    connections: int = 0

    def __post_init__(self) -> None:
        self._wire: Wire | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._url = ""
        self._continue = False
        self._streamed = False
        self._player: asyncio.Task[None] | None = None
        self._changed = asyncio.Condition()
        self._udp: socket.socket | None = None

    @property
    def is_linux(self) -> bool:
        return self.project == LINUX

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["FakeDevice"]:
        server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.vanish()
            if self._player is not None:
                self._player.cancel()
                await asyncio.wait({self._player})
            await server.wait_closed()

    def vanish(self) -> None:
        """Lose the connection."""
        if self._writer is not None:
            self._writer.transport.abort()

    def wake(self, phrase: str = "okay nabu") -> None:
        """Hear the wake word."""
        self.send(VoiceAssistantRequest(start=True, wake_word_phrase=phrase))

    def leave_wake_word(self) -> None:
        """Stream, and leave it to the server to hear the wake word."""
        self.send(VoiceAssistantRequest(start=True, flags=VoiceAssistantCommandFlag.USE_WAKE_WORD))

    def stop(self) -> None:
        """Be stopped by a button or the stop word."""
        playing = self._player is not None and not self._player.done()
        self._continue = False
        if self._player is not None:
            self._player.cancel()
        if self.is_linux:
            self.send(VoiceAssistantAnnounceFinished(success=True))
        elif not playing or self._streamed:
            self.listening.clear()
            self.send(VoiceAssistantRequest(start=False))

    async def speak(self, pcm: bytes, *, seconds_of_quiet: float = 0.6) -> None:
        """Stream sound in real time, as long as the microphone is open."""
        await asyncio.wait_for(self.listening.wait(), 10)
        sound = pcm + bytes(int(seconds_of_quiet * RATE) * 2)
        began = time.monotonic()
        for start in range(0, len(sound), PIECE):
            if not self.listening.is_set():
                return
            self.stream(sound[start : start + PIECE])
            await asyncio.sleep(max(0.0, began + (start + PIECE) / (RATE * 2) - time.monotonic()))

    def stream(self, pcm: bytes) -> None:
        """Send what the microphone hears."""
        if self._udp is not None and self.port_asked:
            self._udp.sendto(pcm, ("127.0.0.1", self.port_asked))
        else:
            self.send(VoiceAssistantAudio(data=pcm))

    async def until(self, event: Event, *, count: int = 1) -> dict[str, str]:
        """Wait until it was told so."""
        async with asyncio.timeout(30), self._changed:
            while len(found := [data for kind, data in self.events if kind is event]) < count:
                await self._changed.wait()
        return found[count - 1]

    async def until_heard(self, count: int = 1) -> Heard:
        """Wait until it has played so many speeches."""
        async with asyncio.timeout(40), self._changed:
            while len(self.heard) < count:
                await self._changed.wait()
        return self.heard[count - 1]

    def told(self) -> list[str]:
        """What it was told, in order."""
        return [event.name.removeprefix("VOICE_ASSISTANT_") for event, _ in self.events]

    def send(self, message: Message) -> None:
        if self._wire is not None:
            self._wire.send(message)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        wire: Wire
        try:
            if self.key is None:
                wire = PlainWire(reader, writer)
            else:
                wire = NoiseWire(reader, writer, self.key)
                await wire.shake_hands(self.name, self.mac)
            while True:
                await self._receive(wire, writer, await wire.receive())
        except (ConnectionError, asyncio.IncompleteReadError):
            self.refused += not self.subscribed.is_set()
        finally:
            writer.close()
            if self._wire is not None and writer is self._writer:
                self._wire = None
                self.subscribed.clear()
                self.listening.clear()

    async def _receive(  # noqa: C901 - one case a message
        self, wire: Wire, writer: asyncio.StreamWriter, message: Message
    ) -> None:
        match message:
            case HelloRequest():
                wire.send(HelloResponse(api_version_major=1, api_version_minor=12, name=self.name))
            case DeviceInfoRequest():
                wire.send(self._info())
            case ListEntitiesRequest():
                if Feature.SPEAKER not in self.features:
                    wire.send(
                        ListEntitiesMediaPlayerResponse(
                            object_id="player",
                            key=1,
                            name="Media Player",
                            supported_formats=self.formats,
                            feature_flags=MediaPlayerEntityFeature.VOLUME_SET if self.volume is not None else 0,
                        )
                    )
                wire.send(ListEntitiesDoneResponse())
            case PingRequest():
                wire.send(PingResponse())
            case DisconnectRequest():
                wire.send(DisconnectResponse())
                raise ConnectionError("it was asked to")
            case SubscribeStatesRequest() if self.volume is not None:
                wire.send(MediaPlayerStateResponse(key=1, volume=self.volume))
            case MediaPlayerCommandRequest() if message.has_volume:
                self.volume = message.volume
                wire.send(MediaPlayerStateResponse(key=1, volume=self.volume))
            case SubscribeVoiceAssistantRequest() if message.subscribe:
                self._subscribe(wire, writer)
            case VoiceAssistantResponse():
                self.port_asked = message.port
                self._open_microphone()
            case VoiceAssistantEventResponse():
                await self._told(Event(message.event_type), {each.name: each.value for each in message.data})
            case VoiceAssistantAudio():
                self._take_sound(message.data)
            case VoiceAssistantAnnounceRequest():
                self.announced.append(message)
                self._continue = message.start_conversation
                self._play(message.media_id)

    def _subscribe(self, wire: Wire, writer: asyncio.StreamWriter) -> None:
        if self.held_by is not None:
            line = (
                "\x1b[1;31m[E][voice_assistant:540]: Multiple API Clients attempting to connect to Voice Assistant\n"
                f"  Current client: {self.held_by}\n  New client: PASSFEL (127.0.0.1)\x1b[0m"
            )
            wire.send(SubscribeLogsResponse(level=1, message=line.encode()))
            return
        self._wire, self._writer = wire, writer
        self.subscribed.set()

    def _open_microphone(self) -> None:
        if self.port_asked and self._udp is None:
            self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._udp.bind(("127.0.0.1", 0))
            self._udp.setblocking(False)
            asyncio.get_running_loop().add_reader(self._udp, self._take_datagram)
        self.listening.set()

    def _take_datagram(self) -> None:
        assert self._udp is not None
        self._take_sound(self._udp.recv(2048))

    def _take_sound(self, pcm: bytes) -> None:
        self.sound += pcm
        self.arrivals.append((time.monotonic(), pcm))

    def close(self) -> None:
        if self._udp is not None:
            asyncio.get_running_loop().remove_reader(self._udp)
            self._udp.close()
            self._udp = None

    async def _told(self, event: Event, data: dict[str, str]) -> None:
        match event:
            case Event.VOICE_ASSISTANT_RUN_START:
                self._url, self._streamed = data["url"], False
            case Event.VOICE_ASSISTANT_STT_VAD_END:
                self.listening.clear()
            case Event.VOICE_ASSISTANT_INTENT_PROGRESS if data.get("tts_start_streaming") == "1" and self._streams():
                self._streamed = True
                self._play(self._url)
            case Event.VOICE_ASSISTANT_INTENT_END:
                self._continue = data["continue_conversation"] == "1"
            case Event.VOICE_ASSISTANT_TTS_END:
                if not self._streamed and Feature.SPEAKER not in self.features:
                    self._play(data["url"])
                self._streamed = False
            case Event.VOICE_ASSISTANT_TTS_STREAM_END if self._continue:
                self._listen_again()
            case Event.VOICE_ASSISTANT_RUN_END:
                self.listening.clear()
        async with self._changed:
            self.events.append((event, data))
            self._changed.notify_all()

    def _streams(self) -> bool:
        return self.is_linux or tuple(map(int, self.version.split(".")[:2])) >= (2025, 7)

    def _listen_again(self) -> None:
        self._continue = False
        self.send(VoiceAssistantRequest(start=True, wake_word_phrase="okay nabu"))

    def _play(self, url: str) -> None:
        if self._player is not None:
            self._player.cancel()
        self._player = asyncio.create_task(self._playing(url))

    async def _playing(self, url: str) -> None:
        if not self.reaches_server:
            return
        self.playing.set()
        first, body, kind = None, bytearray(), ""
        try:
            async with httpx.AsyncClient(timeout=30) as http, http.stream("GET", url) as answer:
                answer.raise_for_status()
                kind = answer.headers["content-type"]
                async for piece in answer.aiter_bytes():
                    first = first or time.monotonic()
                    body += piece
                    self.arrivals.append((time.monotonic(), piece))
            audio, rate = decoded(bytes(body))
            if first is not None:
                await asyncio.sleep(max(0.0, first + len(audio) / rate - time.monotonic()))
        finally:
            self.playing.clear()
        async with self._changed:
            self.heard.append(Heard(kind, audio, rate, first))
            self._changed.notify_all()
        self.send(VoiceAssistantAnnounceFinished(success=True))
        if self._continue:
            self._listen_again()

    def _info(self) -> DeviceInfoResponse:
        return DeviceInfoResponse(
            name=self.name,
            mac_address=self.mac,
            esphome_version=self.version,
            project_name=self.project,
            project_version="26.6.0",
            model="Voice",
            voice_assistant_feature_flags=int(self.features),
            suggested_area="Hall",
        )


def decoded(body: bytes) -> tuple[np.ndarray, int]:
    """Decode a whole file as mono."""
    pieces = []
    rate = RATE
    with contextlib.suppress(av.error.EOFError), av.open(io.BytesIO(body)) as file:
        for frame in file.decode(audio=0):
            rate = frame.sample_rate
            samples = frame.to_ndarray()
            scale = 1.0 if samples.dtype.kind == "f" else 32768.0
            channels = len(frame.layout.channels)
            mono = samples.reshape(-1, channels)[:, 0] if not frame.format.is_planar else samples[0]
            pieces.append(mono.astype(np.float32) / scale)
    return (np.concatenate(pieces) if pieces else np.zeros(0, np.float32)), rate
