"""When to send speech: close to when it is heard."""

LEAD = 0.1
"""Seconds by which speech is sent ahead of being heard. Ducking and stopping happen here, so all that is
ahead of the listener's ear is heard at the old volume; a Wi-Fi's usual hiccups are shorter."""


class Pacer:
    """Follows a listener who plays what arrives without a gap, and begins anew after one.

    Args:
        lead: seconds by which speech is sent ahead of being heard.
    """

    def __init__(self, lead: float = LEAD) -> None:
        self._lead = lead
        self._heard_until = 0.0

    def sent(self, seconds: float, now: float) -> float:
        """Note that `seconds` of speech were sent `now`; return the seconds to wait before sending more."""
        self._heard_until = max(self._heard_until, now) + seconds
        return max(0.0, self._heard_until - now - self._lead)

    def ahead(self, now: float) -> float:
        """Return the seconds of speech that were sent and are still to be heard."""
        return max(0.0, self._heard_until - now)

    def dropped(self) -> None:
        """The listener has thrown away what it had not yet played."""
        self._heard_until = 0.0
