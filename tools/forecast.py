"""A weather forecast, whoever made it, and how it is told. Degrees Celsius, kilometers an hour, millimeters inside."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import Final, Literal

from tools.clock import spoken_time
from tools.days import Span, spoken_day
from tools.tool import Failed
from tools.wording import joined

LIKELY: Final = 50.0
"""Percent from which rain is expected."""
POSSIBLE: Final = 20.0
"""Percent from which it is worth a word."""
SOON: Final = timedelta(hours=3)
COLD: Final = 10.0
"""Degrees below which people want a coat."""
_MOST_DAYS: Final = 3
"""Days that are told one by one."""

About = Literal["weather", "rain", "snow", "temperature", "wind", "sun"]
Units = Literal["metric", "imperial"]


@dataclass(frozen=True, slots=True)
class Now:
    """The weather at this moment."""

    temperature: float
    condition: str
    feels: float | None = None
    wind: float | None = None
    humidity: float | None = None
    """Percent."""


@dataclass(frozen=True, slots=True)
class Hour:
    """The weather of an hour."""

    at: datetime
    temperature: float
    condition: str
    chance: float | None = None
    """Of rain or snow, in percent."""
    wind: float | None = None


@dataclass(frozen=True, slots=True)
class Day:
    """The weather of a day."""

    date: date
    low: float
    high: float
    condition: str
    chance: float | None = None
    wind: float | None = None
    sunrise: datetime | None = None
    sunset: datetime | None = None


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is known of the weather at a place."""

    zone: tzinfo
    now: Now | None
    hours: Sequence[Hour]
    days: Sequence[Day]

    def day(self, wanted: date) -> Day:
        """The weather of a day. Raises `Failed` where it is too far away."""
        for day in self.days:
            if day.date == wanted:
                return day
        if not self.days or wanted < self.days[0].date:
            raise Failed("Sorry, I only know the weather from today on.")
        raise Failed(f"Sorry, I only know the weather until {spoken_day(self.days[-1].date, self.days[0].date)}.")


