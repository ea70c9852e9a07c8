"""Wake words: microWakeWord's models, which also run on the ESP32 devices that Home Assistant sells.

One second of sound takes about 3 ms for each wake word, so that the usual piece of a few hundredths of a second is
judged sooner than a thread could be asked to.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from pymicro_wakeword import MicroWakeWord, MicroWakeWordFeatures, Model

SAMPLE_RATE: Final = 16_000
"""Hz of the 16-bit mono PCM that is listened to."""
WORD_SECONDS: Final = 1.0
"""How long a wake word takes to say, at most; its loudness is measured within."""
REST_SECONDS: Final = 0.5
"""For as long the models must have heard nothing before they count as hearing a wake word anew."""
QUIETEST: Final = -100.0
"""The loudness of digital silence, in dB."""

_STEP: Final = 2 * SAMPLE_RATE // 100
"""Bytes of the 10 ms that one step of the models takes."""
_FRAME: Final = SAMPLE_RATE // 50
KNOWN: Final = tuple(model.value for model in Model)
"""Names of the wake words that come with the package."""


class WakeWordUnknown(Exception):  # noqa: N818 - reads as what is wrong
    """There is no such wake word; the message is one line and says what to do."""


@dataclass(frozen=True, slots=True)
class Woken:
    """A wake word was said."""

    word: str
    """The name of its model, such as `okay_nabu`."""
    phrase: str
    """What was said, such as `Okay Nabu`."""
    loudness: float
    """In dB below full scale, 0 the loudest; the louder of two devices is the nearer one."""
    at: float
    """Seconds of sound heard so far, to about 0.1 s the end of the word."""


class WakeWords:
    """Listens to one microphone.

    Args:
        words: names out of `KNOWN`, or paths of further models' `.json` files, their `.tflite` beside them.

    Raises:
        WakeWordUnknown: where one is neither.
    """

    def __init__(self, words: Sequence[str] = ("okay_nabu",)) -> None:
        self._models = {Path(word).stem: _load(word) for word in words}
        self._features = MicroWakeWordFeatures()
        self.reset()

    @property
    def phrases(self) -> dict[str, str]:
        """What is to be said, by the name of its model."""
        return {word: str(model.wake_word) for word, model in self._models.items()}

    def reset(self) -> None:
        """Forget what was heard."""
        for model in self._models.values():
            model.reset()
        self._features.reset()
        self._recent = b""
        self._waiting = b""
        self._heard = 0
        self._last = dict.fromkeys(self._models, -math.inf)

    def hear(self, pcm: bytes) -> Woken | None:
        """Listen to the next piece, whole samples of any length; tell of the first wake word in it."""
        woken: Woken | None = None
        pcm = self._waiting + pcm
        whole = len(pcm) // _STEP * _STEP
        self._waiting = pcm[whole:]
        for start in range(0, whole, _STEP):
            word = self._step(pcm[start : start + _STEP])
            woken = woken or word
        return woken

    def _step(self, pcm: bytes) -> Woken | None:
        self._recent = (self._recent + pcm)[-int(WORD_SECONDS * SAMPLE_RATE) * 2 :]
        self._heard += len(pcm) // 2
        at, woken = self._heard / SAMPLE_RATE, None
        for features in self._features.process_streaming(pcm):
            for word, model in self._models.items():
                if model.process_streaming(features):
                    if at - self._last[word] > REST_SECONDS and woken is None:
                        woken = Woken(word, str(model.wake_word), loudness(self._recent), at)
                    self._last[word] = at
        return woken


def loudness(pcm: bytes) -> float:
    """The level of the louder half of 16-bit PCM, in dB below full scale: what is said, and not the pauses."""
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float32) / 32768
    frames = samples[: len(samples) // _FRAME * _FRAME].reshape(-1, _FRAME)
    if not len(frames):
        return QUIETEST
    power = np.sort(np.square(frames).mean(axis=1))
    return max(QUIETEST, 10 * math.log10(float(power[len(power) // 2 :].mean()) or 1e-10))


def _load(word: str) -> MicroWakeWord:
    if word in KNOWN:
        return MicroWakeWord.from_builtin(Model(word))
    file = Path(word).expanduser()
    if file.suffix != ".json" or not file.is_file():
        known = ", ".join(KNOWN)
        raise WakeWordUnknown(f"no wake word {word}: use {known}, or the .json file of a microWakeWord model")
    try:
        _demand_model(file.parent / json.loads(file.read_text(encoding="utf-8"))["model"])
        return MicroWakeWord.from_config(file)
    except (KeyError, TypeError, ValueError, OSError, RuntimeError) as error:
        raise WakeWordUnknown(f"the wake word's model {file} is damaged: {error!r}") from error


def _demand_model(file: Path) -> None:
    """Look at a model before TensorFlow does, whose own check ends the process. Raises `ValueError` or `OSError`."""
    with file.open("rb") as stream:
        if stream.read(8)[4:] != b"TFL3":
            raise ValueError(f"{file.name} is no TensorFlow Lite model")
