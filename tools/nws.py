"""Weather and warnings in the United States from the National Weather Service, which needs no key.

Its description is https://www.weather.gov/documentation/services-web-api.
"""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import groupby
from typing import Annotated, Final

from pydantic import AwareDatetime, BaseModel, Field, TypeAdapter

from tools.forecast import Day, Forecast, Hour, Now
from tools.places import KEPT, Place
from tools.service import Known, Service

FRESH: Final = 1200.0
ALERTS_FRESH: Final = 60.0
STALE: Final = 6 * 3600.0
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_KILOMETERS_A_MILE: Final = 1.609344


class _PointProperties(BaseModel):
    forecast: str
    forecastHourly: str  # noqa: N815 - its name
    timeZone: str = ""  # noqa: N815


class _Point(BaseModel):
    properties: _PointProperties


class _Quantity(BaseModel):
    value: Annotated[float, Field(ge=0, le=100)] | None = None


class _Period(BaseModel):
    startTime: AwareDatetime  # noqa: N815
    isDaytime: bool = True  # noqa: N815
    temperature: Annotated[float, Field(ge=-140, le=150)]
    temperatureUnit: str = "F"  # noqa: N815
    probabilityOfPrecipitation: _Quantity = _Quantity()  # noqa: N815
    windSpeed: str = ""  # noqa: N815
    shortForecast: str  # noqa: N815


class _PeriodsProperties(BaseModel):
    periods: Annotated[list[_Period], Field(min_length=1)]


class _Periods(BaseModel):
    properties: _PeriodsProperties


class _AlertProperties(BaseModel):
    id: str = ""
    event: str
    severity: str = "Unknown"
    headline: str | None = None
    ends: AwareDatetime | None = None
    expires: AwareDatetime | None = None
    status: str = "Actual"


class _Alert(BaseModel):
    properties: _AlertProperties


class _Alerts(BaseModel):
    features: list[_Alert]


_POINT: Final = TypeAdapter(_Point)
_PERIODS: Final = TypeAdapter(_Periods)
_ALERTS: Final = TypeAdapter(_Alerts)


@dataclass(frozen=True, slots=True)
class Alert:
    """A warning of the weather service."""

    id: str
    event: str
    """What it warns of: "Winter Storm Warning"."""
    severe: bool
    ends: datetime | None


class NationalWeather:
    """Asks the National Weather Service.

    Args:
        clock: seconds since 1970.
    """

    def __init__(self, service: Service, *, clock: Callable[[], float] = time.time) -> None:
        self._service = service
        self._clock = clock

    async def forecast(self, place: Place) -> Known[Forecast]:
        """What the weather will be. Raises `tools.service.Unwell`; `tools.service.NotThere` outside its country."""
        point = f"/points/{place.latitude:.4f},{place.longitude:.4f}"
        properties = (await self._service.json(_POINT, point, fresh=KEPT, stale=KEPT)).value.properties
        hourly = await self._service.json(_PERIODS, self._path(properties.forecastHourly), fresh=FRESH, stale=STALE)
        halves = await self._service.json(_PERIODS, self._path(properties.forecast), fresh=FRESH, stale=STALE)
        forecast = _forecast(hourly.value.properties.periods, halves.value.properties.periods)
        return Known(forecast, min(hourly.at, halves.at))

    async def alerts(self, place: Place) -> Known[Sequence[Alert]]:
        """The warnings that hold at a place now. Raises as `forecast`."""
        point = {"point": f"{place.latitude:.4f},{place.longitude:.4f}", "status": "actual"}
        known = await self._service.json(_ALERTS, "/alerts/active", point, fresh=ALERTS_FRESH, stale=ALERTS_FRESH)
        found = [each.properties for each in known.value.features]
        now = datetime.fromtimestamp(self._clock(), UTC)
        alerts = [
            Alert(each.id, each.event, each.severity in ("Severe", "Extreme"), each.ends or each.expires)
            for each in found
            if each.status == "Actual" and (each.ends or each.expires or now) >= now
        ]
        return Known(alerts, known.at)

    def _path(self, address: str) -> str:
        """Its own addresses come without ours where a proxy stands before it."""
        return re.sub(r"^https?://[^/]+", "", address)


def _forecast(periods: Sequence[_Period], halves: Sequence[_Period]) -> Forecast:
    zone = periods[0].startTime.tzinfo or UTC
    hours = [
        Hour(
            each.startTime,
            _celsius(each),
            _condition(each),
            each.probabilityOfPrecipitation.value,
            _wind(each.windSpeed),
        )
        for each in periods
    ]
    told: dict[date, str] = {}
    for half in halves:
        # The day's half says more about it than the night's.
        if half.isDaytime or half.startTime.date() not in told:
            told[half.startTime.date()] = _condition(half)
    days = [_day(day, list(group), told.get(day)) for day, group in groupby(hours, key=lambda hour: hour.at.date())]
    # What is expected of this hour is closer to here than what the next airport has measured.
    now = Now(hours[0].temperature, hours[0].condition, wind=hours[0].wind)
    return Forecast(zone, now, hours, days)


def _day(day: date, hours: Sequence[Hour], told: str | None) -> Day:
    temperatures = [hour.temperature for hour in hours]
    chances = [hour.chance for hour in hours if hour.chance is not None]
    winds = [hour.wind for hour in hours if hour.wind is not None]
    condition = told or hours[len(hours) // 2].condition
    chance, wind = max(chances, default=None), max(winds, default=None)
    return Day(day, min(temperatures), max(temperatures), condition, chance, wind)


def _condition(period: _Period) -> str:
    return re.sub(r"^((?:slight )?chance) ", r"a \1 of ", period.shortForecast.lower())


def _celsius(period: _Period) -> float:
    return (period.temperature - 32) * 5 / 9 if period.temperatureUnit.upper() == "F" else period.temperature


def _wind(text: str) -> float | None:
    """The higher speed of "5 to 10 mph", in kilometers an hour."""
    numbers = [float(number) for number in _NUMBER.findall(text)]
    if not numbers:
        return None
    return max(numbers) * (_KILOMETERS_A_MILE if "mph" in text.lower() else 1.0)
