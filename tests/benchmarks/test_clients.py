"""The callers against a server that listens and answers as the real ones do, over a real websocket."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest
from websockets.asyncio.server import ServerConnection, serve

from tests.benchmarks.clients import PlainCaller, RealtimeCaller, calling, from_pcm, protobuf, to_pcm
from tests.benchmarks.recordings import Recording
from tests.benchmarks.signals import SAMPLE_RATE, Samples
from tests.benchmarks.turns import converse


def utterance() -> Recording:
    rng = np.random.default_rng(0)
    quiet = rng.normal(0, 1e-3, SAMPLE_RATE // 5)
    speech = rng.normal(0, 0.1, SAMPLE_RATE // 2)
    return Recording.of("noise", np.concatenate([quiet, speech, quiet]).astype(np.float32))


class PlainServer:
    """Takes the turn 0.3 s after the last loud frame, and speaks a tone."""

    def __init__(self) -> None:
        self.heard: list[tuple[float, Samples]] = []

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        async with serve(self.call, "127.0.0.1", 0) as server:
            yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws"

    async def call(self, websocket: ServerConnection) -> None:
        loud_at: float | None = None
        async for message in websocket:
            frame = protobuf.Frame.FromString(message)
            if frame.WhichOneof("frame") == "message":
                await self.report(websocket, "bot-ready")
            if frame.WhichOneof("frame") != "audio":
                continue
            samples = from_pcm(frame.audio.audio)
            self.heard.append((time.monotonic(), samples))
            if np.sqrt(np.mean(samples**2)) > 0.03:
                loud_at = time.monotonic()
            elif loud_at is not None and time.monotonic() > loud_at + 0.3:
                loud_at = None
                await self.report(websocket, "user-stopped-speaking")
                await self.speak(websocket)

    async def speak(self, websocket: ServerConnection) -> None:
        tone = np.concatenate([np.zeros(1600), np.full(8000, 0.3)]).astype(np.float32)
        audio = protobuf.AudioRawFrame(audio=to_pcm(tone), sample_rate=SAMPLE_RATE, num_channels=1)
        await websocket.send(protobuf.Frame(audio=audio).SerializeToString())

    async def report(self, websocket: ServerConnection, kind: str) -> None:
        data = json.dumps({"label": "rtvi-ai", "type": kind, "data": {}})
        await websocket.send(protobuf.Frame(message=protobuf.MessageFrame(data=data)).SerializeToString())


async def test_a_turn_is_timed_from_the_end_of_speech_to_the_first_audible_sample() -> None:
    async with PlainServer().listening() as url, calling(PlainCaller(url, utterance())) as caller:
        turn = await converse("plain", caller, utterance())
    assert turn.answered
    assert not turn.cut
    # 0.3 s until the server takes the turn and 0.1 s of silence before its tone; the rest is the machine's.
    assert turn.latency > 0.38


async def test_the_microphone_is_never_ahead_of_time_and_never_silent() -> None:
    server = PlainServer()
    async with server.listening() as url, calling(PlainCaller(url, utterance())):
        began = time.monotonic()
        await asyncio.sleep(1.0)
        lasted = time.monotonic() - began
    assert 0.5 < len(server.heard) * 0.02 <= lasted + 0.02
    assert all(samples.any() for _, samples in server.heard)


async def test_a_server_that_ends_the_turn_inside_the_sentence_cuts_it() -> None:
    recording = utterance()
    gap = np.zeros(SAMPLE_RATE * 6 // 10, np.float32)
    both = Recording.of("two halves", np.concatenate([recording.samples, gap, recording.samples]))
    async with PlainServer().listening() as url, calling(PlainCaller(url, recording)) as caller:
        turn = await converse("plain", caller, both)
    assert turn.cut
    assert turn.spoken_over


async def test_a_server_that_hangs_up_is_an_error() -> None:
    async def hang_up(websocket: ServerConnection) -> None:
        await websocket.close(1011)

    async with serve(hang_up, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws"
        with pytest.raises(BaseExceptionGroup, match="unhandled errors"):
            async with calling(PlainCaller(url, utterance())):
                await asyncio.sleep(5)


def test_a_realtime_client_drops_its_queue_when_the_caller_begins_to_speak() -> None:
    caller = RealtimeCaller("ws://127.0.0.1:1/v1/realtime", utterance())
    tone = np.full(24_000, 0.3, np.float32)
    delta = {"type": "response.output_audio.delta", "delta": _base64(tone)}
    caller.receive(json.dumps(delta), at=10.0)
    caller.receive(json.dumps({"type": "input_audio_buffer.speech_started"}), at=10.25)
    assert caller.playback.last_audible() == pytest.approx(10.25, abs=1e-3)
    assert caller.playback.flushed == pytest.approx(0.75, abs=1e-3)


def _base64(samples: Samples) -> str:
    import base64

    return base64.b64encode(to_pcm(samples)).decode()