class Teller:
    """Tells a forecast in the units of the household."""

    def __init__(self, units: Units) -> None:
        self._imperial = units == "imperial"

    def tell(self, forecast: Forecast, when: Span | None, about: About, place: str, now: datetime) -> str:
        """Answer a question about the weather of some days, or of now and today where they are None."""
        if about == "sun":
            return self._sun(forecast, when.first if when else now.date(), now)
        if when is not None and when.first != when.last:
            return self._days(forecast, when, about, place, now.date())
        if about in ("rain", "snow"):
            return self._wet(forecast, when, about, place, now)
        if when is None:
            return self._now(forecast, about, place, now)
        if when.part:
            return self._part(forecast, when, about, place)
        return self._day(forecast.day(when.first), when, about, place)

    def degrees(self, celsius: float) -> int:
        """A temperature as the household counts it."""
        return round(celsius * 9 / 5 + 32 if self._imperial else celsius)

    def speed(self, wind: float) -> str:
        """A speed of the wind."""
        return f"{round(wind / 1.609344)} miles an hour" if self._imperial else f"{round(wind)} kilometers an hour"

    def _now(self, forecast: Forecast, about: About, place: str, now: datetime) -> str:
        today, current = forecast.day(now.date()), forecast.now
        if current is None:
            return self._day(today, Span(today.date, today.date, name="today"), about, place)
        degrees = self.degrees(current.temperature)
        if about == "wind":
            blows = f"It's blowing at {self.speed(current.wind)} in {place}. " if current.wind is not None else ""
            return f"{blows}{self._day(today, Span(today.date, today.date, name='today'), about, place)}"
        feels = ""
        if current.feels is not None and abs(current.feels - current.temperature) >= 3:
            feels = f", and feels like {self.degrees(current.feels)}"
        if about == "temperature":
            return f"It's {degrees} degrees in {place}{feels}."
        later = f"Today it gets up to {self.degrees(today.high)} degrees{_chance(today.chance)}."
        return f"It's {degrees} degrees and {current.condition} in {place}{feels}. {later}"

    def _day(self, day: Day, when: Span, about: About, place: str) -> str:
        begun = f"{when.name[:1].upper()}{when.name[1:]}"
        between = f"between {self.degrees(day.low)} and {self.degrees(day.high)} degrees"
        if about == "temperature":
            return f"{begun} it will be {between} in {place}."
        if about == "wind":
            if day.wind is None:
                raise Failed("Sorry, I don't know about the wind then.")
            return f"{begun} the wind in {place} blows at up to {self.speed(day.wind)}."
        return f"{begun} in {place}: {day.condition}, {between}{_chance(day.chance)}."

    def _part(self, forecast: Forecast, when: Span, about: About, place: str) -> str:
        hours = _within(forecast, when)
        if not hours:
            return self._day(forecast.day(when.first), when, about, place)
        begun = f"{when.name[:1].upper()}{when.name[1:]}"
        low, high = min(hour.temperature for hour in hours), max(hour.temperature for hour in hours)
        around = f"between {self.degrees(low)} and {self.degrees(high)} degrees"
        if self.degrees(low) == self.degrees(high):
            around = f"about {self.degrees(low)} degrees"
        if about == "temperature":
            return f"{begun} it will be {around} in {place}."
        if about == "wind" and (winds := [hour.wind for hour in hours if hour.wind is not None]):
            return f"{begun} the wind in {place} blows at up to {self.speed(max(winds))}."
        return f"{begun} in {place}: {_usual(hours)}, {around}{_chance(_highest(hours))}."

    def _days(self, forecast: Forecast, when: Span, about: About, place: str, today: date) -> str:
        days = [forecast.day(when.first)]
        days += [day for day in forecast.days if when.first < day.date <= when.last]
        if about in ("rain", "snow"):
            wet = [day for day in days if _falls(day, about)]
            if not wet:
                return f"No, no {about} is expected in {place} {when.name}."
            named = joined([spoken_day(day.date, today) for day in wet])
            return f"Yes, {about} is likely in {place} {named}."
        if len(days) <= _MOST_DAYS and about == "weather":
            told = [
                f"{spoken_day(day.date, today).removeprefix('on ')}: {day.condition}, "
                f"{self.degrees(day.low)} to {self.degrees(day.high)} degrees"
                for day in days
            ]
            return f"In {place}, {'; '.join(told)}."
        low, high = min(day.low for day in days), max(day.high for day in days)
        begun = f"{when.name[:1].upper()}{when.name[1:]}"
        said = f"{begun} in {place} it will be between {self.degrees(low)} and {self.degrees(high)} degrees"
        wet = [day for day in days if day.chance is not None and day.chance >= LIKELY]
        return (
            f"{said}, with rain likely {joined([spoken_day(day.date, today) for day in wet])}." if wet else f"{said}."
        )

    def _wet(self, forecast: Forecast, when: Span | None, about: About, place: str, now: datetime) -> str:
        if when is None or (when.first == now.date() and not when.part):
            when = Span(now.date(), now.date(), now.time().replace(minute=0, second=0, microsecond=0), name="today")
        hours = _within(forecast, when)
        if not hours:
            day = forecast.day(when.first)
            hours = [Hour(datetime.combine(day.date, when.begins, forecast.zone), day.high, day.condition, day.chance)]
        wet = [hour for hour in hours if _falls(hour, about)]
        if (
            about == "rain"
            and forecast.now is not None
            and when.first == now.date()
            and _is_wet(forecast.now.condition)
        ):
            return f"Yes, it's {forecast.now.condition} in {place} right now."
        if wet:
            chance = _highest(wet)
            certainty = f", with {_percent(chance)} chance" if chance is not None else ""
            from_ = f" from about {spoken_time(wet[0].at)}" if len(hours) > len(wet) and wet[0].at > now else ""
            return f"Yes, {about} is likely in {place} {when.name}{from_}{certainty}."
        chance = _highest(hours)
        if about == "rain" and chance is not None and chance >= POSSIBLE:
            return f"Probably not: there is {_percent(chance)} chance of rain in {place} {when.name}."
        return f"No, no {about} is expected in {place} {when.name}."

    def _sun(self, forecast: Forecast, wanted: date, now: datetime) -> str:
        day = forecast.day(wanted)
        if day.sunrise is None or day.sunset is None:
            raise Failed("Sorry, I don't know when the sun rises there.")
        name = spoken_day(wanted, now.date())
        rises = "rose" if day.sunrise < now else "rises"
        sets = "set" if day.sunset < now else "sets"
        return f"The sun {rises} at {spoken_time(day.sunrise)} and {sets} at {spoken_time(day.sunset)} {name}."


def _within(forecast: Forecast, when: Span) -> list[Hour]:
    return [
        hour
        for hour in forecast.hours
        if when.first <= hour.at.date() <= when.last and when.begins <= hour.at.time() <= when.ends
    ]


def _is_wet(condition: str) -> bool:
    return any(word in condition.lower() for word in ("rain", "drizzle", "shower", "storm"))


def _falls(one: Hour | Day, about: About) -> bool:
    snows = "snow" in one.condition.lower() or "flurries" in one.condition.lower()
    if about == "snow":
        return snows and (one.chance is None or one.chance >= POSSIBLE)
    return one.chance >= LIKELY if one.chance is not None else _is_wet(one.condition)


def _highest(hours: Sequence[Hour]) -> float | None:
    return max((hour.chance for hour in hours if hour.chance is not None), default=None)


def _usual(hours: Sequence[Hour]) -> str:
    """What most hours are like."""
    conditions = [hour.condition for hour in hours]
    return max(conditions, key=conditions.count)


def _chance(percent: float | None) -> str:
    if percent is None or percent < POSSIBLE:
        return ""
    return f", with {_percent(percent)} chance of rain"


def _percent(share: float) -> str:
    said = str(round(share))
    return f"{'an' if said.startswith('8') or said in ('11', '18') else 'a'} {said} percent"
