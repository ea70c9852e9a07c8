"""Silero voice activity detection: one model a process, one small state a microphone.

Pipecat's analyzer loads the model for every conversation and leaves the event loop for every 20 ms of audio; a window
takes about 0.1 ms here, less than the way to a thread and back.
"""

import math
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import onnxruntime

SAMPLE_RATE: Final = 16_000
WINDOW: Final = 512
"""Samples in one window of Silero VAD at 16 kHz."""
WINDOW_SECONDS: Final = WINDOW / SAMPLE_RATE
_CONTEXT: Final = 64
_QUIET_WINDOWS_BEFORE_RESET: Final = 160
_SETTLED: Final = 31
"""Windows without speech, 1 s, after which what is no louder than the room needs no model to be judged."""
_ROOM: Final = 1.25
"""How far above the quietest of late, 2 dB, the room itself gets; no word stays so near to it."""
_FLOOR_RISE: Final = 1.002
"""By how much the quietest level is forgotten in each window: a room that has become louder is known in 10 s."""


class SpeechDetector:
    """The model itself, shared; make one `SpeechStream` from it for each microphone."""

    def __init__(self, model: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.inter_op_num_threads = options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(model), providers=["CPUExecutionProvider"], sess_options=options
        )
        self._rate = np.array(SAMPLE_RATE, dtype=np.int64)

    def stream(self) -> "SpeechStream":
        """Begin a new stream of audio."""
        return SpeechStream(self)

    def run(
        self, window: npt.NDArray[np.float32], state: npt.NDArray[np.float32]
    ) -> tuple[float, npt.NDArray[np.float32]]:
        """Judge one window with its context, shape (1, 576), given the state so far, shape (2, 1, 128)."""
        probability, state = self._session.run(None, {"input": window, "state": state, "sr": self._rate})
        return float(probability[0][0]), state


class SpeechStream:
    """Speech probabilities of one microphone's audio, window by window."""

    def __init__(self, detector: SpeechDetector) -> None:
        self._detector = detector
        self._input = np.zeros((1, _CONTEXT + WINDOW), dtype=np.float32)
        self.reset()

    def reset(self) -> None:
        """Forget what was heard."""
        self._state = np.zeros((2, 1, 128), dtype=np.float32)
        self._input[:] = 0
        self._quiet = 0
        self._floor = float("inf")

    def probability(self, window: npt.NDArray[np.float32]) -> float:
        """Judge the next 512 samples, float32 in -1 to 1.

        The model's memory drifts over long silence and then misses quiet beginnings, so it starts afresh after 5 s
        without speech. In a quiet room it does not run at all, which is most of what an idle microphone costs.
        """
        self._input[0, :_CONTEXT] = self._input[0, -_CONTEXT:]
        self._input[0, _CONTEXT:] = window
        level = math.sqrt(float(np.dot(window, window)) / WINDOW)
        self._floor = min(level, self._floor * _FLOOR_RISE)
        if self._quiet >= _SETTLED and level <= self._floor * _ROOM:
            return 0.0
        probability, self._state = self._detector.run(self._input, self._state)
        self._quiet = self._quiet + 1 if probability < 0.1 else 0
        if self._quiet >= _QUIET_WINDOWS_BEFORE_RESET:
            self._state[:] = 0
            self._quiet = _SETTLED
        return probability


def loudness(samples: npt.NDArray[np.float32]) -> float:
    """Return how loud samples in -1 to 1 are, in dBFS, with -120 for digital silence."""
    return 10 * math.log10(float(np.dot(samples, samples)) / len(samples) + 1e-12)
