"""Two browsers and six other WebRTC clients in conversation at once with one assistant and its embedded models."""

import asyncio
import shutil
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Self

import httpx
import numpy as np
import soxr
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from playwright.async_api import async_playwright

from tests.benchmarks.door_clients.browser import GAP, heard, microphone, talking
from tests.benchmarks.playback import Playback
from tests.benchmarks.recordings import Recording
from tests.benchmarks.report import NONE, section
from tests.benchmarks.servers import Side, serving
from tests.benchmarks.signals import SAMPLE_RATE, Samples
from tests.benchmarks.turns import ANSWER_LIMIT
from tests.benchmarks.webrtc import SENT_RATE, Microphone, keep_alive

BROWSERS, PEERS = 2, 6
BETWEEN = 1.3
"""Seconds between two clients' first words: people do not speak in chorus."""
SETTLED = 0.2
"""Seconds before the end of speech in which nothing else may be heard."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """What eight at once were given."""

    asked: int
    latencies: list[float]
    """Seconds from the end of speech to the first audible sample at who asked, of those who were answered."""


class Peer:
    """A client by aiortc, and what is heard at its loudspeaker."""

    def __init__(self, http: httpx.AsyncClient, device: str, played: Samples) -> None:
        self._http = http
        self._device = device
        self._microphone = Microphone()
        self._microphone.hold_ready(soxr.resample(played, SAMPLE_RATE, SENT_RATE))
        self._connection = RTCPeerConnection()
        self._tasks: list[asyncio.Task[None]] = []
        self._playback = Playback()

    async def __aenter__(self) -> Self:
        channel = self._connection.createDataChannel("chat")
        opened = asyncio.Event()
        channel.on("open", opened.set)
        self._connection.addTrack(self._microphone)
        self._connection.on("track", lambda track: self._tasks.append(asyncio.create_task(self._listen(track))))
        await self._connection.setLocalDescription(await self._connection.createOffer())
        local = self._connection.localDescription
        offer = {"sdp": local.sdp, "type": local.type, "requestData": {"device": self._device}}
        answer = (await self._http.post("/api/offer", json=offer)).raise_for_status().json()
        await self._connection.setRemoteDescription(RTCSessionDescription(answer["sdp"], answer["type"]))
        async with asyncio.timeout(20):
            await opened.wait()

        self._tasks.append(asyncio.create_task(keep_alive(channel.send)))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._connection.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _listen(self, track: Any) -> None:
        try:
            while True:
                frame = await track.recv()
                samples = frame.to_ndarray().reshape(-1, len(frame.layout.channels))[:, 0]
                self._playback.arrive(
                    asyncio.get_running_loop().time(), samples.astype(np.float32) / 32768, frame.sample_rate
                )
        except MediaStreamError:
            return

    def latencies(self, ends: list[float]) -> list[float]:
        """Seconds from the end of each utterance to what is heard next, `ANSWER_LIMIT` where that is nothing.

        What is heard already when an utterance ends is no answer to it.
        """
        return [self._latency(self._microphone.began + end) for end in ends]

    def _latency(self, end: float) -> float:
        audible = self._playback.first_audible(end - SETTLED)
        return audible - end if audible is not None and end <= audible < end + GAP else ANSWER_LIMIT


async def measure(side: Side, utterances: tuple[Recording, ...]) -> Crowd | None:
    """Have all of them ask all of it; None where there is no Chromium."""
    chromium = shutil.which("chromium")
    if chromium is None:
        return None
    file = side.folder / "crowd.wav"
    played, ends = microphone(utterances, file)
    async with serving(side) as server, AsyncExitStack() as stack:
        address = f"http://127.0.0.1:{server.port}"
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=address, timeout=30))
        playwright = await stack.enter_async_context(async_playwright())
        pages, peers = [], []
        for _ in range(BROWSERS):
            pages.append(await stack.enter_async_context(talking(playwright, chromium, server.port, file)))
            await asyncio.sleep(BETWEEN)
        for number in range(PEERS):
            peers.append(await stack.enter_async_context(Peer(http, f"peer-{number}", played)))
            await asyncio.sleep(BETWEEN)
        await asyncio.sleep(len(played) / SAMPLE_RATE)
        found = [latency for page in pages for latency in await heard(page, played, ends)]
        found += [latency for peer in peers for latency in peer.latencies(ends)]
    return Crowd(len(found), sorted(latency for latency in found if latency < ANSWER_LIMIT))


def table(found: Crowd | None) -> str:
    """Return what they were given."""
    if found is None:
        return "## A crowd\n\nNot measured: Chromium is not installed."
    answered = len(found.latencies)
    at = [found.latencies[min(answered - 1, int(share * answered))] for share in (0.5, 0.9, 1) if answered]
    row = [f"{answered} of {found.asked}", *([f"{seconds:.2f}" for seconds in at] or [NONE] * 3)]
    title = f"{BROWSERS} browsers and {PEERS} WebRTC clients at once: seconds to the first sound where it was asked"
    return section(title, ["answered", "median", "90th percentile", "slowest"], [row])
