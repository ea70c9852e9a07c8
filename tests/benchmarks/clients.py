"""Callers that speak to a server in real time and note when they hear what.

The microphone is open for the whole call: every 20 ms a frame goes out on a monotonic schedule, a person's
utterance while there is one and always the tone of that person's room. Frame n holds what was said between n
and n + 1 times 20 ms after the call began and is sent when it is complete, as a sound card would. What
arrives goes to a `Playback`, and every latency is read from that.
"""

import asyncio
import base64
import contextlib
import json
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import soxr
from pipecat.frames.protobufs import frames_pb2
from websockets.asyncio.client import ClientConnection, connect

from tests.benchmarks.playback import Playback
from tests.benchmarks.recordings import Recording
from tests.benchmarks.signals import SAMPLE_RATE, Samples, room_tone

FRAME_SECONDS = 0.02
FRAME_SAMPLES = round(SAMPLE_RATE * FRAME_SECONDS)
TONE_SECONDS = 5.0
ECHO_DELAY = 0.06
"""Seconds from loudspeaker to microphone: a sound card's two buffers and the air."""
REALTIME_RATE = 24_000
RTVI_VERSION = "2.0.0"
OPEN_TIMEOUT = 60.0
"""Seconds for a server to accept a call and, on the plain side, to load the models for it."""


protobuf: Any = frames_pb2  # the generated module defines its messages at run time
AnyCaller = TypeVar("AnyCaller", bound="Caller")


@dataclass(frozen=True, slots=True)
class Event:
    """Something a server reported: when it arrived in monotonic seconds, what, and its words."""

    at: float
    kind: str
    text: str = ""


class Microphone:
    """A person in a room: room tone for ever, and now and then an utterance over it."""

    def __init__(self, tone: Samples) -> None:
        self._tone = tone
        self._position = 0
        self._utterance = np.zeros(0, np.float32)

    def enter(self, room: Samples) -> None:
        """Go on in another room: from now on its tone is heard."""
        self._tone = room

    def say(self, samples: Samples) -> None:
        """Speak from the next frame on. What was being said is cut off."""
        self._utterance = samples

    def frame(self, count: int = FRAME_SAMPLES) -> Samples:
        """Return the next samples, 20 ms of them where nothing else is asked for."""
        around = np.arange(self._position, self._position + count) % len(self._tone)
        self._position += count
        frame = self._tone[around].copy()
        said, self._utterance = self._utterance[:count], self._utterance[count:]
        frame[: len(said)] += said
        return frame


class Listener:
    """Somebody's ears at one end of a conversation."""

    def __init__(self) -> None:
        self.playback = Playback()

    async def audible(self, after: float, limit: float) -> float | None:
        """Wait for the first audible sample played after a moment, and return when it is played.

        Returns None when `limit` seconds after that moment nothing was audible.
        """
        while time.monotonic() < after + limit:
            first = self.playback.first_audible(after)
            if first is not None:
                return first
            await asyncio.sleep(0.02)
        return None

    async def silence(self, seconds: float, limit: float) -> bool:
        """Wait until nothing audible was played for `seconds`; False if that takes longer than `limit`."""
        deadline = time.monotonic() + limit
        while (now := time.monotonic()) < deadline:
            last = self.playback.last_audible()
            if self.playback.end <= now and (last is None or last + seconds <= now):
                return True
            await asyncio.sleep(0.05)
        return False


class Person(Listener, ABC):
    """Ears, and a microphone that never closes."""

    frame_samples = FRAME_SAMPLES
    """Of the microphone, that go out together."""

    def __init__(self, room: Recording) -> None:
        super().__init__()
        self.microphone = Microphone(room_tone(room.samples, TONE_SECONDS))
        self.leak = 0.0
        """How much of its own loudspeaker the microphone hears, as a factor."""
        self._next_frame = 0.0

    def begin(self, recording: Recording) -> float:
        """Start to speak with the next frame, and return the moment at which that frame begins."""
        self.microphone.enter(room_tone(recording.samples, TONE_SECONDS))
        self.microphone.say(recording.samples)
        return self._next_frame

    async def stream(self) -> None:
        """Send the microphone for ever."""
        seconds = self.frame_samples / SAMPLE_RATE
        self._next_frame = time.monotonic()
        while True:
            frame = self.microphone.frame(self.frame_samples)
            self._next_frame += seconds
            await asyncio.sleep(max(self._next_frame - time.monotonic(), 0))
            if self.leak:
                heard_from = self._next_frame - seconds - ECHO_DELAY
                frame += self.leak * self.playback.sampled(heard_from, self.frame_samples, SAMPLE_RATE)
            await self.carry(frame)

    @abstractmethod
    async def carry(self, frame: Samples) -> None:
        """Send one frame of the microphone."""


