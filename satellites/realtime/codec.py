"""From the client's audio format to the conversation's PCM, and back."""

from collections.abc import Iterator

from satellites.realtime import g711
from voice import opus
from voice.opus import OpusDecoder, OpusEncoder
from voice.resampling import StreamResampler

OPUS = "audio/opus"
"""A format that the API does not have, for devices with a small antenna: each piece of audio is one packet."""

OPUS_MS = 40
"""How long a packet is that a client hears."""

BYTES_PER_SECOND = {"audio/pcm": 48_000, "audio/pcmu": 8_000, "audio/pcma": 8_000}
"""Of each format that the API has."""

FORMATS = (*BYTES_PER_SECOND, OPUS)

_RATES = {
    "audio/pcm": 24_000,
    "audio/pcmu": g711.SAMPLE_RATE,
    "audio/pcma": g711.SAMPLE_RATE,
    OPUS: opus.DECODED_RATE,
}
_LAWS: dict[str, g711.Law] = {"audio/pcmu": "ulaw", "audio/pcma": "alaw"}


def seconds_of(audio: bytes, encoding: str) -> float:
    """Tell how long a piece of audio is. Raises `NotOpus`."""
    return opus.seconds(audio) if encoding == OPUS else len(audio) / BYTES_PER_SECOND[encoding]


class AudioDecoder:
    """Turns one stream of a client's audio into 16-bit mono PCM of another rate."""

    def __init__(self, encoding: str, sample_rate: int) -> None:
        """Prepare for `audio/pcm` (24 kHz), `audio/pcmu` or `audio/pcma` (8 kHz) or `audio/opus`, wanted at
        `sample_rate` Hz."""
        self.encoding = encoding
        self._law = _LAWS.get(encoding)
        self._opus = OpusDecoder() if encoding == OPUS else None
        self.bytes_per_second = BYTES_PER_SECOND.get(encoding, 0)
        """0 where each piece of audio is by itself."""
        self._resampler = StreamResampler(_RATES[encoding], sample_rate)

    def pieces(self, audio: bytes) -> Iterator[bytes]:
        """Yield the PCM of whole samples of `audio`, at most a second at a time. Raises `NotOpus`."""
        if self._opus is not None:
            if audio:
                yield self._resampler.resample(self._opus.decode(audio))
            return
        for start in range(0, len(audio), self.bytes_per_second):
            piece = audio[start : start + self.bytes_per_second]
            pcm = g711.decode(piece, self._law) if self._law else piece
            yield self._resampler.resample(pcm)


class AudioEncoder:
    """Turns 16-bit mono PCM into what a client wants to hear, as one stream."""

    def __init__(self, encoding: str, sample_rate: int) -> None:
        """Prepare for PCM of `sample_rate` Hz."""
        self.encoding = encoding
        self._sample_rate = sample_rate
        self._law = _LAWS.get(encoding)
        self._opus = OpusEncoder(sample_rate, OPUS_MS) if encoding == OPUS else None
        self._resampler = StreamResampler(sample_rate, _RATES[encoding])

    def encode(self, pcm: bytes) -> list[tuple[bytes, float]]:
        """Encode whole samples into pieces, each with its seconds.

        What the resampler holds back, under a millisecond, or makes no whole packet, comes with the next.
        """
        if self._opus is not None:
            return [(packet, OPUS_MS / 1000) for packet in self._opus.encode(pcm)]
        seconds = len(pcm) / (self._sample_rate * 2)
        pcm = self._resampler.resample(pcm)
        return [(g711.encode(pcm, self._law) if self._law else pcm, seconds)]

    def rest(self) -> list[tuple[bytes, float]]:
        """Encode what made no whole packet, where nothing comes next."""
        return [(packet, OPUS_MS / 1000) for packet in self._opus.rest()] if self._opus is not None else []

    def drop(self) -> None:
        """Forget what made no whole packet."""
        if self._opus is not None:
            self._opus.drop()
