"""Where speech begins and ends in a recording, and the room tone around it.

The end of speech is the zero of every latency in these benchmarks, so it is read from the signal and from
nothing that is under test: no voice-activity model takes part. A frame of 10 ms is speech when its level is
both `ABOVE_FLOOR` dB over the recording's noise floor (the level that its quietest tenth stays under) and
within `BELOW_PEAK` dB of its loudest frames; speech begins with the first and ends with the last run of at
least `SHORTEST_SOUND` such frames. A click is shorter than that, the burst of a final t or k is not.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
"""Mono audio between -1 and 1, shape (samples,)."""

SAMPLE_RATE = 16_000
FRAME = SAMPLE_RATE // 100
ABOVE_FLOOR = 10.0
BELOW_PEAK = 35.0
SHORTEST_SOUND = 3

QUIETEST_FLOOR = -75.0
"""dBFS. Files that were cut or denoised hold digital silence, which no microphone delivers."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a recording in seconds."""

    start: float
    end: float


def levels(samples: Samples, frame: int = FRAME) -> NDArray[np.float64]:
    """Return the level of each whole frame of `frame` samples in dBFS, with -120 for digital silence."""
    whole = samples[: len(samples) // frame * frame].reshape(-1, frame).astype(np.float64)
    return np.asarray(10 * np.log10(np.mean(whole**2, axis=1) + 1e-12))


def noise_floor(samples: Samples) -> float:
    """Return the level in dBFS that the quietest tenth of the frames stays under."""
    return max(float(np.percentile(levels(samples), 10)), QUIETEST_FLOOR)


def speech_span(samples: Samples) -> Span:
    """Return the first and last moment of speech in seconds.

    Raises:
        ValueError: if no sound stands out of the noise floor.
    """
    level = levels(samples)
    threshold = max(noise_floor(samples) + ABOVE_FLOOR, float(np.percentile(level, 98)) - BELOW_PEAK)
    loud = np.concatenate(([False], level > threshold, [False]))
    edges = np.flatnonzero(loud[1:] != loud[:-1]).reshape(-1, 2)
    runs = edges[edges[:, 1] - edges[:, 0] >= SHORTEST_SOUND]
    if len(runs) == 0:
        raise ValueError("nothing in this recording is louder than its noise floor: give one with speech")
    return Span(float(runs[0, 0]) * FRAME / SAMPLE_RATE, float(runs[-1, 1]) * FRAME / SAMPLE_RATE)


def room_tone(samples: Samples, seconds: float, seed: int = 0) -> Samples:
    """Return noise with the level and the colour of the quietest tenth of a recording.

    Its spectrum is that of the recording's quietest frames and its phases are random, so it has the sound of
    the room but none of its words.
    """
    rng = np.random.default_rng(seed)
    length = max(round(seconds * SAMPLE_RATE), 1)
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    quietest = frames[np.argsort(levels(samples))[: max(len(frames) // 10, 1)]]
    colour = np.sqrt(np.mean(np.abs(np.fft.rfft(quietest, axis=1)) ** 2, axis=0)) + 1e-9
    spectrum = np.fft.rfft(rng.standard_normal(length))
    spectrum *= np.interp(np.linspace(0, 1, len(spectrum)), np.linspace(0, 1, len(colour)), colour)
    tone = np.fft.irfft(spectrum, length)
    return np.asarray(at_level(tone.astype(np.float32), noise_floor(samples)))


def at_level(samples: Samples, dbfs: float) -> Samples:
    """Scale samples to a root-mean-square level in dBFS."""
    level = float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))
    return np.asarray(samples * (10 ** (dbfs / 20) / max(level, 1e-9)), dtype=np.float32)


def cough(seed: int = 1) -> Samples:
    """Return a burst of noise shaped like a cough: an attack of 10 ms, a decay of 80 ms, 0.25 s in all."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(0.25 * SAMPLE_RATE)) / SAMPLE_RATE
    noise = rng.standard_normal(len(time))
    breathy = np.convolve(noise, np.hanning(9) / np.hanning(9).sum(), mode="same")
    envelope = np.minimum(time / 0.01, 1.0) * np.exp(-np.maximum(time - 0.01, 0) / 0.08)
    shaped = (breathy * envelope).astype(np.float32)
    return np.asarray(shaped / np.max(np.abs(shaped)) * 0.4, dtype=np.float32)


def with_pause(samples: Samples, at: float, seconds: float, seed: int = 0) -> Samples:
    """Insert `seconds` of the recording's room tone `at` seconds into it, faded over 5 ms: nothing clicks."""
    cut, fade = round(at * SAMPLE_RATE), FRAME // 2
    before, after = samples[:cut].copy(), samples[cut:].copy()
    ramp = np.linspace(0, 1, fade, dtype=np.float32)
    before[-fade:] *= ramp[::-1]
    after[:fade] *= ramp
    return np.concatenate([before, room_tone(samples, seconds, seed), after])
