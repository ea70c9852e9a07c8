"""A message that a caller dictates: when it is over, and the pieces in which it can be written down.

It has no clock and no I/O of its own: sound in, and whether somebody speaks in it.
"""

from typing import Final

from satellites.sip.wire import RATE

STEP: Final = 0.5
"""Seconds of sound that are judged together."""
FIRST: Final = 10.0
"""Seconds in which somebody has to begin."""
PAUSE: Final = 3.5
"""Seconds of silence that end a message: people think between two sentences."""
LONGEST: Final = 90.0
"""Seconds that one may last."""
PIECE: Final = 15.0
"""Seconds after which a pause is a place to cut: Whisper takes 30 at a time."""
MOST_PIECE: Final = 27.0


class Dictation:
    """Takes one message."""

    def __init__(self) -> None:
        self._unjudged = bytearray()
        self._pieces: list[bytearray] = [bytearray()]
        self._length = 0.0
        self._silent = 0.0
        self._spoken = False

    @property
    def over(self) -> bool:
        """Whether it is complete: nothing more is said, nothing was, or it is too long."""
        return self._length >= LONGEST or self._silent >= (PAUSE if self._spoken else FIRST)

    @property
    def spoken(self) -> bool:
        """Whether anybody has said anything."""
        return self._spoken

    def feed(self, pcm: bytes) -> bytes | None:
        """Take sound; returns a step that is to be judged, once there is one, of which `judge` is told."""
        self._unjudged += pcm
        size = int(STEP * RATE) * 2
        if len(self._unjudged) < size:
            return None
        step = bytes(self._unjudged[:size])
        del self._unjudged[:size]
        return step

    def judge(self, step: bytes, *, speech: bool) -> None:
        """Take a step, and whether somebody speaks in it."""
        self._length += STEP
        self._silent = 0.0 if speech else self._silent + STEP
        self._spoken |= speech
        piece = self._pieces[-1]
        piece += step
        length = len(piece) / (2 * RATE)
        if length >= MOST_PIECE or (length >= PIECE and not speech):
            self._pieces.append(bytearray())

    def pieces(self) -> list[bytes]:
        """The sound so far, 16-bit mono PCM at `RATE`, in pieces that Whisper takes; the rest of a step comes last."""
        self._pieces[-1] += self._unjudged
        self._unjudged.clear()
        return [bytes(each) for each in self._pieces if each]
