"""From the client's audio format to the conversation's PCM, and back."""

from collections.abc import Iterator

from satellites.realtime import g711
from voice.resampling import StreamResampler

BYTES_PER_SECOND = {"audio/pcm": 48_000, "audio/pcmu": 8_000, "audio/pcma": 8_000}
"""Of each format that the API has."""

_RATES = {"audio/pcm": 24_000, "audio/pcmu": g711.SAMPLE_RATE, "audio/pcma": g711.SAMPLE_RATE}
_LAWS: dict[str, g711.Law] = {"audio/pcmu": "ulaw", "audio/pcma": "alaw"}


class AudioDecoder:
    """Turns one stream of a client's audio into 16-bit mono PCM of another rate."""

    def __init__(self, encoding: str, sample_rate: int) -> None:
        """Prepare for `audio/pcm` (24 kHz), `audio/pcmu` or `audio/pcma` (8 kHz), wanted at `sample_rate`
        Hz."""
        self.encoding = encoding
        self._law = _LAWS.get(encoding)
        self.bytes_per_second = BYTES_PER_SECOND[encoding]
        self._resampler = StreamResampler(_RATES[encoding], sample_rate)

    def pieces(self, audio: bytes) -> Iterator[bytes]:
        """Yield the PCM of whole samples of `audio`, at most a second at a time."""
        for start in range(0, len(audio), self.bytes_per_second):
            piece = audio[start : start + self.bytes_per_second]
            pcm = g711.decode(piece, self._law) if self._law else piece
            yield self._resampler.resample(pcm)


class AudioEncoder:
    """Turns 16-bit mono PCM into what a client wants to hear, as one stream."""

    def __init__(self, encoding: str, sample_rate: int) -> None:
        """Prepare for PCM of `sample_rate` Hz."""
        self.encoding = encoding
        self._law = _LAWS.get(encoding)
        self._resampler = StreamResampler(sample_rate, _RATES[encoding])

    def encode(self, pcm: bytes) -> bytes:
        """Encode whole samples; what the resampler holds back, under a millisecond, comes with the next."""
        pcm = self._resampler.resample(pcm)
        return g711.encode(pcm, self._law) if self._law else pcm
