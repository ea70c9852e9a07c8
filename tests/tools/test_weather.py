import json
import math
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio

from tests.tools.calling import Caller
from tests.tools.provider import Provider, provider, response, status
from tools.measured import Measured
from tools.nws import NationalWeather
from tools.open_meteo import OpenMeteo
from tools.outcomes import Status
from tools.places import Places
from tools.weather import Weather

KEPT = response("open_meteo_forecast")
DAILY, CURRENT = KEPT["body"]["daily"], KEPT["body"]["current"]
NOW = float(KEPT["at"])


@dataclass
class House:
    server: Provider
    weather: Weather
    caller: Caller
    measured: list[Measured]
    warned: list[str]
    now: list[float]

    async def ask(self, **words: Any) -> str:
        return await self.caller.ask("get_weather", **words)


@pytest_asyncio.fixture
async def house() -> AsyncIterator[House]:
    async with provider() as server:
        yield await made(server)


async def made(server: Provider, *, home: str | None = "Lisbon, Portugal", units: Any = "metric") -> House:
    now = [NOW]
    measured: list[Measured] = []
    warned: list[str] = []

    async def note(found: Sequence[Measured]) -> None:
        measured.extend(found)

    async def warn(text: str) -> None:
        warned.append(text)

    def clock() -> float:
        return now[0]

    weather = Weather(
        Places(server.service("the service that knows places", clock=clock), home=home),
        OpenMeteo(server.service(clock=clock)),
        NationalWeather(server.service("the National Weather Service", clock=clock), clock=clock),
        units=units,
        on_measured=note,
        on_alert=warn,
        clock=clock,
    )
    return House(server, weather, Caller(weather.tools()), measured, warned, now)


def day(offset: int) -> dict[str, Any]:
    """A day of the forecast; 0 is the one when it was made."""
    today = datetime.fromtimestamp(NOW, UTC).date().isoformat()
    place = DAILY["time"].index(today) + offset
    return {name: column[place] for name, column in DAILY.items()}


async def test_the_weather_here_is_what_is_measured_now_and_what_comes_today(house: House) -> None:
    said = await house.ask()
    assert f"It's {round(CURRENT['temperature_2m'])} degrees and overcast in Lisbon, and" in said
    assert f"feels like {round(CURRENT['apparent_temperature'])}" in said
    assert f"Today it gets up to {round(day(0)['temperature_2m_max'])} degrees" in said


async def test_another_day_is_told_with_its_range(house: House) -> None:
    tomorrow = day(1)
    said = await house.ask(when="tomorrow")
    low, high = round(tomorrow["temperature_2m_min"]), round(tomorrow["temperature_2m_max"])
    assert said.startswith("Tomorrow in Lisbon")
    assert f"between {low} and {high} degrees" in said


async def test_whether_it_rains_is_answered_with_yes_or_no(house: House) -> None:
    for offset in range(7):
        name = datetime.fromisoformat(day(offset)["time"]).strftime("%A")
        said = await house.ask(when=name, about="rain")
        assert said.startswith("Yes" if day(offset)["precipitation_probability_max"] >= 50 else "No"), said


async def test_the_sun_rises_and_sets(house: House) -> None:
    assert "sets at" in await house.ask(about="sun", when="tomorrow")


async def test_the_household_may_count_in_fahrenheit(house: House) -> None:
    there = await made(house.server, units="imperial")
    assert f"It's {round(CURRENT['temperature_2m'] * 9 / 5 + 32)} degrees" in await there.ask(about="temperature")
    assert "miles an hour" in await there.ask(about="wind", when="tomorrow")


async def test_springfield_is_the_one_that_was_named(house: House) -> None:
    said = await house.ask(place="Springfield Illinois", when="tomorrow")
    assert said.startswith("Tomorrow in Springfield, Illinois")
    assert any("gridpoints/ILX" in path for path in house.server.asked)


async def test_where_the_national_service_fails_somebody_else_is_asked(house: House) -> None:
    files = house.server.answer

    async def only_nws_fails(request: Any) -> Any:
        if request.path.startswith(("/points", "/gridpoints")):
            return await status(500)(request)
        house.server.instead = None
        try:
            return await files(request)
        finally:
            house.server.instead = only_nws_fails

    house.server.instead = only_nws_fails
    outcome = await house.caller.call("get_weather", place="Springfield, Illinois")
    assert (outcome.status, outcome.data["source"]) == (Status.DONE, "Open-Meteo")


async def test_warnings_are_told_and_announced_once(house: House) -> None:
    there = await made(house.server, home="Springfield, Illinois")
    assert "Winter Storm Warning until" in await there.caller.ask("weather_alerts")
    await there.weather.look()
    await there.weather.look()
    assert len(there.warned) == 1
    assert "Winter Storm Warning" in there.warned[0]


async def test_what_the_weather_is_here_is_kept(house: House) -> None:
    await house.weather.look()
    assert Measured("outside temperature", CURRENT["temperature_2m"], "°C") in house.measured


async def test_a_place_that_does_not_exist_is_told(house: House) -> None:
    assert await house.ask(place="Xyzzyville") == "Sorry, I can't find a place called Xyzzyville."


async def test_without_a_place_somebody_has_to_name_one(house: House) -> None:
    there = await made(house.server, home=None)
    assert "I don't know where we are" in await there.ask()


async def test_a_date_that_does_not_exist_is_asked_for_again(house: House) -> None:
    assert (await house.caller.call("get_weather", when="February 30")).status is Status.INVALID


async def test_too_far_ahead_is_told(house: House) -> None:
    assert "I only know the weather until" in await house.ask(when="May 3 2031")


async def test_an_old_forecast_is_told_with_its_age(house: House) -> None:
    await house.ask()
    house.now[0] += 2 * 3600
    house.server.instead = status(500)
    assert (await house.ask()).startswith("As of 2 hours ago, this was the forecast.")


@pytest.mark.parametrize("instead", [math.inf, 4000.0, "warm", None])
async def test_absurd_numbers_are_not_told(house: House, instead: Any) -> None:
    body = {**KEPT["body"], "current": {**CURRENT, "temperature_2m": instead}}
    files = house.server.answer

    async def absurd(request: Any) -> Any:
        if request.path == "/v1/forecast":
            return await status(200, text=json.dumps(body))(request)
        house.server.instead = None
        try:
            return await files(request)
        finally:
            house.server.instead = absurd

    house.server.instead = absurd
    assert "sent something that I can't read" in await house.ask()
