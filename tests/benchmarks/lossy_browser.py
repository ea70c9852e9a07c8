"""The browser's door at the end of a bad network: a WebRTC client speaks into it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from fractions import Fraction
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

from satellites.browser.transport import accept, browser_transport
from tests.benchmarks.clients import from_pcm
from tests.benchmarks.networks import BETWEEN, PACKET, Network, lag_of
from tests.benchmarks.recordings import Recording
from tests.benchmarks.signals import SAMPLE_RATE, Samples

SENT_RATE = 48_000
CONNECTING = 20.0


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
