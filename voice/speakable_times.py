"""Times of day and dates in English words."""

import re
from typing import Final

from voice.speakable_numbers import cardinal, ordinal, year

_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_MONTH_OF: Final = {name[:3]: name for name in _MONTHS}

MONTH: Final = (
    r"(Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?"
    r"|Nov(?:ember)?|Dec(?:ember)?)\b(?:\.(?!\s*$|\s+[A-Z]))?"
)
_TH = r"(?:st|nd|rd|th)?"
_ISO_DATE = re.compile(
    r"(?<![\w-])([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[T ]([0-9]{2}:[0-9]{2})(?::[0-9]{2}(?:\.[0-9]+)?)?(?:Z\b|[+-][0-9]{2}:?[0-9]{2})?)?(?![\w-])"
)
_NUMERIC_DATE = re.compile(r"(?<![\w/.])([0-9]{1,2})([/.])([0-9]{1,2})\2([0-9]{4}|[0-9]{2})(?![\w/]|\.[0-9])")
_SHORT_DATE = re.compile(
    r"\b((?:(?i:on|by|until|till|from|since|before|after)|Mon|Tues?|Wed|Thu|Fri|Sat|Sun|[A-Z][a-z]+day),? )"
    r"(1[0-2]|0?[1-9])/(3[01]|[12][0-9]|0?[1-9])(?![\w/])"
)
_MONTH_FIRST = re.compile(
    rf"\b{MONTH}\s([0-9]{{1,2}}){_TH}(?:\s?[-–—]\s?([0-9]{{1,2}}){_TH})?(?:,?\s([0-9]{{4}}))?(?![\w%°]|[:.,/][0-9])"
)
_DAY_FIRST = re.compile(rf"(?<![\w:.,-])(?:the\s)?([0-9]{{1,2}}){_TH}\s(?:of\s)?{MONTH}(?:,?\s([0-9]{{4}})(?!\w))?")
_MONTH_AND_YEAR = re.compile(rf"\b{MONTH}(?=,?\s(?:1[0-9]|20)[0-9]{{2}}\b)")

_HALF = r"(?:\s?([AaPp])[Mm]\b)"
_CLOCK = r"([01]?[0-9]|2[0-4]):([0-5][0-9])(?::([0-5][0-9]))?"
_DOTTED_HALF = re.compile(r"(?<=[0-9])\s?([AaPp])\.\s?[Mm]\b(?:\.(?=\s+[A-Z]|\s*$))?(\.)?")
_CLOCK_RANGE = re.compile(r"(?<=:[0-9]{2})(\s?[AaPp][Mm])?\s?[-–—]\s?(?=[0-9]{1,2}(?::[0-9]{2}|\s?[AaPp][Mm]))")
_HOUR_RANGE = re.compile(
    r"(?<![\w:.,/-])([0-9]{1,2}(?:\s?[AaPp][Mm])?)\s?[-–—]\s?(?=[0-9]{1,2}(?::[0-9]{2})?\s?[AaPp][Mm]\b)"
)
_TIME = re.compile(rf"(?<![\w:.,]){_CLOCK}{_HALF}?(?![\w:]|\.[0-9])")
_HOUR = re.compile(rf"(?<![\w:.,])([0-9]{{1,2}}){_HALF}")
_RATIO = re.compile(r"(?<![\w:.,])([0-9]{1,3}):([0-9]{1,3})(?![\w:])")


def times_in_words(text: str) -> str:
    """Replace times of day by words; 24-hour times become what a clock with hands shows."""
    text = _DOTTED_HALF.sub(_join_half, text)
    text = _CLOCK_RANGE.sub(lambda m: f"{m[1] or ''} to ", text)
    text = _HOUR_RANGE.sub(r"\1 to ", text)
    text = _TIME.sub(_time, text)
    text = _HOUR.sub(lambda m: f"{cardinal(int(m[1]))} {m[2].upper()}M", text)
    return _RATIO.sub(lambda m: f"{cardinal(int(m[1]))} to {cardinal(int(m[2]))}", text)


def dates_in_words(text: str) -> str:
    """Replace dates by words. A date with strokes is month/day, unless only day/month is possible."""
    text = _ISO_DATE.sub(_iso_date, text)
    text = _NUMERIC_DATE.sub(_numeric_date, text)
    text = _SHORT_DATE.sub(lambda m: m[1] + _date(m[0], None, int(m[2]), int(m[3])), text)
    text = _DAY_FIRST.sub(_day_first, text)
    text = _MONTH_FIRST.sub(_month_first, text)
    return _MONTH_AND_YEAR.sub(lambda m: _month(m[1]), text)


def _join_half(match: re.Match[str]) -> str:
    """Make "PM" of "p.m."; a period that also ends the sentence stays."""
    ends_sentence = match[0].endswith(".") and match[2] is None
    return f" {match[1].upper()}M" + ("." if ends_sentence else "")


def _time(match: re.Match[str]) -> str:
    hour, minute, second, half = int(match[1]), int(match[2]), match[3], match[4]
    if half is None and minute == 0 and hour in {0, 24}:
        return "midnight"
    if half is None:
        half = "P" if 13 <= hour < 24 else "A" if match[1].startswith("0") or hour == 24 else ""
    spoken = cardinal(hour % 12 or 12)
    if minute:
        spoken += f" oh {cardinal(minute)}" if minute < 10 else f" {cardinal(minute)}"
    elif not half:
        spoken += " o'clock"
    if second and int(second):
        spoken += f" and {cardinal(int(second))} second{'s' * (int(second) != 1)}"
    return f"{spoken} {half.upper()}M" if half else spoken


def _month(name: str) -> str:
    return _MONTH_OF[name[:3]]


def _date(written: str, year_number: int | None, month: int, day: int) -> str:
    """Say a date; one that cannot be stays as it was written."""
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return written
    spoken = f"{_MONTHS[month - 1]} {ordinal(day)}"
    return spoken if year_number is None else f"{spoken}, {year(year_number)}"


def _iso_date(match: re.Match[str]) -> str:
    spoken = _date(match[0], int(match[1]), int(match[2]), int(match[3]))
    return f"{spoken} at {match[4]}" if match[4] and spoken != match[0] else spoken


def _numeric_date(match: re.Match[str]) -> str:
    first, second, year_number = int(match[1]), int(match[3]), int(match[4])
    if len(match[4]) == 2:
        year_number += 2000 if year_number < 70 else 1900
    is_day_first = match[2] == "." or first > 12
    month, day = (second, first) if is_day_first else (first, second)
    return _date(match[0], year_number, month, day)


def _month_first(match: re.Match[str]) -> str:
    if not 1 <= int(match[2]) <= 31:
        return match[0]
    spoken = f"{_month(match[1])} {ordinal(int(match[2]))}"
    if match[3]:
        spoken += f" to {ordinal(int(match[3]))}"
    return f"{spoken}, {year(int(match[4]))}" if match[4] else spoken


def _day_first(match: re.Match[str]) -> str:
    if not 1 <= int(match[1]) <= 31:
        return match[0]
    spoken = f"the {ordinal(int(match[1]))} of {_month(match[2])}"
    return f"{spoken}, {year(int(match[3]))}" if match[3] else spoken
