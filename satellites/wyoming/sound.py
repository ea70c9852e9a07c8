"""The sound in Wyoming's events, as it is used here: 16-bit mono."""

from typing import Final

import numpy as np
from wyoming.event import Event

from satellites.wyoming.wire import Malformed
from voice.resampling import StreamResampler

RATE: Final = 16_000
"""Hz; what recognition works at."""
SLOWEST, FASTEST = 8_000, 96_000
MOST_CHANNELS: Final = 8


def whole(event: Event, name: str, least: int, most: int) -> int:
    """Return a number of an event's data. Raises `Malformed`."""
    value = event.data.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise Malformed(f"{event.type} needs {name}, a number from {least} to {most}")
    return value


def text_of(event: Event, name: str = "text") -> str:
    """Return a text of an event's data. Raises `Malformed`."""
    value = event.data.get(name)
    if not isinstance(value, str):
        raise Malformed(f"{event.type} needs {name}, a text")
    return value


def seconds(event: Event) -> float:
    """Return how long the sound of an `audio-chunk` lasts. Raises `Malformed`."""
    rate, channels = whole(event, "rate", SLOWEST, FASTEST), whole(event, "channels", 1, MOST_CHANNELS)
    return len(event.payload or b"") / (2 * rate * channels)


class Microphone:
    """Makes one stream of `audio-chunk` events into 16-bit mono PCM at `RATE`, whatever its format."""

    def __init__(self) -> None:
        self._rate = RATE
        self._channels = 1
        self._rest = b""
        self._resampler = StreamResampler(RATE, RATE)

    def pcm(self, event: Event) -> bytes:
        """Return the sound of an `audio-chunk`; of several channels the first. Raises `Malformed`.

        A part of a sample is kept for the next piece: Home Assistant cuts what it is posted anywhere.
        """
        rate, channels = whole(event, "rate", SLOWEST, FASTEST), whole(event, "channels", 1, MOST_CHANNELS)
        if event.data.get("width") != 2:
            raise Malformed("audio-chunk needs width 2: samples of 16 bits")
        if rate != self._rate:
            self._rate, self._resampler = rate, StreamResampler(rate, RATE)
        if channels != self._channels:
            self._channels, self._rest = channels, b""
        payload = self._rest + (event.payload or b"")
        ends = len(payload) // (2 * channels) * 2 * channels
        payload, self._rest = payload[:ends], payload[ends:]
        mono = np.frombuffer(payload, "<i2").reshape(-1, channels)[:, 0].tobytes() if channels > 1 else payload
        return self._resampler.resample(mono)
