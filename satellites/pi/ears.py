"""What a satellite's microphone hears: without the satellite's own voice, with wake words and speech marked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from pywebrtc_audio import EchoCanceller

from voice.vad import WINDOW, SpeechDetector
from voice.wakeword import WakeWords, Woken

STEP: Final = 160
"""Samples that the echo canceller takes at once: 10 ms."""
SPEECH: Final = 0.4
"""From which probability on a window is speech: rather too much is sent than a beginning is lost."""
WINDOW_SECONDS: Final = WINDOW / 16_000


@dataclass(frozen=True, slots=True)
class Heard:
    """One window of sound, 32 ms."""

    pcm: bytes
    """16-bit mono at 16 kHz."""
    speech: bool
    woken: Woken | None


class Ears:
    """Listens to one microphone, of 16-bit mono PCM at 16 kHz. A second of sound takes about 15 ms.

    Args:
        words: wake it.
        detector: Silero's model.
        delay: milliseconds between what is handed to the loudspeaker and its echo, as far as that is known; the
            canceller finds out the rest.
    """

    def __init__(self, words: WakeWords, detector: SpeechDetector, *, delay: int = 0) -> None:
        self._words = words
        self._speech = detector.stream()
        self._echo = EchoCanceller(16_000, 1, delay)
        self._near, self._far, self._clean = b"", b"", b""

    def hear(self, near: bytes, far: bytes) -> Sequence[Heard]:
        """Take what the microphone heard and, of the same length, what the loudspeaker was given meanwhile."""
        self._near += near
        self._far += far
        whole = min(len(self._near), len(self._far)) // (2 * STEP) * (2 * STEP)
        near, self._near = self._near[:whole], self._near[whole:]
        far, self._far = self._far[:whole], self._far[whole:]
        if whole:
            cleaned = self._echo.process(np.frombuffer(near, "<i2"), np.frombuffer(far, "<i2"))
            self._clean += cleaned.astype("<i2").tobytes()
        heard = []
        while len(self._clean) >= 2 * WINDOW:
            window, self._clean = self._clean[: 2 * WINDOW], self._clean[2 * WINDOW :]
            samples = np.frombuffer(window, "<i2").astype(np.float32) / np.float32(32768)
            speech = self._speech.probability(samples) >= SPEECH
            heard.append(Heard(window, speech, self._words.hear(window)))
        return heard
