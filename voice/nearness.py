"""Who is near enough to be meant: how loud speech is beside what was said to the assistant before.

People who talk to one another at the other end of the room, and a television, are understood as well as somebody who
speaks to the device: Whisper evens out how loud they are. Speech that is plainly quieter than that of the latest turns
comes from afar. Echo cancellers take some of the voice of whoever speaks over the answer, so that little may be asked.
"""

import math
from collections import deque
from typing import Final

from voice.vad import WINDOW_SECONDS

FAR: Final = 7.0
"""dB below the latest turns at which speech is from afar. Of thirty people's sentences that were as loud as the turn
before, one window in forty is quieter than that; of those 12 dB below, as few are louder."""
HELD: Final = round(0.25 / WINDOW_SECONDS)
"""Windows for which the loudest stands: within a word every voice is quiet for as long."""
LOUD: Final = 0.9
"""The share of the windows of a turn that are quieter than it is."""
TURNS: Final = 3
"""Of so many turns the quietest counts: several people may talk, and each from another place."""


class Nearness:
    """Tells, for one microphone, what is said from afar. Loudness is in dBFS, of a window of 32 ms."""

    def __init__(self) -> None:
        self._latest: deque[float] = deque(maxlen=HELD)
        self._utterance: list[float] = []
        self._turns: deque[float] = deque(maxlen=TURNS)
        self.run = 0
        """Windows of near speech lately, less those that were none."""
        self.run_length = 0
        """Windows since the first of them."""

    @property
    def afar(self) -> bool:
        """Whether what was heard just now is too quiet to be near; never before the first turn."""
        return max(self._latest, default=0.0) < self._least

    @property
    def utterance_afar(self) -> bool:
        """Whether the utterance as a whole, so far, is too quiet: one vowel may be loud from anywhere."""
        return bool(self._utterance) and self._loudness() < self._least

    def hear(self, loudness: float) -> None:
        """Take the loudness of the next window."""
        self._latest.append(loudness)

    def begin(self, heard: int) -> None:
        """Note that an utterance has begun so many windows ago, fewer than `HELD`."""
        self._utterance = list(self._latest)[-heard:]
        self.run = self.run_length = 0

    def count(self, *, speech: bool) -> None:
        """Count the latest window as a part of the utterance where it is speech."""
        near = speech and self._latest[-1] >= self._least
        self.run = self.run + 1 if near else max(0, self.run - 1)
        self.run_length = self.run_length + 1 if self.run else 0
        if speech:
            self._utterance.append(self._latest[-1])

    def keep(self) -> None:
        """Note that the utterance was a turn: so loud are people who talk to the assistant."""
        if self._utterance:
            self._turns.append(self._loudness())

    @property
    def _least(self) -> float:
        return min(self._turns, default=-math.inf) - FAR

    def _loudness(self) -> float:
        return sorted(self._utterance)[int(LOUD * (len(self._utterance) - 1))]
