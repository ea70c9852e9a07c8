"""Times that are over, as people name them: last night, yesterday, this morning, last week. No input or output."""

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final

from tools.days import WEEKDAYS, span
from tools.tool import Failed, TryAgain

LONGEST: Final = timedelta(days=366)
_NIGHT: Final = time(21), time(7)
_UNITS: Final = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "month": timedelta(days=30),
}
_LAST: Final = re.compile(r"(?:in |over |for )?(?:the )?(?:last|past) (?:(\d+) )?(hour|day|week|month)s?")


@dataclass(frozen=True, slots=True)
class Past:
    """From one moment to another, which is now at the latest."""

    starts: datetime
    ends: datetime
    name: str
    """As it is said in the middle of a sentence: "last night", "in the last 3 hours"."""


def past(words: str, now: datetime) -> Past:
    """The time that is meant, before now. Raises `TryAgain` where it is none, `Failed` where it is still to come."""
    said = " ".join(words.lower().split()).strip(" .?")
    if said == "last night":
        evening = now.date() - timedelta(days=1)
        ends = datetime.combine(now.date(), _NIGHT[1], now.tzinfo)
        return Past(datetime.combine(evening, _NIGHT[0], now.tzinfo), min(ends, now), "last night")
    if found := _LAST.fullmatch(said):
        count, unit = int(found[1] or 1), found[2]
        length = LONGEST if count > LONGEST.days * 24 else min(count * _UNITS[unit], LONGEST)
        several = f"{count} {unit}s" if count > 1 else unit
        return Past(now - length, now, f"in the last {several}")
    day = said.removeprefix("on ").removeprefix("last ")
    weekday, _, part = day.partition(" ")
    if weekday in WEEKDAYS:
        # What was on Monday is asked about the Monday before, also on a Monday.
        ago = (now.weekday() - WEEKDAYS.index(weekday)) % 7 or 7
        date = (now - timedelta(days=ago)).date()
        days = span(f"{date.isoformat()} {part}".strip(), now)
        name = f"last {weekday.capitalize()}{f' {part}' if part else ''}"
    else:
        days = span(day, now)
        name = days.name
    starts = datetime.combine(days.first, days.begins, now.tzinfo)
    if starts > now:
        raise Failed("That is still to come.")
    ends = datetime.combine(days.last, days.ends, now.tzinfo)
    if now - starts > LONGEST:
        raise TryAgain("That is more than a year ago: give a later time.")
    return Past(starts, min(ends, now), name)