class Caller(Person):
    """One end of a call (see `calling`); the protocol is the subclass's."""

    def __init__(self, url: str, room: Recording) -> None:
        super().__init__(room)
        self.events: list[Event] = []
        self.ready = asyncio.Event()
        self.url = url
        self._websocket: ClientConnection

    def since(self, moment: float, kind: str) -> list[Event]:
        """Return the events of a kind that arrived after a moment."""
        return [event for event in self.events if event.kind == kind and event.at >= moment]

    @abstractmethod
    async def greet(self) -> None:
        """Say what the protocol wants to hear first."""

    @abstractmethod
    async def ask(self, text: str) -> None:
        """Ask something in writing, to be answered aloud."""

    @abstractmethod
    async def hush(self) -> None:
        """Stop the answer without speaking."""

    @abstractmethod
    def encode(self, frame: Samples) -> str | bytes:
        """Return the message that carries 20 ms of the microphone."""

    @abstractmethod
    def receive(self, message: str | bytes, at: float) -> None:
        """Take in one message: audio to the playback, reports to the events."""

    def note(self, at: float, kind: str, text: str = "") -> None:
        """Keep an event."""
        self.events.append(Event(at, kind, text))

    async def connected(self, websocket: ClientConnection) -> None:
        """Take over a fresh connection and greet the server."""
        self._websocket = websocket
        await self.greet()

    async def listen(self) -> None:
        """Take in whatever arrives until the server hangs up."""
        async for message in self._websocket:
            self.receive(message, time.monotonic())

    async def carry(self, frame: Samples) -> None:
        """Send one frame of the microphone."""
        await self.send(self.encode(frame))

    async def send(self, message: str | bytes) -> None:
        """Send one message of the protocol."""
        await self._websocket.send(message)


@contextlib.asynccontextmanager
async def calling(caller: AnyCaller) -> AsyncIterator[AnyCaller]:
    """Call, stream the microphone and listen until the context is left."""
    async with (
        connect(caller.url, open_timeout=OPEN_TIMEOUT, close_timeout=2, max_size=None, compression=None) as websocket,
        asyncio.TaskGroup() as group,
    ):
        await caller.connected(websocket)
        tasks = [group.create_task(caller.listen()), group.create_task(caller.stream())]
        try:
            await asyncio.wait_for(caller.ready.wait(), OPEN_TIMEOUT)
            yield caller
        finally:
            for task in tasks:
                task.cancel()


class PlainCaller(Caller):
    """Speaks Pipecat's protobuf frames at 16 kHz, with RTVI messages beside them as its own clients do."""

    async def greet(self) -> None:
        """Say that the client is ready; the bot says so in return."""
        await self._rtvi("client-ready", {"version": RTVI_VERSION, "about": {"library": "benchmark"}})

    async def ask(self, text: str) -> None:
        """Send a typed message."""
        await self._rtvi("send-text", {"content": text})

    async def hush(self) -> None:
        """Send the frame that Pipecat's own interruptions are made of."""
        await self.send(protobuf.Frame(interruption=protobuf.InterruptionFrame()).SerializeToString())
        self.playback.flush(time.monotonic())

    def encode(self, frame: Samples) -> bytes:
        """Wrap 20 ms as an audio frame."""
        audio = protobuf.AudioRawFrame(audio=to_pcm(frame), sample_rate=SAMPLE_RATE, num_channels=1)
        return bytes(protobuf.Frame(audio=audio).SerializeToString())

    def receive(self, message: str | bytes, at: float) -> None:
        """Take in audio, interruptions (the client drops what it has queued) and RTVI's reports."""
        frame = protobuf.Frame.FromString(message)
        match frame.WhichOneof("frame"):
            case "audio":
                self.playback.arrive(at, from_pcm(frame.audio.audio), frame.audio.sample_rate)
            case "interruption":
                self.note(at, "interrupted")
                self.playback.flush(at)
            case "message":
                self._report(json.loads(frame.message.data), at)

    def _report(self, message: dict[str, Any], at: float) -> None:
        data = message.get("data") or {}
        match message["type"]:
            case "bot-ready":
                self.ready.set()
            case "user-stopped-speaking":
                self.note(at, "turn ended")
            case "user-transcription" if data.get("final"):
                self.note(at, "transcript", data["text"])
            case "bot-llm-started":
                self.note(at, "answer started")
            case "bot-stopped-speaking":
                self.note(at, "answer ended")
            case "bot-tts-text":
                self.note(at, "answer text", data["text"])
            case "error" | "error-response":
                self.note(at, "error", str(data))

    async def _rtvi(self, kind: str, data: dict[str, Any]) -> None:
        message = json.dumps({"label": "rtvi-ai", "type": kind, "id": str(len(self.events)), "data": data})
        await self.send(protobuf.Frame(message=protobuf.MessageFrame(data=message)).SerializeToString())


