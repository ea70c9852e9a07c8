"""Taking the assistant's own voice out of what a line brings back: phones and gateways return some of it.

WebRTC's canceller finds an echo that is up to half a second late. It needs what was sent and what came back side by
side, which is what this keeps.
"""

from typing import Final

import numpy as np
from pywebrtc_audio import EchoCanceller

from satellites.sip.wire import RATE

FRAME: Final = RATE // 100
"""Samples that the canceller takes at a time."""
MOST_SENT: Final = RATE // 10
"""Samples that were sent and not yet compared, beyond which the two have lost each other and begin anew: clocks
differ, and packets are lost."""


class Echo:
    """One call's, of 16-bit mono PCM at `RATE`."""

    def __init__(self) -> None:
        self._canceller = EchoCanceller(sample_rate=RATE, num_channels=1)
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
        clean = [
            self._canceller.process(
                np.frombuffer(near, "<i2", FRAME, 2 * FRAME * place),
                np.frombuffer(far, "<i2", FRAME, 2 * FRAME * place),
            )
            for place in range(frames)
        ]
        return b"".join(np.asarray(each).astype("<i2").tobytes() for each in clean)
