"""A simulated way from a loudspeaker to the microphone beside it. It is no recording of a room or of a device.

The loudspeaker distorts (tanh, which makes odd overtones as a cone at its limits does, and even ones by an offset); the
room answers with its direct sound and noise that decays by 60 dB within `reverberation`; the sound cards add `delay`,
which drifts where their clocks differ.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

RATE = 16_000
REFLECTED = 0.35
"""The energy of what the room reflects, where that of the direct sound is 1, as a root."""
OFFSET = 0.1
KEPT = RATE
"""Samples of what sounded lately that are kept: more than any delay and drift."""

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Acoustics:
    """Where a satellite stands, and what it is made of."""

    reverberation: float
    """Seconds in which the room's answer decays by 60 dB."""
    delay: float
    """Seconds from what is handed to the loudspeaker to its direct sound in what the microphone delivers."""
    drift: float = 0.0
    """Parts in a million by which the microphone's clock is slower."""
    gain: float = 0.5
    """How loud the direct sound is at the microphone, as a factor."""
    drive: float = 2.0
    """How far the loudspeaker is driven: at 5, loud vowels are clipped."""


class AcousticPath:
    """Carries what is played to the microphone, piece by piece."""

    def __init__(self, acoustics: Acoustics, seed: int = 0) -> None:
        self._acoustics = acoustics
        time = np.arange(round(acoustics.reverberation * RATE)) / RATE
        reflected = np.random.default_rng(seed).normal(0, 1, len(time)) * 10 ** (-3 * time / acoustics.reverberation)
        self._response = reflected * REFLECTED / np.sqrt(np.sum(reflected**2))
        self._response[0] = 1.0
        self._played = np.zeros(len(self._response) - 1)
        self._sounded = np.zeros(KEPT)
        self._now = 0

    def carry(self, played: Samples) -> Samples:
        """Return what of it, at most half a second, and of what was played before reaches the microphone meanwhile."""
        drive = self._acoustics.drive
        distorted = np.tanh(drive * played + OFFSET * drive * played**2) / drive
        self._played = np.concatenate([self._played, distorted])
        sounding = np.convolve(self._played, self._response, mode="valid")
        self._played = self._played[len(played) :]
        self._sounded = np.concatenate([self._sounded, sounding])[-KEPT:]
        self._now += len(played)
        moments = np.arange(self._now - len(played), self._now) * (1 - self._acoustics.drift * 1e-6)
        places = moments - self._acoustics.delay * RATE - (self._now - KEPT)
        heard = np.interp(places, np.arange(KEPT), self._sounded)
        return np.asarray(self._acoustics.gain * heard, dtype=np.float32)
