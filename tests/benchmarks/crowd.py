"""Two browsers and six other WebRTC clients in conversation at once with one assistant and its embedded models."""

import asyncio
import shutil
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaBlackhole, MediaPlayer
from playwright.async_api import async_playwright

from tests.benchmarks.door_clients.browser import ARGUMENTS, LEAD, microphone
from tests.benchmarks.recordings import Recording
from tests.benchmarks.report import section
from tests.benchmarks.servers import Side, serving
from tests.benchmarks.signals import SAMPLE_RATE

BROWSERS, PEERS = 2, 6
BETWEEN = 1.3
"""Seconds between two clients' first words: people do not speak in chorus."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """What eight at once were given."""

    asked: int
    answered: int
    latencies: list[float]
    """Seconds from the end of speech to the first sound, by the server's own account."""


class Peer:
    """A client by aiortc, whose microphone is a file."""

    def __init__(self, http: httpx.AsyncClient, device: str, file: Path) -> None:
        self._http = http
        self._device = device
        self._file = file
        self._connection = RTCPeerConnection()
        self._heard = MediaBlackhole()
        self._pinging: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        channel = self._connection.createDataChannel("chat")
        opened = asyncio.Event()
        channel.on("open", opened.set)
        self._player = MediaPlayer(str(self._file))
        self._connection.addTrack(self._player.audio)
        self._connection.on("track", self._heard.addTrack)
        await self._connection.setLocalDescription(await self._connection.createOffer())
        local = self._connection.localDescription
        offer = {"sdp": local.sdp, "type": local.type, "requestData": {"device": self._device}}
        answer = (await self._http.post("/api/offer", json=offer)).raise_for_status().json()
        await self._connection.setRemoteDescription(RTCSessionDescription(answer["sdp"], answer["type"]))
        await self._heard.start()
        async with asyncio.timeout(20):
            await opened.wait()

        async def ping() -> None:
            while True:
                channel.send("ping: 0")
                await asyncio.sleep(1)

        self._pinging = asyncio.create_task(ping())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._pinging is not None:
            self._pinging.cancel()
            await asyncio.wait({self._pinging})
        await self._heard.stop()
        await self._connection.close()


async def measure(side: Side, utterances: tuple[Recording, ...]) -> Crowd | None:
    """Have all of them ask all of it; None where there is no Chromium."""
    chromium = shutil.which("chromium")
    if chromium is None:
        return None
    played, ends = microphone(utterances, side.folder / "crowd.wav")
    seconds = len(played) / SAMPLE_RATE
    async with serving(side) as server, AsyncExitStack() as stack:
        address = f"http://127.0.0.1:{server.port}"
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=address, timeout=30))
        playwright = await stack.enter_async_context(async_playwright())
        for _ in range(BROWSERS):
            arguments = [*ARGUMENTS, f"--use-file-for-fake-audio-capture={side.folder / 'crowd.wav'}%noloop"]
            browser = await playwright.chromium.launch(executable_path=chromium, args=arguments)
            stack.push_async_callback(browser.close)
            page = await browser.new_page()
            await page.goto(address)
            await page.click("#talk")
            await asyncio.sleep(BETWEEN)
        for number in range(PEERS):
            await stack.enter_async_context(Peer(http, f"peer-{number}", side.folder / "crowd.wav"))
            await asyncio.sleep(BETWEEN)
        await asyncio.sleep(seconds - LEAD / 2)
        turns: list[dict[str, Any]] = (await http.get("/v1/turns")).raise_for_status().json()
    latencies = [turn["timings"]["first_audio"] for turn in turns if turn["timings"].get("first_audio") is not None]
    return Crowd((BROWSERS + PEERS) * len(ends), len(latencies), sorted(latencies))


def table(found: Crowd | None) -> str:
    """Return what they were given."""
    if found is None:
        return "## A crowd\n\nNot measured: Chromium is not installed."
    at = [found.latencies[min(len(found.latencies) - 1, int(share * len(found.latencies)))] for share in (0.5, 0.9, 1)]
    row = [f"{found.answered} of {found.asked}", *(f"{seconds:.2f}" for seconds in at)]
    title = f"{BROWSERS} browsers and {PEERS} WebRTC clients at once: seconds to the first sound"
    return section(title, ["answered", "median", "90th percentile", "slowest"], [row])
