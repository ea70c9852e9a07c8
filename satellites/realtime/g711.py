"""ITU-T G.711: telephone speech as 8 bits a sample at 8 kHz, in its two laws.

Both laws are written here as whole tables, made on first use: 256 entries to decode, 65,536 to encode.
"""

from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Law = Literal["ulaw", "alaw"]

SAMPLE_RATE = 8000
"""Hz."""

_ULAW_BIAS = 33
"""Added to a 14-bit magnitude so that every segment starts at a power of two (G.711, table 2a)."""


def decode(encoded: bytes, law: Law) -> bytes:
    """Turn G.711 bytes into little-endian 16-bit PCM, two bytes each."""
    return bytes(_decoder(law)[np.frombuffer(encoded, dtype=np.uint8)])


def encode(pcm: bytes, law: Law) -> bytes:
    """Turn little-endian 16-bit PCM into G.711, one byte a sample: the code whose value lies nearest."""
    return bytes(_encoder(law)[np.frombuffer(pcm, dtype="<u2")])


@cache
def _decoder(law: Law) -> NDArray[np.int16]:
    code = np.arange(256, dtype=np.int32) ^ (0xFF if law == "ulaw" else 0x55)
    segment, step = (code >> 4) & 7, code & 15
    if law == "ulaw":
        magnitude = ((((step << 1) + _ULAW_BIAS) << segment) - _ULAW_BIAS) << 2
        negative = code & 0x80
    else:
        linear = (step << 1) + 1
        magnitude = np.where(segment == 0, linear, (linear + 32) << np.maximum(segment - 1, 0)) << 3
        negative = ~code & 0x80
    return np.where(negative != 0, -magnitude, magnitude).astype("<i2")


@cache
def _encoder(law: Law) -> NDArray[np.uint8]:
    values = _decoder(law).astype(np.int32)
    order = np.argsort(values, kind="stable")
    boundaries = (values[order][1:] + values[order][:-1] + 1) // 2
    samples = np.arange(65536, dtype=np.uint16).astype(np.int16).astype(np.int32)
    return order[np.searchsorted(boundaries, samples, side="right")].astype(np.uint8)
