"""Speech for tests, made by Piper's own engine, so that they need no recordings."""

from functools import cache

import numpy as np
import numpy.typing as npt
import soxr
from piper import PiperVoice, SynthesisConfig
from platformdirs import user_data_path

from voice import models

RATE = 16_000
# Without noise the same text always sounds the same.
STEADY = SynthesisConfig(noise_scale=0.0, noise_w_scale=0.0)


@cache
def _voice() -> PiperVoice:
    return PiperVoice.load(models.piper_voice("en_US-joe-medium", user_data_path("passfel", appauthor=False)))


@cache
def speech(text: str) -> npt.NDArray[np.float32]:
    """A sentence as 16 kHz mono float32, without the silence around it."""
    audio = np.concatenate([chunk.audio_float_array for chunk in _voice().synthesize(text, STEADY)])
    audio = soxr.resample(audio, _voice().config.sample_rate, RATE).astype(np.float32) * 0.5
    loud = np.flatnonzero(np.abs(audio) > 0.01)
    return audio[loud[0] : loud[-1]]


def room_tone(seconds: float, level: float = 0.0005, seed: int = 0) -> npt.NDArray[np.float32]:
    """The quiet noise of a room."""
    return np.random.default_rng(seed).normal(0, level, int(seconds * RATE)).astype(np.float32)


def pcm(audio: npt.NDArray[np.float32]) -> bytes:
    """Float audio as 16-bit PCM."""
    return bytes((np.clip(audio, -1, 1) * 32767).astype("<i2").tobytes())
