"""How a call goes to its end: silence, goodbye, and the longest that one may last.

It has no clock of its own: frames and moments in, what to do and when out.
"""

from collections.abc import Callable
from enum import Enum
from typing import Final

from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    LLMContextUserTurnFrame,
    UserStartedSpeakingFrame,
)

from satellites.attention import Attention

WARNING: Final = 60.0
"""Seconds before the longest call ends, in which that is said."""
TAIL: Final = 0.4
"""Seconds by which the last words are heard after they were sent."""
FAREWELL: Final = 6.0
"""Seconds in which a farewell is answered; then the call ends without."""
LONGEST_HOLD: Final = 900.0
"""Seconds on hold after which nobody comes back."""


class Act(Enum):
    """What is to be done."""

    ASK = "ask"
    """Ask whether anybody is there."""
    WARN = "warn"
    """Say that the call ends in a minute."""
    LEAVE = "leave"
    """Say goodbye, since nobody is there."""
    CUT = "cut"
    """Say goodbye, since the call has lasted too long."""
    HANG_UP = "hang up"


class Manners:
    """Follows one call.

    Args:
        silence: seconds in which nobody says anything before the caller is asked for.
        longest: seconds that the call may last.
        is_farewell: tells whether words are a goodbye.
        now: when it was answered, in seconds.
    """

    def __init__(self, silence: float, longest: float, is_farewell: Callable[[str], bool], now: float) -> None:
        self._silence = silence
        self._attention = Attention(silence, now)
        self._is_farewell = is_farewell
        self._asked = False
        self._warned = False
        self._cut = False
        self._leaves: float | None = None
        """When the call ends, whatever is said."""
        self._spoken = False
        """Whether the assistant speaks since then."""
        self._held: float | None = None
        self._ends = now + longest

    def see(self, frame: Frame, now: float) -> None:
        """Follow what happens in the conversation."""
        self._attention.see(frame, now)
        match frame:
            case UserStartedSpeakingFrame():
                self._asked = False
                if not self._cut:
                    # Somebody has thought of something more.
                    self._leaves = None
            case LLMContextUserTurnFrame() if self._is_farewell(frame.text):
                self._leave(now)
            case BotStartedSpeakingFrame() if self._leaves is not None:
                self._spoken = True
                self._leaves = now + 5 * FAREWELL
            case BotStoppedSpeakingFrame() if self._leaves is not None and self._spoken:
                self._leaves = now + TAIL

    def begin(self, now: float) -> None:
        """Note that a conversation begins, or goes on: whoever is there gets their time anew."""
        self._asked = False
        self._attention = Attention(self._silence, now)

    def hold(self, held: bool, now: float) -> None:
        """Note that the other side has put the call on hold, or taken it off again."""
        self._held = now + LONGEST_HOLD if held else None
        if not held:
            self.begin(now)

    def next(self, now: float) -> float:
        """Return when to ask again what is to be done, as long as nothing happens."""
        if self._leaves is not None:
            return max(now, self._leaves)
        waits = self._attention.ends if self._held is None else self._held
        ends = self._ends if self._warned else self._ends - WARNING
        return max(now, ends if waits is None else min(waits, ends))

    def act(self, now: float) -> Act | None:
        """Return what is to be done now, once."""
        if self._leaves is not None:
            return Act.HANG_UP if now >= self._leaves else None
        if self._held is not None and now >= self._held:
            return Act.HANG_UP
        if now >= self._ends:
            self._cut = True
            self._leave(now)
            return Act.CUT
        if now >= self._ends - WARNING and not self._warned:
            self._warned = True
            return Act.WARN
        return self._quiet(now) if self._held is None else None

    def _quiet(self, now: float) -> Act | None:
        if self._attention.ends is None or now < self._attention.ends:
            return None
        if self._asked:
            self._leave(now)
            return Act.LEAVE
        self._asked = True
        self._attention = Attention(self._silence, now)
        return Act.ASK

    def _leave(self, now: float) -> None:
        self._spoken = False
        self._leaves = now + FAREWELL
