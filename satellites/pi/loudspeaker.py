"""What a satellite plays: speech that waits, handed out in the pieces that a sound card wants."""

import threading

import numpy as np
import numpy.typing as npt

from voice.resampling import StreamResampler

SPEECH_RATE = 24_000
"""Hz of speech as the server sends it, 16-bit mono."""
QUIET = 0.25
"""How loud it plays while somebody speaks: 12 dB less."""
RAMP_SECONDS = 0.05
"""In which it becomes quieter or louder, so that nothing clicks."""
MOST_SECONDS = 120
"""Of speech that waits; a server that sends further ahead loses the rest."""


class Loudspeaker:
    """Plays at `rate` Hz. Sound is added by one thread and taken by another."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._lock = threading.Lock()
        self._resampler = StreamResampler(SPEECH_RATE, rate, quality="MQ")
        self._waiting = bytearray()
        self._gain = self._wanted = 1.0

    @property
    def empty(self) -> bool:
        """Whether nothing waits to be played."""
        with self._lock:
            return not self._waiting

    def add(self, pcm: bytes) -> None:
        """Have speech played behind what waits."""
        with self._lock:
            self._waiting += self._resampler.resample(pcm)
            del self._waiting[MOST_SECONDS * self.rate * 2 :]

    def clear(self) -> None:
        """Play no more of what waits."""
        with self._lock:
            self._waiting.clear()
            self._resampler = StreamResampler(SPEECH_RATE, self.rate, quality="MQ")

    def duck(self, *, quietly: bool) -> None:
        """Play quietly from now on, or as loudly as before."""
        with self._lock:
            self._wanted = QUIET if quietly else 1.0

    def take(self, samples: int) -> npt.NDArray[np.int16]:
        """Return the next samples to be played, with silence where there are not as many."""
        with self._lock:
            piece = bytes(self._waiting[: 2 * samples])
            del self._waiting[: 2 * samples]
            before, self._gain = self._gain, self._next_gain(samples)
        if not piece:
            return np.zeros(samples, np.int16)
        sound = np.frombuffer(piece.ljust(2 * samples, b"\0"), "<i2")
        if before == self._gain == 1.0:
            return sound.astype(np.int16)
        return (sound * np.linspace(before, self._gain, samples)).astype(np.int16)

    def _next_gain(self, samples: int) -> float:
        step = samples / (RAMP_SECONDS * self.rate)
        return self._gain + max(-step, min(step, self._wanted - self._gain))
