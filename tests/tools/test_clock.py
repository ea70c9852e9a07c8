import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.tools.calling import Caller
from tools.clock import Clock, spoken_time, zone_of
from tools.outcomes import Status
from tools.tool import Failed

HERE = ZoneInfo("Europe/Lisbon")


@pytest.mark.parametrize(
    ("hour", "minute", "said"), [(0, 5, "12:05 AM"), (9, 0, "9:00 AM"), (12, 30, "12:30 PM"), (23, 59, "11:59 PM")]
)
def test_times_are_said_as_people_say_them(hour: int, minute: int, said: str) -> None:
    assert spoken_time(datetime(2026, 5, 1, hour, minute, tzinfo=HERE)) == said


async def test_the_time_is_that_of_the_household() -> None:
    before = datetime.now(HERE)
    outcome = await Caller(Clock().tools()).call("get_time")
    assert outcome.data["time"] in (f"{before:%H:%M}", f"{datetime.now(HERE):%H:%M}")
    assert re.fullmatch(r"It's \d{1,2}:\d\d [AP]M\.", outcome.say)


async def test_a_city_has_a_time_of_its_own() -> None:
    outcome = await Caller(Clock().tools()).call("get_time", place="new york")
    assert outcome.data["zone"] == "America/New_York"
    assert outcome.say.endswith("in New York.")


async def test_an_unknown_place_is_said_to_be_unknown() -> None:
    outcome = await Caller(Clock().tools()).call("get_time", place="Mordor")
    assert outcome.status is Status.FAILED
    with pytest.raises(Failed, match="Mordor"):
        zone_of("Mordor")


@pytest.mark.parametrize(("day", "days", "verb"), [("today", 0, "is"), ("tomorrow", 1, "is"), ("yesterday", -1, "was")])
async def test_days_around_today_are_known(day: str, days: int, verb: str) -> None:
    outcome = await Caller(Clock().tools()).call("get_date", day=day)
    then = datetime.now(HERE) + timedelta(days=days)
    assert outcome.data == {"date": f"{then:%Y-%m-%d}", "weekday": f"{then:%A}"}
    assert outcome.say == f"{day.capitalize()} {verb} {then:%A}, {then:%B} {then.day}, {then.year}."
