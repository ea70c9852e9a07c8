"""The time and the date, here and elsewhere, and times of day as they are said."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta, tzinfo
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from tools.days import span
from tools.tool import Context, Effect, Failed, Result, Tool, TryAgain, tool
from tools.wording import begun

_TIME = re.compile(r"(?P<hour>\d{1,2})(?:[:.](?P<minute>\d{2}))?\s*(?P<half>[ap])?\.?m?\.?", re.IGNORECASE)
_HALF_SAID = re.compile(r"\d ?[ap]\.?m\b|morning|afternoon|evening|night")
_FROM_THE_HOUR = re.compile(r"(?P<minutes>\d{1,2})(?: minutes?)? (?P<side>past|to) (?P<hour>.+)")
_NUMBER_WORDS: Final = {
    word: number
    for number, word in enumerate("one two three four five six seven eight nine ten eleven twelve".split(), start=1)
} | {"fifteen": 15, "twenty five": 25, "twenty": 20, "thirty": 30, "forty five": 45, "forty": 40, "fifty": 50}
_NUMBER_WORD = re.compile(rf"\b({'|'.join(sorted(_NUMBER_WORDS, key=len, reverse=True))})\b")
_SPOKEN_TIMES: Final = (
    (r"^at ", ""), (r"(?<=[a-z])-(?=[a-z])", " "), (r"^noon$", "12:00"), (r"^midnight$", "0:00"),
    (r" ?o'? ?clock", ""), (r"^half past", "30 past"), (r"^(?:a )?quarter (?=past|to)", "15 "),
    (r" in the morning$", " am"), (r" (?:in the (?:afternoon|evening)|at night)$", " pm"),
)  # fmt: skip


class Clock:
    """Tells the time."""

    def tools(self) -> Sequence[Tool]:
        """What can be asked."""
        return [
            tool(self.get_time, effect=Effect.READ),
            tool(self.get_date, effect=Effect.READ),
            tool(self.days_until, effect=Effect.READ),
        ]

    async def get_time(self, context: Context, place: str | None = None) -> Result:
        """Tell what time it is.

        Args:
            place: a city, where it is not about here.
        """
        zone = zone_of(place) if place else context.zone
        now = datetime.now(zone)
        where = f" in {place.title()}" if place else ""
        return Result(f"It's {spoken_time(now)}{where}.", {"time": f"{now:%H:%M}", "zone": str(zone)})

    async def get_date(self, context: Context, day: str = "today", place: str | None = None) -> Result:
        """Tell what day it is.

        Args:
            day: which day is meant: today, tomorrow, a weekday, or a date such as december 25.
            place: a city, where it is not about here.
        """
        now = datetime.now(zone_of(place) if place else context.zone)
        then = span(day, now).first
        verb = "was" if then < now.date() else "is"
        name = begun(day if day in ("yesterday", "today", "tomorrow") else "that")
        said = f"{name} {verb} {then:%A}, {then:%B} {then.day}, {then.year}."
        return Result(said, {"date": f"{then:%Y-%m-%d}", "weekday": f"{then:%A}"})

    async def days_until(self, context: Context, day: str) -> Result:
        """Tell how many days there are until a day.

        Args:
            day: which: a weekday, a date such as december 25, or christmas.
        """
        now = datetime.now(context.zone)
        then = span(day, now).first
        away = (then - now.date()).days
        when = f"{then:%A}, {then:%B} {then.day}"
        near = {-1: f"That was yesterday, {when}.", 0: f"That is today, {when}.", 1: f"That is tomorrow, {when}."}
        weeks = f", exactly {away // 7} weeks," if away >= 14 and away % 7 == 0 else ""
        said = f"It's {away} days{weeks} until {when}." if away > 1 else f"That was {-away} days ago, {when}."
        return Result(near.get(away, said), {"days": away, "date": f"{then:%Y-%m-%d}"})


def spoken_time(moment: datetime) -> str:
    """A time of day as it is said in English: 2:05 PM."""
    return f"{moment.hour % 12 or 12}:{moment:%M} {'AM' if moment.hour < 12 else 'PM'}"


def time_of_day(said: str) -> time:
    """The time of day that these words name: 18:30, 6:30 pm, half past six. Raises `TryAgain` where they name none."""
    text = said.strip().lower()
    for words, meant in _SPOKEN_TIMES:
        text = re.sub(words, meant, text)
    text = _NUMBER_WORD.sub(lambda word: str(_NUMBER_WORDS[word[0]]), text)
    if (off := _FROM_THE_HOUR.fullmatch(text)) and (minutes := int(off["minutes"])) < 60:
        hour = time_of_day(off["hour"])
        if hour.minute == 0:
            shift = minutes if off["side"] == "past" else -minutes
            return (datetime.combine(datetime(2000, 1, 2, tzinfo=UTC), hour) + timedelta(minutes=shift)).time()
    match = _TIME.fullmatch(re.sub(r"^(\d{1,2}) (\d\d)\b", r"\1:\2", text))
    if match is None:
        raise TryAgain(f"{said!r} is no time of day: give it as 18:30 or 6:30 pm.")
    hours, minutes, half = int(match["hour"]), int(match["minute"] or 0), match["half"]
    if half and hours <= 12:
        hours = hours % 12 + (12 if half == "p" else 0)
    if hours > 23 or minutes > 59:
        raise TryAgain(f"{said!r} is no time of day: give it as 18:30 or 6:30 pm.")
    return time(hours, minutes)


def either_half(said: str) -> bool:
    """Whether these words may mean a time in the morning as well as one in the evening: 7:30, half past six."""
    text = said.strip().lower()
    return (
        not _HALF_SAID.search(text)
        and not text.startswith(("0", "noon", "midnight"))
        and 1 <= time_of_day(said).hour < 12
    )


def next_time(wanted: time, now: float, zone: tzinfo) -> float:
    """When a clock on the wall shows `wanted` next, in seconds since 1970 like `now`.

    An hour that comes twice when the clocks go back counts twice. One that is left out when they go forward is taken
    as if they had not: half past two is then half past three.
    """
    today = datetime.fromtimestamp(now, zone).date()
    for days in range(3):
        for fold in (0, 1):
            moment = datetime.combine(today + timedelta(days=days), wanted.replace(fold=fold), zone).timestamp()
            if moment > now:
                return moment
    raise Failed("Sorry, the clocks here make no sense to me.")


def zone_of(place: str) -> tzinfo:
    """The time zone that a city names. Raises `Failed` where none does."""
    if place.strip().lower() in ("utc", "gmt"):
        return UTC
    name = _zones().get(place.strip().lower())
    if name is None:
        raise Failed(f"Sorry, I don't know the time zone of {place}.")
    return ZoneInfo(name)


@cache
def _zones() -> dict[str, str]:
    """Cities by their name, as the time zone database has them."""
    return {name.rpartition("/")[2].replace("_", " ").lower(): name for name in sorted(available_timezones())}
