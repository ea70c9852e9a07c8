"""Appointments, and how they are told. No input or output."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from tools.clock import spoken_time
from tools.days import Span, spoken_day

DAY_BEGINS, DAY_ENDS = time(8), time(21)
"""Between which people want to know when they are free."""
MOST_TOLD: Final = 6
_SHORT = frozenset({"the", "a", "an", "my", "our", "with", "at", "appointment", "meeting", "event", "to", "for", "of"})


@dataclass(frozen=True, slots=True)
class Appointment:
    """One appointment, or one occurrence of one that repeats."""

    id: str
    title: str
    starts: datetime
    ends: datetime
    all_day: bool = False
    place: str = ""
    repeats: bool = False
    handle: Any = None
    """What its calendar knows it by."""

    @property
    def data(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "title": self.title,
            "starts": self.starts.isoformat(timespec="minutes"),
            "ends": self.ends.isoformat(timespec="minutes"),
            "all_day": self.all_day,
            "place": self.place,
        }


def told(appointments: Sequence[Appointment], when: Span, now: datetime) -> str:
    """What is on the calendar in some days."""
    if not appointments:
        return f"There is nothing on the calendar {when.name}."
    begun = f"{when.name[:1].upper()}{when.name[1:]}"
    several = when.first != when.last
    named = [_named(each, now.date() if several else None) for each in appointments[:MOST_TOLD]]
    rest = len(appointments) - len(named)
    more = f", and {rest} more" if rest else ""
    if len(appointments) == 1:
        return f"{begun} there is {named[0]}."
    listed = f"{', '.join(named[:-1])}{',' if rest else ' and'} {named[-1]}"
    return f"{begun} there are {len(appointments)} appointments: {listed}{more}."


def told_one(appointment: Appointment, now: datetime) -> str:
    """When and where an appointment is, as what follows its name: "is on Tuesday at 9:00 AM"."""
    day = spoken_day(appointment.starts.date(), now.date())
    at = "" if appointment.all_day else f" at {spoken_time(appointment.starts)}"
    where = f", at {appointment.place}" if appointment.place else ""
    return f"is {day}{at}{where}"


def found(appointments: Sequence[Appointment], words: str) -> list[Appointment]:
    """Those that these words name; the words may be parts of the title or the place."""
    wanted = {word for word in _plain(words) if word not in _SHORT} or set(_plain(words))
    if not wanted:
        return []
    return [each for each in appointments if wanted <= {*_plain(each.title), *_plain(each.place)}]


def free(
    appointments: Sequence[Appointment], day: date, at_least: timedelta, now: datetime
) -> list[tuple[datetime, datetime]]:
    """The hours of a day that no appointment takes, from now on and each as long as asked for."""
    begins = max(datetime.combine(day, DAY_BEGINS, now.tzinfo), _rounded_up(now))
    ends = datetime.combine(day, DAY_ENDS, now.tzinfo)
    gaps: list[tuple[datetime, datetime]] = []
    for each in sorted(appointments, key=lambda one: one.starts):
        if each.all_day:
            continue
        if each.starts - begins >= at_least and each.starts > begins:
            gaps.append((begins, min(each.starts, ends)))
        begins = max(begins, each.ends)
    if ends - begins >= at_least:
        gaps.append((begins, ends))
    return [(start, end) for start, end in gaps if end - start >= at_least]


def told_free(gaps: Sequence[tuple[datetime, datetime]], name: str) -> str:
    """When somebody is free on a day."""
    if not gaps:
        return f"There is no time left {name}."
    parts = []
    for start, end in gaps[:3]:
        if start.time() <= DAY_BEGINS and end.time() >= DAY_ENDS:
            return f"The whole day is free {name}."
        if end.time() >= DAY_ENDS:
            parts.append(f"from {spoken_time(start)} on")
        elif start.time() <= DAY_BEGINS:
            parts.append(f"until {spoken_time(end)}")
        else:
            parts.append(f"from {spoken_time(start)} to {spoken_time(end)}")
    listed = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    return f"{name[:1].upper()}{name[1:]} you are free {listed}."


def _named(appointment: Appointment, today: date | None) -> str:
    at = ", all day" if appointment.all_day else f" at {spoken_time(appointment.starts)}"
    day = f" {spoken_day(appointment.starts.date(), today)}" if today is not None else ""
    return f"{appointment.title}{day}{at}"


def _rounded_up(now: datetime) -> datetime:
    """To the next quarter of an hour."""
    whole = now.replace(second=0, microsecond=0)
    return whole + timedelta(minutes=-whole.minute % 15)


def _plain(words: str) -> list[str]:
    return ["".join(filter(str.isalnum, word)) for word in words.lower().replace("'s", "").split()]
