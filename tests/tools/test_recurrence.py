import asyncio
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as some

from tests.tools.test_timers import House
from tools.outcomes import Status
from tools.recurrence import fits, next_due, zone_called

HERE = ZoneInfo("Europe/Lisbon")
REPEATS = some.sampled_from(["daily", "weekdays", "weekends", "weekly"])
MOMENTS = some.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=some.just(UTC))  # noqa: DTZ001


@given(MOMENTS, REPEATS, some.timedeltas(timedelta(0), timedelta(days=900)))
def test_the_next_time_is_later_at_the_same_time_on_the_wall(moment: datetime, repeat: str, away: timedelta) -> None:
    due, now = moment.timestamp(), (moment + away).timestamp()
    again = next_due(due, repeat, HERE, now)
    assert again > now
    assert again > due
    assert again - now < 9 * 86400
    assert fits(again, repeat, HERE)
    before, after = datetime.fromtimestamp(due, HERE), datetime.fromtimestamp(again, HERE)
    gap = after.replace(tzinfo=None).hour * 60 + after.minute - before.hour * 60 - before.minute
    # An hour that the clocks leave out is taken as the next one.
    assert gap in (0, 60)


def test_every_sunday_stays_a_sunday_through_the_change_of_clocks() -> None:
    due = datetime(2026, 3, 22, 9, 0, tzinfo=HERE).timestamp()
    again = datetime.fromtimestamp(next_due(due, "weekly", HERE, due), HERE)
    assert (again.day, again.hour) == (29, 9)


def test_a_zone_that_nobody_knows_is_the_systems() -> None:
    assert zone_called("Middle/Earth") is not None
    assert zone_called("Europe/Lisbon") == HERE


async def test_an_alarm_rings_again_on_the_next_such_day() -> None:
    house = House()
    assert await house.ask("set_alarm", time="7:30", repeat="weekdays") == (
        "The alarm is set for 7:30 AM on Monday, and then every weekday."
    )
    house.now = datetime(2026, 3, 30, 7, 30, 1, tzinfo=HERE).timestamp()
    async with house.running():
        while not house.rung:
            await asyncio.sleep(0.01)
    assert len(house.rung) == 1
    assert "7:30 AM tomorrow" in await house.ask("timer_status", kind="alarm")
    again = House(house.store)
    again.now = datetime(2026, 3, 31, 7, 0, tzinfo=HERE).timestamp()
    assert "7:30 AM" in await again.ask("timer_status", kind="alarm")


async def test_what_came_again_while_the_house_was_off_rings_once() -> None:
    house = House()
    await house.call("set_reminder", text="take your pills", time="8 am", repeat="daily")
    later = House(house.store)
    later.now = datetime(2026, 4, 20, 9, 0, tzinfo=HERE).timestamp()
    async with later.running():
        await asyncio.sleep(0.05)
    assert len(later.rung) == 1
    assert "8:00 AM tomorrow" in await later.ask("timer_status")


async def test_a_day_can_be_named() -> None:
    house = House()
    assert await house.ask("set_alarm", time="7", day="monday") == "The alarm is set for 7:00 AM on Monday."
    assert await house.ask("set_reminder", text="call the bank", day="tomorrow") == (
        "I'll remind you at 9:00 AM tomorrow: call the bank."
    )
    assert (
        await house.ask("set_alarm", time="7", day="today")
        == "That has passed already. Please say another day or time."
    )
    assert (await house.call("set_alarm", time="7", day="February 30")).status is Status.INVALID


async def test_what_has_rung_can_be_put_off_and_rings_once_more() -> None:
    house = House()
    assert await house.ask("snooze") == "Nothing has rung here in the last minutes."
    await house.call("set_alarm", time="12:30")
    house.now += 1800
    async with house.running():
        await asyncio.sleep(0.05)
        assert await house.ask("snooze") == "All right, again in 10 minutes."
        house.now += 600
    async with house.running():
        await asyncio.sleep(0.05)
    assert len(house.rung) == 2
    house.now += 3600
    assert await house.ask("snooze", minutes=5) == "Nothing has rung here in the last minutes."
