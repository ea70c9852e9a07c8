"""Speech as a device's player wants it, piece by piece while it is made: WAV, FLAC, MP3 or Opus, by FFmpeg."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final, cast

import av
import numpy as np
from aioesphomeapi.model import MediaPlayerFormatPurpose, MediaPlayerSupportedFormat
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream

SPEECH_RATE: Final = 24_000
"""Hz where the device has no wish."""
RATES: Final = range(8_000, 48_001)
"""Hz that are served; what is outside is a mistake."""


@dataclass(frozen=True, slots=True)
class _Container:
    name: str
    codec: str
    content_type: str
    samples: str
    options: dict[str, str]
    coding: dict[str, str] = field(default_factory=dict)


# Without them FFmpeg holds sound back for a page or a header that it could write anew at the end.
_CONTAINERS: Final = {
    "wav": _Container("wav", "pcm_s16le", "audio/wav", "s16", {"fflags": "+bitexact"}),
    "flac": _Container(
        "flac", "flac", "audio/flac", "s16", {"metadata_header_padding": "0"}, {"compression_level": "0"}
    ),
    "mp3": _Container(
        "mp3", "libmp3lame", "audio/mpeg", "s16p", {"write_xing": "0", "id3v2_version": "0"}, {"b": "96k"}
    ),
    "opus": _Container("ogg", "libopus", "audio/ogg", "s16", {"page_duration": "20000"}),
}
OPUS_RATE: Final = 48_000


@dataclass(frozen=True, slots=True)
class SpeechFormat:
    """What is sent."""

    name: str
    """`wav`, `flac`, `mp3` or `opus`; it is the ending of the address, by which some players know it."""
    rate: int
    """Hz."""
    channels: int = 1

    @property
    def content_type(self) -> str:
        """Of the HTTP answer."""
        return _CONTAINERS[self.name].content_type


def wanted_format(supported: Sequence[MediaPlayerSupportedFormat], *, otherwise: str) -> SpeechFormat:
    """Choose what to send out of what a device's media players say they can play, `otherwise` where they say nothing.

    Speech is an announcement to ESPHome, which names the one format for it.
    """
    known = [each for each in supported if each.format in _CONTAINERS]
    for each in sorted(known, key=lambda each: each.purpose is not MediaPlayerFormatPurpose.ANNOUNCEMENT):
        rate = OPUS_RATE if each.format == "opus" else each.sample_rate or SPEECH_RATE
        if rate in RATES:
            return SpeechFormat(each.format, rate, 2 if each.num_channels == 2 else 1)
    return SpeechFormat(otherwise, SPEECH_RATE)


class Encoder:
    """Encodes one speech."""

    def __init__(self, speech: SpeechFormat) -> None:
        container = _CONTAINERS[speech.name]
        self._layout = "stereo" if speech.channels == 2 else "mono"
        self._speech = speech
        self._written = _Written()
        options = {"flush_packets": "1", **container.options}
        self._output = av.open(self._written, "w", format=container.name, options=options)
        self._stream = cast("AudioStream", self._output.add_stream(container.codec, speech.rate, container.coding))
        self._stream.codec_context.layout = self._layout
        self._stream.codec_context.format = container.samples
        self._resampler = AudioResampler(container.samples, self._layout, speech.rate)
        self._samples = 0

    def encode(self, pcm: bytes) -> bytes:
        """Take 16-bit mono PCM at the format's rate; return what can be sent so far. 20 ms take about 1 ms."""
        samples = np.repeat(np.frombuffer(pcm, "<i2"), self._speech.channels)
        frame = av.AudioFrame.from_ndarray(samples[np.newaxis], "s16", self._layout)
        frame.sample_rate, frame.pts, frame.time_base = self._speech.rate, self._samples, Fraction(1, self._speech.rate)
        self._samples += frame.samples
        for each in self._resampler.resample(frame):
            self._output.mux(self._stream.encode(each))
        return self._written.take()

    def close(self) -> bytes:
        """Return the rest."""
        self._output.mux(self._stream.encode(None))
        self._output.close()
        return self._written.take()


class _Written:
    """What FFmpeg writes; it cannot go back in it."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def write(self, data: bytes) -> int:
        self._bytes += data
        return len(data)

    def take(self) -> bytes:
        taken = bytes(self._bytes)
        self._bytes.clear()
        return taken
