"""The weather: now, by the hour, for the next days, here and elsewhere; and warnings of it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, tzinfo
from typing import Any, Final, Protocol

from loguru import logger

from tools.clock import spoken_time
from tools.days import Span, span
from tools.forecast import About, Forecast, Now, Teller, Units
from tools.measured import Keep, Measured
from tools.nws import Alert, NationalWeather
from tools.places import Place, Places
from tools.service import Known, NotThere, Unwell, spoken_age
from tools.tool import Context, Effect, Failed, Result, Tool, TryAgain, tool

LOOK_SECONDS: Final = 900.0
"""Between two looks at the household's own weather, which is kept, and at its warnings."""
MOST_ALERTS: Final = 3
_STATES: Final = "US"
_NEAR_DAYS: Final = 6
"""Days that the National Weather Service knows."""
_NOWS: Final = frozenset({"now", "right now", "currently", "at the moment", "soon", "today and now"})


class Source(Protocol):
    """Who makes forecasts. Raises `Unwell` and `NotThere`."""

    async def forecast(self, place: Place) -> Known[Forecast]:
        """What the weather will be at a place."""


class Weather:
    """Answers questions about the weather.

    Args:
        everywhere: forecasts for all the world.
        states: forecasts and warnings for the United States, preferred there; None leaves them out.
        on_measured: told of the household's own weather every quarter of an hour.
        on_alert: told of each severe warning that begins to hold for the household.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        places: Places,
        everywhere: Source,
        states: NationalWeather | None,
        *,
        units: Units = "metric",
        on_measured: Keep | None = None,
        on_alert: Callable[[str], Awaitable[None]] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._places = places
        self._everywhere = everywhere
        self._states = states
        self._teller = Teller(units)
        self._on_measured = on_measured
        self._on_alert = on_alert
        self._clock = clock
        self._told: set[str] = set()

    def tools(self) -> Sequence[Tool]:
        """What can be asked."""
        alerts = [] if self._states is None else [tool(self.weather_alerts, effect=Effect.READ)]
        return [tool(self.get_weather, effect=Effect.READ), *alerts]

    async def get_weather(
        self, context: Context, place: str | None = None, when: str | None = None, about: About = "weather"
    ) -> Result:
        """Tell the weather, now or on the next days.

        Args:
            place: a town, where it is not about here.
            when: today, tonight, tomorrow, a weekday, weekend, tomorrow morning or a date; leave it out for now.
            about: what exactly is asked; sun is for sunrise and sunset.
        """
        there = await self._place(place)
        known, source = await self._forecast(there, farther=about == "sun" or _is_far(when, self._now(context.zone)))
        forecast = known.value
        now = self._now(forecast.zone)
        wanted = None if when is None or when.strip().lower() in _NOWS else span(when, now)
        name = there.told or there.name
        said = self._teller.tell(forecast, wanted, about, name, now)
        age = spoken_age(known.at, now.timestamp(), from_=1800)
        if age:
            said = f"{age}this was the forecast. {said}"
        return Result(said, self._data(forecast, wanted, there, now) | {"source": source, "as_of": _moment(known.at)})

    async def weather_alerts(self, context: Context, place: str | None = None) -> Result:
        """Tell which official weather warnings hold; only in the United States.

        Args:
            place: a town, where it is not about here.
        """
        assert self._states is not None
        there = await self._place(place)
        name = there.told or there.name
        try:
            alerts = (await self._states.alerts(there)).value
        except NotThere:
            raise Failed("Sorry, I only know the warnings of the United States.") from None
        if not alerts:
            return Result(f"There are no weather warnings for {name}.", {"alerts": []})
        told = "; ".join(_warning(alert, context.zone) for alert in alerts[:MOST_ALERTS])
        return Result(
            f"For {name}: {told}.", {"alerts": [asdict(alert) | {"ends": str(alert.ends)} for alert in alerts]}
        )

    async def run(self) -> None:
        """Look at the household's own weather and its warnings, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(60):
                    await self.look()
            except (Failed, NotThere, TimeoutError) as error:
                logger.debug(f"the weather here is looked at later: {error}")
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Keep what the weather is here, and tell of warnings that are new. Raises `Failed`, `NotThere`."""
        here = await self._places.here()
        if self._on_measured is not None:
            measured = (await self._forecast(here))[0].value.now
            if measured is not None:
                await self._on_measured(_measurements(measured))
        if self._on_alert is not None and self._states is not None and here.country in ("", _STATES):
            for alert in (await self._states.alerts(here)).value:
                if alert.severe and alert.id not in self._told:
                    self._told.add(alert.id)
                    warning = _warning(alert, alert.ends.tzinfo if alert.ends else None)
                    await self._on_alert(f"A weather warning for {here.name}: {warning}.")

    def _data(self, forecast: Forecast, wanted: Span | None, place: Place, now: datetime) -> dict[str, Any]:
        """The same in numbers, as the household counts degrees."""
        first, last = (wanted.first, wanted.last) if wanted else (now.date(), now.date())
        days = [day for day in forecast.days if first <= day.date <= last]
        chances = [round(day.chance) for day in days if day.chance is not None]
        data: dict[str, Any] = {
            "place": place.told or place.name,
            "low": min((self._teller.degrees(day.low) for day in days), default=None),
            "high": max((self._teller.degrees(day.high) for day in days), default=None),
            "chance_of_rain": max(chances, default=None),
            "days": [
                {
                    "date": str(day.date),
                    "low": self._teller.degrees(day.low),
                    "high": self._teller.degrees(day.high),
                    "condition": day.condition,
                    "chance_of_rain": day.chance,
                }
                for day in days
            ],
        }
        if wanted is None and forecast.now is not None:
            data["temperature"] = self._teller.degrees(forecast.now.temperature)
        return data

    def _now(self, zone: tzinfo) -> datetime:
        return datetime.fromtimestamp(self._clock(), zone)

    async def _place(self, said: str | None) -> Place:
        if said is None or said.strip().lower() in ("", "here", "home", "outside"):
            return await self._places.here()
        try:
            return await self._places.find(said)
        except NotThere:
            raise TryAgain(f"There is no place called {said!r}.") from None

    async def _forecast(self, place: Place, *, farther: bool = False) -> tuple[Known[Forecast], str]:
        """Ask who knows a place best, and somebody else where they do not answer.

        Args:
            farther: more is asked than the next days.
        """
        sources: list[tuple[Source, str]] = [(self._everywhere, "Open-Meteo")]
        if self._states is not None and place.country == _STATES:
            sources.insert(1 if farther else 0, (self._states, "the National Weather Service"))
        trouble: Exception | None = None
        for source, name in sources:
            try:
                return await source.forecast(place), name
            except (Unwell, NotThere) as error:
                trouble = trouble or error
        if isinstance(trouble, Unwell):
            raise trouble
        raise Failed(f"Sorry, nobody knows the weather in {place.name}.")


def _is_far(when: str | None, now: datetime) -> bool:
    if when is None or when.strip().lower() in _NOWS:
        return False
    return not 0 <= (span(when, now).last - now.date()).days < _NEAR_DAYS


def _warning(alert: Alert, zone: tzinfo | None) -> str:
    if alert.ends is None:
        return alert.event
    ends = alert.ends.astimezone(zone)
    return f"{alert.event} until {spoken_time(ends)} on {ends:%A}"


def _measurements(now: Now) -> list[Measured]:
    found = [Measured("outside temperature", now.temperature, "°C")]
    if now.humidity is not None:
        found.append(Measured("outside humidity", now.humidity, "%"))
    if now.wind is not None:
        found.append(Measured("outside wind", now.wind, "km/h"))
    return found


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="minutes")
