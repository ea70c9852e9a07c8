"""How much somebody may send: so much at once, and so much a second. It has no clock of its own."""


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
        if self._at is not None:
            self._left = min(self._most, self._left + (now - self._at) * self._rate)
        self._at = now
        if amount > self._left:
            return False
        self._left -= amount
        return True
