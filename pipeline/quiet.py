"""When the house holds its tongue: quiet hours of everybody, and whoever does not want to be disturbed for a while."""

import re
import time
from collections.abc import Callable
from datetime import datetime, tzinfo
from datetime import time as time_of_day

from loguru import logger

_HOURS = re.compile(r"(\d{1,2}):(\d{2}) ?(?:-|–|to) ?(\d{1,2}):(\d{2})")


class QuietHours:
    """A part of each day, which may go over midnight.

    Args:
        words: such as "22:00-07:00"; raises `ValueError` where they are no hours.
    """

    def __init__(self, words: str) -> None:
        found = _HOURS.fullmatch(words.strip())
        if found is None:
            raise ValueError("has to be two times of day, such as 22:00-07:00")
        self.begins, self.ends = time_of_day(int(found[1]), int(found[2])), time_of_day(int(found[3]), int(found[4]))

    def hold(self, now: time_of_day) -> bool:
        """Whether it is quiet at this time of day."""
        if self.begins <= self.ends:
            return self.begins <= now < self.ends
        return now >= self.begins or now < self.ends


class Quiet:
    """Knows where nothing is to be said that can wait.

    Args:
        now: seconds since 1970.
    """

    def __init__(
        self, hours: QuietHours | None, *, zone: Callable[[], tzinfo], now: Callable[[], float] = time.time
    ) -> None:
        self._hours = hours
        self._zone = zone
        self._now = now
        self._until: dict[str, float] = {}
        self._own: dict[str, QuietHours] = {}

    @property
    def everywhere(self) -> bool:
        """Whether these are quiet hours."""
        return self._hours is not None and self._now_in(self._hours)

    def _now_in(self, hours: QuietHours) -> bool:
        return hours.hold(datetime.fromtimestamp(self._now(), self._zone()).time())

    @property
    def anywhere(self) -> bool:
        """Whether somebody has said that they are not to be disturbed, wherever that was."""
        return any(self._now() < until for until in self._until.values())

    def at(self, device: str) -> bool:
        """Whether nothing is to be said at a device."""
        own = self._own.get(device)
        return self.everywhere or self._now() < self._until.get(device, 0.0) or (own is not None and self._now_in(own))

    def keep(self, device: str, hours: str | None) -> None:
        """Have a device keep hours of its own, beside everybody's; None ends that."""
        self._own.pop(device, None)
        if hours is not None:
            try:
                self._own[device] = QuietHours(hours)
            except ValueError as error:
                logger.warning(f"the quiet hours of {device} are left out: {hours!r} {error}")

    def hush(self, device: str, seconds: float) -> None:
        """Say nothing there for so long; 0 ends it."""
        self._until[device] = self._now() + seconds
        if seconds <= 0:
            del self._until[device]
