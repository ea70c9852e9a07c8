"""The time and the date, here and elsewhere."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from typing import Literal
from zoneinfo import ZoneInfo, available_timezones

from tools.tool import Context, Effect, Failed, Result, Tool, tool


class Clock:
    """Tells the time."""

    def tools(self) -> Sequence[Tool]:
        """What can be asked."""
        return [tool(self.get_time, effect=Effect.READ), tool(self.get_date, effect=Effect.READ)]

    async def get_time(self, context: Context, place: str | None = None) -> Result:
        """Tell what time it is.

        Args:
            place: a city, where it is not about here.
        """
        zone = zone_of(place) if place else context.zone
        now = datetime.now(zone)
        where = f" in {place.title()}" if place else ""
        return Result(f"It's {spoken_time(now)}{where}.", {"time": f"{now:%H:%M}", "zone": str(zone)})

    async def get_date(
        self, context: Context, day: Literal["yesterday", "today", "tomorrow"] = "today", place: str | None = None
    ) -> Result:
        """Tell what day it is.

        Args:
            day: which day is meant.
            place: a city, where it is not about here.
        """
        then = datetime.now(zone_of(place) if place else context.zone)
        then += timedelta(days={"yesterday": -1, "today": 0, "tomorrow": 1}[day])
        verb = {"yesterday": "was", "today": "is", "tomorrow": "is"}[day]
        said = f"{day.capitalize()} {verb} {then:%A}, {then:%B} {then.day}, {then.year}."
        return Result(said, {"date": f"{then:%Y-%m-%d}", "weekday": f"{then:%A}"})


def spoken_time(moment: datetime) -> str:
    """A time of day as it is said in English: 2:05 PM."""
    return f"{moment.hour % 12 or 12}:{moment:%M} {'AM' if moment.hour < 12 else 'PM'}"


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
