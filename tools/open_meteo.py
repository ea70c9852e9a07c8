"""Weather everywhere from Open-Meteo: no key, 10,000 calls a day for private use, https://open-meteo.com/en/docs."""

from datetime import date, datetime
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, Field, TypeAdapter

from tools.forecast import Day, Forecast, Hour, Now
from tools.places import Place
from tools.service import Known, Service

FRESH: Final = 600.0
"""Seconds; its models are run every hour at most."""
STALE: Final = 6 * 3600.0
DAYS: Final = 16

_CONDITIONS: Final = {
    0: "clear", 1: "mostly clear", 2: "partly cloudy", 3: "overcast", 45: "foggy", 48: "foggy with rime",
    51: "light drizzle", 53: "drizzle", 55: "heavy drizzle", 56: "freezing drizzle", 57: "heavy freezing drizzle",
    61: "light rain", 63: "rain", 65: "heavy rain", 66: "freezing rain", 67: "heavy freezing rain",
    71: "light snow", 73: "snow", 75: "heavy snow", 77: "snow grains",
    80: "light rain showers", 81: "rain showers", 82: "violent rain showers", 85: "light snow showers",
    86: "heavy snow showers", 95: "thunderstorms", 96: "thunderstorms with hail", 99: "thunderstorms with heavy hail",
}  # fmt: skip
"""Codes of the WMO's table 4677, as far as Open-Meteo uses them."""

Celsius = Annotated[float, Field(ge=-95, le=65)]
Percent = Annotated[float, Field(ge=0, le=100)]
Speed = Annotated[float, Field(ge=0, le=500)]


class _Current(BaseModel):
    temperature_2m: Celsius
    weather_code: int
    apparent_temperature: Annotated[float, Field(ge=-120, le=80)] | None = None
    relative_humidity_2m: Percent | None = None
    wind_speed_10m: Speed | None = None


class _Hourly(BaseModel):
    time: list[datetime]
    temperature_2m: list[Celsius | None]
    weather_code: list[int | None]
    precipitation_probability: list[Percent | None]
    wind_speed_10m: list[Speed | None]


class _Daily(BaseModel):
    time: list[date]
    temperature_2m_min: list[Celsius | None]
    temperature_2m_max: list[Celsius | None]
    weather_code: list[int | None]
    precipitation_probability_max: list[Percent | None]
    wind_speed_10m_max: list[Speed | None]
    sunrise: list[datetime | None]
    sunset: list[datetime | None]


class _Answer(BaseModel):
    timezone: str
    current: _Current | None = None
    hourly: _Hourly
    daily: _Daily


_FORM: Final = TypeAdapter(_Answer)


class OpenMeteo:
    """Asks Open-Meteo for forecasts."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def forecast(self, place: Place) -> Known[Forecast]:
        """What the weather will be. Raises `tools.service.Unwell`, `tools.service.NotThere`."""
        params: dict[str, Any] = {
            "latitude": round(place.latitude, 4),
            "longitude": round(place.longitude, 4),
            "current": ",".join(_Current.model_fields),
            "hourly": ",".join(name for name in _Hourly.model_fields if name != "time"),
            "daily": ",".join(name for name in _Daily.model_fields if name != "time"),
            "timezone": "auto",
            "forecast_days": DAYS,
            "past_days": 1,
        }
        known = await self._service.json(_FORM, "/v1/forecast", params, fresh=FRESH, stale=STALE)
        return Known(_forecast(known.value), known.at)


def _forecast(answer: _Answer) -> Forecast:
    try:
        zone = ZoneInfo(answer.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        zone = ZoneInfo("UTC")
    current, hourly, daily = answer.current, answer.hourly, answer.daily
    now = None
    if current is not None:
        now = Now(
            current.temperature_2m,
            _condition(current.weather_code),
            current.apparent_temperature,
            current.wind_speed_10m,
            current.relative_humidity_2m,
        )
    # Columns of different lengths and gaps in them occur: only what is complete is used.
    hours = [
        Hour(at.replace(tzinfo=zone), temperature, _condition(code), chance, wind)
        for at, temperature, code, chance, wind in zip(
            hourly.time,
            hourly.temperature_2m,
            hourly.weather_code,
            hourly.precipitation_probability,
            hourly.wind_speed_10m,
            strict=False,
        )
        if temperature is not None and code is not None
    ]
    days = [
        Day(day, low, high, _condition(code), chance, wind, _local(sunrise, zone), _local(sunset, zone))
        for day, low, high, code, chance, wind, sunrise, sunset in zip(
            daily.time,
            daily.temperature_2m_min,
            daily.temperature_2m_max,
            daily.weather_code,
            daily.precipitation_probability_max,
            daily.wind_speed_10m_max,
            daily.sunrise,
            daily.sunset,
            strict=False,
        )
        if low is not None and high is not None and code is not None
    ]
    return Forecast(zone, now, hours, days)


def _local(moment: datetime | None, zone: ZoneInfo) -> datetime | None:
    return moment.replace(tzinfo=zone) if moment is not None else None


def _condition(code: int) -> str:
    return _CONDITIONS.get(code, "changeable")
