"""Opus (RFC 6716), packet by packet, by way of libopus.

Encoding delays speech by 6.5 ms beyond a packet's own length, decoding by nothing. Either takes under a millisecond.
"""

from fractions import Fraction
from typing import Final

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.error import FFmpegError

DECODED_RATE: Final = 48_000
"""Hz of what is decoded, whatever rate it was encoded at: an Opus packet does not tell."""
MAX_PACKET: Final = 8_000
"""Bytes; the longest packet that there can be, 120 ms, has 7,650."""

LONGEST: Final = 0.12
"""Seconds of a packet."""


class NotOpus(ValueError):  # noqa: N818 - reads as what is the matter
    """This is no packet of Opus."""


def seconds(packet: bytes) -> float:
    """Tell how long a packet is, from its first bytes (RFC 6716, section 3). Raises `NotOpus`."""
    if not 0 < len(packet) <= MAX_PACKET:
        raise NotOpus(f"a packet has 1 to {MAX_PACKET} bytes, not {len(packet)}")
    kind, code = packet[0] >> 3, packet[0] & 3
    if kind < 12:
        frame = (0.01, 0.02, 0.04, 0.06)[kind & 3]
    elif kind < 16:
        frame = (0.01, 0.02)[kind & 1]
    else:
        frame = (0.0025, 0.005, 0.01, 0.02)[kind & 3]
    count = (1, 2, 2, packet[1] & 63 if len(packet) > 1 else 0)[code]
    if not 0 < count * frame <= LONGEST:
        raise NotOpus(f"a packet lasts {LONGEST} s at most, not {count * frame}")
    return count * frame


class OpusDecoder:
    """Turns one stream of packets into 16-bit mono PCM of `DECODED_RATE`."""

    def __init__(self) -> None:
        self._codec = AudioCodecContext.create("libopus", "r")
        self._codec.layout = "mono"
        self._codec.open()

    def decode(self, packet: bytes) -> bytes:
        """Decode a packet, at most 120 ms; stereo is mixed down. Raises `NotOpus`, and goes on with the next one."""
        if not 0 < len(packet) <= MAX_PACKET:
            raise NotOpus(f"a packet has 1 to {MAX_PACKET} bytes, not {len(packet)}")
        try:
            frames = self._codec.decode(av.Packet(packet))
        except FFmpegError as error:
            raise NotOpus(str(error)) from error
        return b"".join(frame.to_ndarray().tobytes() for frame in frames)


class OpusEncoder:
    """Turns 16-bit mono PCM into packets of one stream.

    Args:
        rate: of the PCM, in Hz: 8000, 12000, 16000, 24000 or 48000.
        milliseconds: how long a packet is: 10, 20, 40 or 60.
    """

    def __init__(self, rate: int, milliseconds: int, *, bits_per_second: int = 32_000) -> None:
        self._rate = rate
        self._samples = rate * milliseconds // 1000
        self._pcm = bytearray()
        self._codec = AudioCodecContext.create("libopus", "w")
        self._codec.sample_rate, self._codec.layout, self._codec.format = rate, "mono", "s16"
        self._codec.time_base, self._codec.bit_rate = Fraction(1, rate), bits_per_second
        self._codec.options = {"frame_duration": str(milliseconds), "application": "voip"}
        self._codec.open()

    def encode(self, pcm: bytes) -> list[bytes]:
        """Encode what makes whole packets; the rest comes with the next."""
        self._pcm += pcm
        packets: list[bytes] = []
        while len(self._pcm) >= self._samples * 2:
            packets += self._encoded(bytes(self._pcm[: self._samples * 2]))
            del self._pcm[: self._samples * 2]
        return packets

    def rest(self) -> list[bytes]:
        """Encode what is left, with silence behind it."""
        left, self._pcm = bytes(self._pcm), bytearray()
        return self._encoded(left.ljust(self._samples * 2, b"\0")) if left else []

    def drop(self) -> None:
        """Forget what is left."""
        self._pcm.clear()

    def _encoded(self, pcm: bytes) -> list[bytes]:
        frame = av.AudioFrame.from_ndarray(np.frombuffer(pcm, "<i2").reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = self._rate
        return [bytes(packet) for packet in self._codec.encode(frame)]
