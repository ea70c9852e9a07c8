"""How much somebody may send: so much at once, and so much a second. It has no clock of its own."""

from typing import Final

from loguru import logger

FASTEST: Final = 1.25
"""Times real time that a device may send sound for as long as it likes: no clock is so wrong …"""
AT_ONCE: Final = 15.0
"""… and seconds of it that may come at once, after a stall."""


class Allowance:
    """A token bucket.

    Args:
        rate: what comes back a second.
        most: what may be spent at once.
    """

    def __init__(self, rate: float, most: float) -> None:
        self._rate = rate
        self._most = most
        self._left = most
        self._at: float | None = None

    def spend(self, amount: float, now: float) -> bool:
        """Spend, or tell that there is not enough and spend nothing."""
        self._refill(now)
        if amount > self._left:
            return False
        self._left -= amount
        return True

    def owe(self, amount: float, now: float) -> float:
        """Spend, be there enough or not; returns the seconds after which there will have been."""
        self._refill(now)
        self._left -= amount
        return max(0.0, -self._left / self._rate)

    def _refill(self, now: float) -> None:
        if self._at is not None:
            self._left = min(self._most, self._left + (now - self._at) * self._rate)
        self._at = now


class SoundAllowance:
    """How much sound a device may send: no more than there can be, or it would cost the others their time.

    Args:
        device: for the log, which is told once.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self._allowance = Allowance(FASTEST, AT_ONCE)
        self._told = False

    def takes(self, seconds: float, now: float) -> bool:
        """Tell whether a piece of sound is taken; otherwise it is to be dropped."""
        if self._allowance.spend(seconds, now):
            return True
        if not self._told:
            self._told = True
            logger.warning("{} sends sound faster than there can be any; some is dropped", self._device)
        return False
