"""When what comes again is due next: on the wall's clock, whatever that does in between."""

from datetime import datetime, timedelta, tzinfo
from typing import Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

Repeat = Literal["daily", "weekdays", "weekends", "weekly"]
SPOKEN: Final = {
    "daily": "every day",
    "weekdays": "every weekday",
    "weekends": "every Saturday and Sunday",
    "weekly": "every week",
}
_DAYS: Final = {"daily": frozenset(range(7)), "weekdays": frozenset(range(5)), "weekends": frozenset({5, 6})}


def next_due(due: float, repeat: str, zone: tzinfo, now: float) -> float:
    """When it is due after `due`, and not before `now`; all in seconds since 1970.

    What was missed while the assistant was off is not made up for.
    """
    moment = datetime.fromtimestamp(due, zone)
    wall = moment.replace(tzinfo=None)
    wanted = _DAYS.get(repeat, frozenset({wall.weekday()}))
    days = max(1, int((now - due) // 86400))
    while True:
        following = wall + timedelta(days=days)
        again = following.replace(tzinfo=zone).timestamp()
        if following.weekday() in wanted and again > max(due, now):
            return again
        days += 1


def fits(moment: float, repeat: str | None, zone: tzinfo) -> bool:
    """Whether a first time is on a day on which it comes again."""
    return repeat is None or datetime.fromtimestamp(moment, zone).weekday() in _DAYS.get(repeat, frozenset(range(7)))


def zone_called(name: str) -> tzinfo:
    """The zone of this name; the system's where there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        system = datetime.now().astimezone().tzinfo
        assert system is not None
        return system
