"""What a bad network costs at the browser's door: the words and slot values that get through, and how late.

A WebRTC client speaks the recordings over a link that loses packets or holds each back for a while of its own, as a
weak Wi-Fi does, and what the door passes on is transcribed as the assistant would. Losses are drawn packet by packet.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import av
import numpy as np
import soxr
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from pipecat.frames.frames import Frame, InputAudioRawFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.workers.runner import WorkerRunner

from pipeline.settings import Hearing
from satellites.browser.transport import accept, browser_transport
from tests.benchmarks.accuracy import Heard, Transcribe, engine_way, hear
from tests.benchmarks.clients import from_pcm
from tests.benchmarks.recordings import Corpus, Recording
from tests.benchmarks.report import NONE, section
from tests.benchmarks.signals import FRAME, SAMPLE_RATE, Samples, levels
from voice.models import whisper_model
from voice.whisper import WhisperEngine

SENT_RATE = 48_000
PACKET = 0.02
BETWEEN = 1.0
"""Seconds of quiet between two utterances, in which what is late arrives."""
AT_ONCE = 2
"""Networks that are measured at the same time."""
ORDERS = 10
CONNECTING = 20.0
CLEAN = "the recordings themselves"


@dataclass(frozen=True, slots=True)
class Network:
    """How bad a link is."""

    loss: float
    """The share of packets that never arrive."""
    jitter: float = 0.0
    """Seconds that a packet is held back at most; each waits for a time of its own."""

    @property
    def name(self) -> str:
        """What the table calls it."""
        return f"{self.loss:.0%} lost" + (f", up to {self.jitter * 1000:.0f} ms late" if self.jitter else "")


NETWORKS = (Network(0), Network(0.02), Network(0.05), Network(0, 0.1), Network(0.05, 0.1))


@dataclass(frozen=True, slots=True)
class Arrived:
    """What one way brought."""

    way: str
    heard: list[Heard]
    lags: list[float]
    """Seconds by which each utterance was passed on later than it was spoken."""


class Microphone(MediaStreamTrack):
    """Sends what is spoken into it, and silence otherwise, in real time."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._spoken = np.zeros(0, np.float32)
        self._sent = asyncio.Event()
        self._packets = 0
        self._began = 0.0

    async def speak(self, samples: Samples) -> None:
        """Speak from the next packet on, and return when the last one is sent; samples at 48 kHz."""
        self._spoken = samples
        self._sent.clear()
        await self._sent.wait()

    async def recv(self) -> av.AudioFrame:
        """Return the next 20 ms, when they are due."""
        now = asyncio.get_running_loop().time()
        self._began = self._began or now
        await asyncio.sleep(max(0.0, self._began + self._packets * PACKET - now))
        size = round(PACKET * SENT_RATE)
        piece, self._spoken = self._spoken[:size], self._spoken[size:]
        if not len(self._spoken):
            self._sent.set()
        padded = np.pad(piece, (0, size - len(piece)))
        frame = av.AudioFrame.from_ndarray((padded * 32767).astype(np.int16)[None, :], format="s16", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = SENT_RATE, Fraction(1, SENT_RATE), self._packets * size
        self._packets += 1
        return frame


class Listener(FrameProcessor):
    """Keeps what the door passes on."""

    def __init__(self) -> None:
        super().__init__()
        self.audio = bytearray()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Keep sound."""
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            self.audio += frame.audio
        await self.push_frame(frame, direction)


async def measure(spoken: Corpus, folder: Path, networks: tuple[Network, ...] = NETWORKS) -> list[Arrived]:
    """Speak over every network, and transcribe what arrived; the recordings themselves come first."""
    recordings = (*spoken.sentences, *spoken.orders[:ORDERS])
    arrived = []
    for first in range(0, len(networks), AT_ONCE):
        arrived += await asyncio.gather(*(over(network, recordings) for network in networks[first : first + AT_ONCE]))
    engine = await asyncio.to_thread(_engine, folder)
    try:
        transcribe = engine_way(engine)
        ways = [(CLEAN, [(each.samples, 0.0) for each in recordings])]
        ways += [(network.name, each) for network, each in zip(networks, arrived, strict=True)]
        return [await asyncio.to_thread(_heard, way, recordings, sounds, transcribe) for way, sounds in ways]
    finally:
        engine.close()


def _engine(folder: Path) -> WhisperEngine:
    chosen = Hearing()
    return WhisperEngine(
        whisper_model(chosen.model, folder),
        language=chosen.language,
        beam=chosen.beam,
        threads=chosen.threads,
        compute_type=chosen.compute_type,
    )


def _heard(
    way: str, recordings: tuple[Recording, ...], sounds: list[tuple[Samples, float]], transcribe: Transcribe
) -> Arrived:
    heard = [
        hear(transcribe, Recording(each.name, samples, each.speech, each.words, each.slots))
        for each, (samples, _) in zip(recordings, sounds, strict=True)
    ]
    return Arrived(way, heard, [lag for _, lag in sounds])


async def over(network: Network, recordings: tuple[Recording, ...]) -> list[tuple[Samples, float]]:
    """Speak over a network; return what the door passed on of each utterance, and how much later."""
    arrived = []
    async with _connected(network) as (microphone, listener):
        await asyncio.sleep(BETWEEN)
        for each in recordings:
            at = len(listener.audio)
            await microphone.speak(soxr.resample(each.samples, SAMPLE_RATE, SENT_RATE))
            await asyncio.sleep(BETWEEN)
            passed = from_pcm(bytes(listener.audio[at:]))
            arrived.append((passed, lag_of(each.samples, passed)))
    return arrived


def lag_of(said: Samples, passed: Samples) -> float:
    """Return where in what was passed on the said begins, in seconds, by its envelope."""
    envelope, other = (np.maximum(levels(samples), -60) + 60 for samples in (said, passed))
    other = np.pad(other, (0, max(0, len(envelope) - len(other))))
    spare = len(other) - len(envelope)
    fits = [float(np.dot(envelope, other[at : at + len(envelope)])) for at in range(spare + 1)]
    return int(np.argmax(fits)) * FRAME / SAMPLE_RATE


@asynccontextmanager
async def _connected(network: Network) -> AsyncIterator[tuple[Microphone, Listener]]:
    microphone, listener, client = Microphone(), Listener(), RTCPeerConnection()
    channel = client.createDataChannel("chat")
    opened = asyncio.Event()
    channel.on("open", opened.set)
    sender = client.addTrack(microphone)
    await client.setLocalDescription(await client.createOffer())
    connection = await accept(client.localDescription.sdp)
    transport = browser_transport(connection)
    worker = PipelineWorker(Pipeline([transport.input(), listener, transport.output()]), idle_timeout_secs=None)
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(runner.run())
        answer = connection.get_answer()
        await client.setRemoteDescription(RTCSessionDescription(answer["sdp"], answer["type"]))
        async with asyncio.timeout(CONNECTING):
            await opened.wait()
        _degrade(sender.transport, network, tasks.create_task)
        pinging = tasks.create_task(_ping(channel.send))
        try:
            yield microphone, listener
        finally:
            pinging.cancel()
            await client.close()
            await connection.disconnect()
            await worker.cancel()
            await asyncio.wait({running}, timeout=CONNECTING)
            running.cancel()


def _degrade(transport: Any, network: Network, own: Callable[[Coroutine[Any, Any, None]], object]) -> None:
    """Lose and delay what a client sends, the same at each run: aiortc has no other place for that."""
    random, send = Random(0), transport._send_rtp

    async def late(data: bytes) -> None:
        await asyncio.sleep(random.uniform(0, network.jitter))
        with contextlib.suppress(ConnectionError):  # It was closed meanwhile.
            await send(data)

    async def lossy(data: bytes) -> None:
        if random.random() < network.loss:
            return
        if network.jitter:
            own(late(data))
        else:
            await send(data)

    transport._send_rtp = lossy


async def _ping(send: Callable[[str], None]) -> None:
    while True:
        send("ping: 0")
        await asyncio.sleep(1)


def table(found: list[Arrived]) -> str:
    """Return what each network let through."""
    rows = []
    for each in found:
        sentences = [one for one in each.heard if one.words]
        orders = [one for one in each.heard if one.of_slots]
        errors, words = sum(one.errors for one in sentences), sum(one.words for one in sentences)
        slots, of_slots = sum(one.slots for one in orders), sum(one.of_slots for one in orders)
        lag = NONE if each.way == CLEAN else f"{np.median(each.lags) * 1000:.0f}"
        rows.append([each.way, f"{errors} of {words}", f"{slots} of {of_slots}", lag])
    note = f"{len(found[0].heard)} recordings, transcribed as the assistant does by default."
    columns = ["WebRTC with", "words wrong", "slot values right", "passed on later, ms"]
    return section("A bad network at the browser's door", columns, rows, note)
