"""Days as people name them: today, tomorrow, Sunday, the weekend, the third of May."""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

from tools.tool import TryAgain

WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS: Final = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
_NEAR: Final = {"yesterday": -1, "today": 0, "tomorrow": 1, "the day after tomorrow": 2, "day after tomorrow": 2}
_PARTS: Final = {
    "night": (time(21), time(23, 59)),
    "morning": (time(6), time(12)),
    "noon": (time(11), time(14)),
    "afternoon": (time(12), time(18)),
    "evening": (time(17), time(23)),
}
_PART = re.compile(r"(?:^|\s)(?:in the |at )?(night|morning|noon|afternoon|evening)$")
_MONTH_DAY = re.compile(rf"({'|'.join(_MONTHS)}) (\d{{1,2}})(?:st|nd|rd|th)?(?:,? (\d{{4}}))?")
_DAY_MONTH = re.compile(rf"(\d{{1,2}})(?:st|nd|rd|th)? (?:of )?({'|'.join(_MONTHS)})(?:,? (\d{{4}}))?")
_BEFORE_A_DAY = re.compile(r"^(?:on|for|this coming|the coming|coming)\s+")
_FEASTS: Final = {
    "christmas": (12, 25), "christmas day": (12, 25), "christmas eve": (12, 24), "boxing day": (12, 26),
    "new year": (1, 1), "new years": (1, 1), "new years day": (1, 1), "new year day": (1, 1), "new years eve": (12, 31),
    "new year eve": (12, 31), "halloween": (10, 31), "valentine day": (2, 14), "valentines day": (2, 14),
}  # fmt: skip
"""Without their apostrophes."""
_EXPECTED: Final = "give it as today, tomorrow, a weekday, weekend, or a date such as 2026-05-03"


@dataclass(frozen=True, slots=True)
class Span:
    """Days, or a part of one, in the time of the place that they are about."""

    first: date
    last: date
    begins: time = time(0)
    ends: time = time(23, 59, 59)
    name: str = ""
    """As it is said in the middle of a sentence: "tomorrow", "on Sunday"."""

    @property
    def part(self) -> bool:
        """Whether it is a part of one day."""
        return self.begins > time(0) or self.ends < time(23, 59)


def span(words: str, now: datetime) -> Span:
    """The days that these words name, from today on unless they say otherwise.

    Raises `TryAgain` where they name none, or a date that does not exist.
    """
    said = " ".join(words.lower().replace("'s", "").split()).strip(" .?")
    said = _BEFORE_A_DAY.sub("", said)
    said = re.sub(r"^the (?=\d)", "", said)
    said = {"tonight": "today night", "this weekend": "weekend", "the weekend": "weekend"}.get(said, said)
    said = re.sub(r"^this (?=night|morning|noon|afternoon|evening)", "today ", said)
    part = _PART.search(said)
    day = said[: part.start()].strip() if part else said
    if part and not day:
        day = "today"
    first, last = _days(day, now.date(), words)
    begins, ends = _PARTS[part[1]] if part else (time(0), time(23, 59, 59))
    return Span(first, last, begins, ends, _name(first, last, part[1] if part else None, now.date(), day))


def day_at(words: str, at: time, now: datetime) -> datetime:
    """A time of day on the day that these words name: "Friday" is next week's once its time has passed today.

    Raises `TryAgain` where they name no day.
    """
    day = span(words, now).first
    moment = datetime.combine(day, at, now.tzinfo)
    weekday = _BEFORE_A_DAY.sub("", words.lower().strip()) in WEEKDAYS
    return moment + timedelta(days=7) if weekday and moment <= now else moment


def spoken_day(day: date, today: date) -> str:
    """A day as it is said in the middle of a sentence: "today", "on Sunday", "on May 3"."""
    away = (day - today).days
    if away in (-1, 0, 1):
        return {-1: "yesterday", 0: "today", 1: "tomorrow"}[away]
    if 1 < away < 7:
        return f"on {day:%A}"
    year = f", {day.year}" if abs(away) > 300 else ""
    return f"on {day:%A}, {day:%B} {day.day}{year}"


def _days(said: str, today: date, words: str) -> tuple[date, date]:
    if said in _NEAR:
        day = today + timedelta(days=_NEAR[said])
        return day, day
    if said in ("weekend", "next weekend"):
        saturday = today + timedelta(days=(5 - today.weekday()) % 7)
        saturday = today - timedelta(days=1) if today.weekday() == 6 else saturday
        saturday += timedelta(days=7 if said.startswith("next") else 0)
        return max(saturday, today), saturday + timedelta(days=1)
    if said in ("week", "this week", "the week", "next days", "the next days", "next few days", "the next few days"):
        return today, today + timedelta(days=6)
    if said == "next week":
        monday = today + timedelta(days=7 - today.weekday())
        return monday, monday + timedelta(days=6)
    name, following = (said[5:], True) if said.startswith("next ") else (said.removeprefix("this "), False)
    if name in WEEKDAYS:
        away = (WEEKDAYS.index(name) - today.weekday()) % 7
        # "Next Monday" is never today; which week it means otherwise, people do not agree on.
        day = today + timedelta(days=away or (7 if following else 0))
        return day, day
    day = _date(said, today, words)
    return day, day


def _date(said: str, today: date, words: str) -> date:
    try:
        if said.replace("'", "") in _FEASTS:
            return _next_date(*_FEASTS[said.replace("'", "")], today)
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", said):
            return date.fromisoformat(said)
        if found := _MONTH_DAY.fullmatch(said):
            month, day, year = _MONTHS.index(found[1]) + 1, int(found[2]), found[3]
        elif found := _DAY_MONTH.fullmatch(said):
            month, day, year = _MONTHS.index(found[2]) + 1, int(found[1]), found[3]
        else:
            raise TryAgain(f"{words!r} is no day: {_EXPECTED}.")
        if year:
            return date(int(year), month, day)
        return _next_date(month, day, today)
    except (ValueError, OverflowError):
        raise TryAgain(f"{words!r} does not exist in the calendar: {_EXPECTED}.") from None


def _next_date(month: int, day: int, today: date) -> date:
    """The next such date; the 29th of February may be some years away."""
    for year in range(today.year, today.year + 9):
        try:
            found = date(year, month, day)
        except ValueError:
            continue
        if found >= today:
            return found
    raise ValueError("no year has it")


def _name(first: date, last: date, part: str | None, today: date, said: str) -> str:
    if part:
        name = spoken_day(first, today)
        if name == "today":
            return "tonight" if part == "night" else f"this {part}"
        return f"{name} {'at ' if part in ('night', 'noon') else ''}{part}"
    if first != last:
        return {"weekend": "this weekend", "week": "this week", "the week": "this week"}.get(said, said)
    return spoken_day(first, today)
