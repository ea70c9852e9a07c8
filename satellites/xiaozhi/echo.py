"""Taking the assistant's own voice out of what a device hears that leaves this to the house.

Firmware built with `CONFIG_USE_SERVER_AEC` says so in its hello. In version 2 of the binary protocol it then marks what
its microphone hears with the time of the packet that it has just handed to its loudspeaker. That packet may have begun
to sound a packet's length ago. A canceller needs to know sound before its echo comes, so that the microphone is held
against the packet behind the one that is named.

Source: `main/audio/audio_service.cc` of https://github.com/78/xiaozhi-esp32.
"""

from collections import deque
from typing import Final

import numpy as np
from pywebrtc_audio import EchoCanceller

from voice.opus import DECODED_RATE, OpusDecoder

STEP: Final = DECODED_RATE // 100 * 2
"""Bytes that the canceller takes at once: 10 ms."""
KEPT: Final = 64
"""Packets that are kept until they have been played; the firmware's own queue holds 40."""
MOST_AHEAD: Final = DECODED_RATE // 5 * 2
"""Bytes of what is played beyond which the device has named more than it had time to play: the oldest are left out."""


class Echo:
    """One device's, of 16-bit mono PCM at `DECODED_RATE`."""

    def __init__(self) -> None:
        self._canceller = EchoCanceller(DECODED_RATE, 1, 0)
        self._decoder = OpusDecoder()
        self._sent: deque[tuple[int, bytes]] = deque(maxlen=KEPT)
        self._near = bytearray()
        self._far = bytearray()

    def sent(self, milliseconds: int, packet: bytes) -> None:
        """Note a packet of Opus, sent with this time on it."""
        self._sent.append((milliseconds, self._decoder.decode(packet)))

    def heard(self, pcm: bytes, playing: int) -> bytes:
        """Return what the microphone heard without the echo, up to 10 ms later.

        Args:
            pcm: of the microphone.
            playing: the time of the packet that is played; 0 for none.
        """
        self._near += pcm
        self._far += self._behind(playing)
        del self._far[: max(0, len(self._far) - len(self._near) - MOST_AHEAD)]
        whole = len(self._near) // STEP * STEP
        near, far = bytes(self._near[:whole]), bytes(self._far[:whole]).ljust(whole, b"\0")
        del self._near[:whole], self._far[:whole]
        if not whole:
            return b""
        cleaned = self._canceller.process(np.frombuffer(near, "<i2"), np.frombuffer(far, "<i2"))
        return bytes(cleaned.astype("<i2").tobytes())

    def _behind(self, playing: int) -> bytes:
        """Return the packet that is played after this one, and forget those before it."""
        if playing not in (milliseconds for milliseconds, _ in self._sent):
            return b""
        while self._sent.popleft()[0] != playing:
            pass
        return self._sent[0][1] if self._sent else b""
