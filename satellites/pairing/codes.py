"""The code that a device in the house shows and another one types to come in. No input or output."""

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

DIGITS: Final = 6
SECONDS: Final = 300.0
"""How long a code holds."""
MOST_GUESSES: Final = 5
"""Wrong ones that end a code: a guesser's chance is then five in a million."""


class Redeemed(StrEnum):
    """What became of a code that somebody typed."""

    RIGHT = "right"
    WRONG = "wrong"
    ENDED = "ended"
    """There is none to be typed: it is used, too old, or was guessed at too often."""


@dataclass(slots=True)
class _Code:
    digits: str
    until: float
    owner: bool
    guesses: int = 0


class Codes:
    """One code at a time, for one device, for five minutes."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._code: _Code | None = None

    def make(self, *, owner: bool = False) -> str:
        """Show a new code, for a device of an owner or of anybody; one that was shown before ends."""
        digits = f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"
        self._code = _Code(digits, self._clock() + SECONDS, owner)
        return digits

    @property
    def for_owner(self) -> bool:
        """Whether the code that is shown is for a device of an owner."""
        return self._code is not None and self._code.owner

    def redeem(self, typed: str) -> Redeemed:
        """Take what somebody typed, with whatever is between the digits."""
        code = self._code
        if code is None or self._clock() >= code.until:
            self._code = None
            return Redeemed.ENDED
        digits = "".join(filter(str.isdecimal, typed))
        if hmac.compare_digest(digits.encode(), code.digits.encode()):
            self._code = None
            return Redeemed.RIGHT
        code.guesses += 1
        if code.guesses >= MOST_GUESSES:
            self._code = None
        return Redeemed.WRONG
