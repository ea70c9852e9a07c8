"""What the benchmarks' WebRTC clients have in common: a microphone, and the page's sign of life."""

import asyncio
from collections.abc import Callable
from fractions import Fraction

import av
import numpy as np
from aiortc import MediaStreamTrack

from tests.benchmarks.networks import PACKET
from tests.benchmarks.signals import Samples

SENT_RATE = 48_000
"""Hz of Opus."""


class Microphone(MediaStreamTrack):
    """Sends what is spoken into it, and silence otherwise, in real time."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._spoken = np.zeros(0, np.float32)
        self._sent = asyncio.Event()
        self._packets = 0
        self.began = 0.0
        """When its first packet was sent, on the loop's clock; 0 before that."""

    async def speak(self, samples: Samples) -> None:
        """Speak from the next packet on, and return when the last one is sent; samples at 48 kHz."""
        self.hold_ready(samples)
        await self._sent.wait()

    def hold_ready(self, samples: Samples) -> None:
        """Speak from the next packet on; samples at 48 kHz."""
        self._spoken = samples
        self._sent.clear()

    async def recv(self) -> av.AudioFrame:
        """Return the next 20 ms, when they are due."""
        now = asyncio.get_running_loop().time()
        self.began = self.began or now
        await asyncio.sleep(max(0.0, self.began + self._packets * PACKET - now))
        size = round(PACKET * SENT_RATE)
        piece, self._spoken = self._spoken[:size], self._spoken[size:]
        if not len(self._spoken):
            self._sent.set()
        padded = np.pad(piece, (0, size - len(piece)))
        frame = av.AudioFrame.from_ndarray((padded * 32767).astype(np.int16)[None, :], format="s16", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = SENT_RATE, Fraction(1, SENT_RATE), self._packets * size
        self._packets += 1
        return frame


async def keep_alive(send: Callable[[str], None]) -> None:
    """Tell over the page's data channel that the page is there, until cancelled."""
    while True:
        send("ping: 0")
        await asyncio.sleep(1)
