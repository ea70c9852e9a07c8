"""Taking the assistant's own voice out of what a line brings back: phones and gateways return some of it.

WebRTC's canceller finds an echo that is up to half a second late. It needs what was sent and what came back side by
side, which is what this keeps. Where there is no echo, the canceller takes away what the caller says over the
assistant's voice, so it is listened to only on lines that do echo.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
from pywebrtc_audio import EchoCanceller

from satellites.sip.wire import RATE

FRAME: Final = RATE // 100
"""Samples that the canceller takes at a time."""
MOST_SENT: Final = RATE // 10
"""Samples that were sent and not yet compared, beyond which the two have lost each other and begin anew: clocks
differ, and packets are lost."""
LATEST: Final = RATE // 2
"""Samples by which an echo may be late."""
WINDOW: Final = RATE
"""Samples that are compared."""
LOOK: Final = RATE // 4
"""Samples between two comparisons."""
LIKE: Final = 0.25
"""How much alike, 0 to 1, what was sent and what came are where the line echoes; speech of two people reaches 0.1."""
SPOKEN: Final = 200.0
"""The loudness above which the assistant speaks, in steps of 16-bit sound."""
QUIET: Final = 0.006
"""The share of the assistant's loudness below which nothing comes back: -45 dB."""

Samples = npt.NDArray[np.float32]


class Echo:
    """One call's, of 16-bit mono PCM at `RATE`."""

    def __init__(self) -> None:
        self._canceller = EchoCanceller(sample_rate=RATE, num_channels=1)
        self._likeness = Likeness()
        self._sent = bytearray()
        self._heard = bytearray()

    def sent(self, pcm: bytes) -> None:
        """Note what has just gone out to be heard."""
        self._sent += pcm
        if len(self._sent) > 2 * MOST_SENT:
            del self._sent[: len(self._sent) - 2 * FRAME]

    def heard(self, pcm: bytes) -> bytes:
        """Return what has come in without the echo, up to a hundredth of a second later."""
        self._heard += pcm
        frames = len(self._heard) // (2 * FRAME)
        if not frames:
            return b""
        size = 2 * FRAME * frames
        near, far = bytes(self._heard[:size]), bytes(self._sent[:size]).ljust(size, b"\0")
        del self._heard[:size], self._sent[:size]
        came, went = np.frombuffer(near, "<i2"), np.frombuffer(far, "<i2")
        self._likeness.see(went.astype(np.float32), came.astype(np.float32))
        # It learns all the time, so that it is ready once it is needed.
        clean = [
            np.asarray(self._canceller.process(came[start : start + FRAME], went[start : start + FRAME]))
            for start in range(0, len(came), FRAME)
        ]
        return np.concatenate(clean).astype("<i2").tobytes() if self._likeness.echoes else near


class Likeness:
    """Finds out whether what comes back resembles what was sent, however late."""

    def __init__(self) -> None:
        self.echoes = False
        """Whether the line does."""
        self._sent = np.zeros(LATEST + WINDOW, np.float32)
        self._came = np.zeros(WINDOW, np.float32)
        self._unseen = 0

    def see(self, sent: Samples, came: Samples) -> None:
        """Note as many samples of both."""
        self._sent = np.concatenate([self._sent, sent])[-len(self._sent) :]
        self._came = np.concatenate([self._came, came])[-len(self._came) :]
        self._unseen += len(came)
        if self._unseen >= LOOK:
            self._unseen = 0
            self._judge()

    def _judge(self) -> None:
        spoken = _loudness(self._sent)
        if spoken < SPOKEN:
            return
        if _loudness(self._came) < QUIET * spoken:
            self.echoes = False
        elif not self.echoes:
            self.echoes = _likeness(self._sent, self._came) > LIKE


def _loudness(samples: Samples) -> float:
    return float(np.sqrt(np.mean(samples**2)))


def _likeness(sent: Samples, came: Samples) -> float:
    """The largest correlation of what came with what was sent, over all the delays that there may be."""
    # Speech is loud in its lows, where everybody's is alike.
    sent, came = np.diff(sent, prepend=0.0), np.diff(came, prepend=0.0)
    size = 1 << (len(sent) + len(came) - 1).bit_length()
    spectrum = np.fft.rfft(sent, size) * np.conj(np.fft.rfft(came, size))
    alike = np.abs(np.fft.irfft(spectrum, size)[: LATEST + 1])
    energy = np.concatenate([[0.0], np.cumsum(sent.astype(np.float64) ** 2)])
    of_sent = np.sqrt(energy[WINDOW : WINDOW + LATEST + 1] - energy[: LATEST + 1])
    return float(np.max(alike / (of_sent * np.linalg.norm(came) + 1.0)))
