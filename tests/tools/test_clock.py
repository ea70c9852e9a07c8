import contextlib
import re
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.tools.calling import Caller
from tools.clock import Clock, next_time, spoken_time, time_of_day, zone_of
from tools.outcomes import Status
from tools.tool import Failed, TryAgain

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


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("07:30", time(7, 30)), ("7", time(7)), ("6.45 p.m.", time(18, 45)), ("12 am", time(0)), ("12:05 pm", time(12, 5)),
        ("At 7 AM", time(7)), ("seven thirty", time(7, 30)), ("six forty-five pm", time(18, 45)), ("noon", time(12)),
        ("midnight", time(0)), ("ten to seven", time(6, 50)), ("twenty-five past six in the evening", time(18, 25)),
        ("5 minutes to 12 am", time(23, 55)), ("a quarter to one", time(0, 45)), ("half past twelve", time(12, 30)),
        ("nine o'clock at night", time(21)), ("18:00 pm", time(18)),
    ],
)  # fmt: skip
def test_a_time_of_day_is_understood_as_it_is_said(said: str, meant: time) -> None:
    assert time_of_day(said) == meant


@given(st.text(max_size=30))
@example("20 past 20 past 6")
@example("70 past 6")
def test_no_words_for_a_time_break_the_clock(said: str) -> None:
    with contextlib.suppress(TryAgain):
        assert time_of_day(said).second == 0


@given(st.times(), st.integers(1_600_000_000, 2_000_000_000), st.sampled_from(["Europe/Lisbon", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]))  # fmt: skip
def test_the_next_time_of_day_is_ahead_and_shown_by_the_clock_on_the_wall(wanted: time, now: int, name: str) -> None:
    wanted, zone = wanted.replace(second=0, microsecond=0, fold=0), ZoneInfo(name)
    due = next_time(wanted, now, zone)
    assert 0 < due - now <= 25 * 3600
    shown = datetime.fromtimestamp(due, zone)
    asked = shown.replace(hour=wanted.hour, minute=wanted.minute, fold=0)
    skipped = asked.astimezone(ZoneInfo("UTC")).astimezone(zone).time() != asked.time()
    assert shown.time() == wanted or skipped, "only an hour that does not come is missed"


@pytest.mark.parametrize(
    ("now", "wanted", "due"),
    [
        ("2026-10-25T01:50+01:00", time(1, 45), "2026-10-25T01:45+00:00"),
        ("2026-10-25T01:40+01:00", time(1, 45), "2026-10-25T01:45+01:00"),
        ("2026-10-25T01:46+00:00", time(1, 45), "2026-10-26T01:45+00:00"),
        ("2026-03-28T23:00+00:00", time(1, 30), "2026-03-29T02:30+01:00"),
        ("2026-03-28T12:00+00:00", time(7, 0), "2026-03-29T07:00+01:00"),
    ],
)
def test_an_hour_that_comes_twice_counts_twice_and_one_left_out_is_made_up_for(
    now: str, wanted: time, due: str
) -> None:
    assert next_time(wanted, datetime.fromisoformat(now).timestamp(), HERE) == datetime.fromisoformat(due).timestamp()


@pytest.mark.parametrize("day", ["christmas", "december 25", "New Year's Eve"])
async def test_days_are_counted_to_what_is_to_come(day: str) -> None:
    outcome = await Caller(Clock().tools()).call("days_until", day=day)
    then = date.fromisoformat(outcome.data["date"])
    assert 0 <= outcome.data["days"] <= 366
    assert (then.month, then.day) in ((12, 25), (12, 31))
    told = await Caller(Clock().tools()).ask("get_date", day=day)
    assert told == f"That is {then:%A}, {then:%B} {then.day}, {then.year}."