class RealtimeCaller(Caller):
    """Speaks the OpenAI Realtime API: JSON events with 24 kHz PCM in base64."""

    def __init__(self, url: str, room: Recording) -> None:
        super().__init__(url, room)
        self._upsampler = soxr.ResampleStream(SAMPLE_RATE, REALTIME_RATE, 1, dtype="float32", quality="QQ")

    async def greet(self) -> None:
        """Ask for transcripts, which the API sends only on request; all else stays at its default."""
        transcription = {"model": "whisper-1"}
        session = {"type": "realtime", "audio": {"input": {"transcription": transcription}}}
        await self.send(json.dumps({"type": "session.update", "session": session}))

    async def ask(self, text: str) -> None:
        """Add a typed message and ask for a response."""
        content = [{"type": "input_text", "text": text}]
        item = {"type": "message", "role": "user", "content": content}
        await self.send(json.dumps({"type": "conversation.item.create", "item": item}))
        await self.send(json.dumps({"type": "response.create"}))

    async def hush(self) -> None:
        """Cancel the response and drop what is queued."""
        await self.send(json.dumps({"type": "response.cancel"}))
        self.playback.flush(time.monotonic())

    def encode(self, frame: Samples) -> str:
        """Wrap 20 ms as an `input_audio_buffer.append` event."""
        audio = base64.b64encode(to_pcm(self._upsampler.resample_chunk(frame))).decode()
        return json.dumps({"type": "input_audio_buffer.append", "audio": audio})

    def receive(self, message: str | bytes, at: float) -> None:
        """Take in audio and reports.

        As OpenAI asks of clients that play websocket audio themselves, what is queued is dropped when the
        caller begins to speak.
        """
        event = json.loads(message)
        match event["type"]:
            case "session.updated":
                self.ready.set()
            case "response.output_audio.delta":
                self.playback.arrive(at, from_pcm(base64.b64decode(event["delta"])), REALTIME_RATE)
            case "input_audio_buffer.speech_started":
                self.playback.flush(at)
            case "input_audio_buffer.committed":
                self.note(at, "turn ended")
            case "conversation.item.input_audio_transcription.completed":
                self.note(at, "transcript", event["transcript"])
            case "response.created":
                self.note(at, "answer started")
            case "response.output_audio_transcript.delta":
                self.note(at, "answer text", event["delta"])
            case "response.done":
                status = event["response"]["status"]
                self.note(at, "answer ended", status)
                if status == "cancelled":
                    self.note(at, "interrupted")
                    self.playback.flush(at)
            case "error":
                self.note(at, "error", event["error"]["message"])


def to_pcm(samples: Samples) -> bytes:
    """Return samples as 16-bit little-endian PCM."""
    return bytes((np.clip(samples, -1, 1) * 32767).round().astype("<i2").tobytes())


def from_pcm(audio: bytes) -> Samples:
    """Return 16-bit little-endian PCM as samples."""
    return np.asarray(np.frombuffer(audio, "<i2").astype(np.float32) / 32768)
