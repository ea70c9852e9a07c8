"""Changing the sample rate of audio that arrives piece by piece."""

from typing import Final

import numpy as np
import numpy.typing as npt
import soxr

REACH: Final = 10
"""Samples of the lower rate on either side that the low-pass filter looks at: at 16 kHz it delays by 0.6 ms."""
PASSED: Final = 0.45
"""The share of the lower rate at which the filter takes half."""


class StreamResampler:
    """Resamples one stream of 16-bit mono PCM, keeping the filter's state from piece to piece.

    soxr's quality `QQ` (cubic interpolation) is meant for speech that somebody waits for: it delays the
    stream by under a millisecond, where `VHQ` holds back over 100 ms between 8 and 16 kHz. It filters nothing, so
    that going down by itself it would mirror everything above the new rate's half into what is heard, and does for
    speech at 8 kHz; a short filter before it keeps that out.
    """

    def __init__(self, from_rate: int, to_rate: int, quality: str = "QQ") -> None:
        """Prepare to turn `from_rate` Hz into `to_rate` Hz; equal rates pass through untouched."""
        self._same = from_rate == to_rate
        self._stream = soxr.ResampleStream(from_rate, to_rate, 1, dtype="int16", quality=quality)
        self._low_pass = _LowPass(from_rate / to_rate) if quality == "QQ" and to_rate < from_rate else None

    def resample(self, pcm: bytes, *, last: bool = False) -> bytes:
        """Resample whole samples of little-endian 16-bit PCM; `last` also returns what the filter held
        back."""
        if self._same:
            return pcm
        samples = np.frombuffer(pcm, dtype="<i2")
        if self._low_pass is not None:
            samples = self._low_pass.filter(samples, last=last)
        return bytes(self._stream.resample_chunk(samples, last=last).tobytes())


class _LowPass:
    """A windowed sinc before sound is taken to a rate that is `ratio` times lower."""

    def __init__(self, ratio: float) -> None:
        self._reach = round(REACH * ratio)
        middle = np.arange(-self._reach, self._reach + 1)
        taps = np.sinc(2 * PASSED / ratio * middle) * np.hamming(len(middle))
        self._taps = (taps / taps.sum()).astype(np.float32)
        # The first sound is not delayed: what would come out before it is thrown away.
        self._early = self._reach
        self._before = np.zeros(2 * self._reach, np.float32)

    def filter(self, samples: npt.NDArray[np.int16], *, last: bool) -> npt.NDArray[np.int16]:
        if last:
            samples = np.concatenate([samples, np.zeros(self._reach, np.int16)])
        if not len(samples):
            return samples
        heard = np.concatenate([self._before, samples.astype(np.float32)])
        self._before = heard[len(samples) :]
        passed = np.convolve(heard, self._taps, mode="valid")
        skipped = min(self._early, len(passed))
        self._early -= skipped
        return np.clip(np.rint(passed[skipped:]), -32768, 32767).astype(np.int16)
