"""The browser's door at the end of a bad network: a WebRTC client speaks into it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import soxr
from aiortc import RTCPeerConnection, RTCSessionDescription
from pipecat.frames.frames import Frame, InputAudioRawFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.workers.runner import WorkerRunner

from satellites.browser.transport import accept, browser_transport
from tests.benchmarks.clients import from_pcm
from tests.benchmarks.networks import BETWEEN, Network, lag_of
from tests.benchmarks.recordings import Recording
from tests.benchmarks.signals import SAMPLE_RATE, Samples
from tests.benchmarks.webrtc import SENT_RATE, Microphone, keep_alive

CONNECTING = 20.0


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
        pinging = tasks.create_task(keep_alive(channel.send))
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
