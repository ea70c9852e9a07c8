from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tools.days import WEEKDAYS, day_at, span
from tools.tool import TryAgain

MONDAY = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
MOMENTS = some.datetimes(datetime(1990, 1, 1), datetime(2080, 1, 1), timezones=some.just(UTC))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("words", "first", "last", "name"),
    [
        ("today", 23, 23, "today"), ("tomorrow", 24, 24, "tomorrow"), ("the day after tomorrow", 25, 25, "on Wednesday"),
        ("on Sunday", 29, 29, "on Sunday"), ("this weekend", 28, 29, "this weekend"), ("Monday", 23, 23, "today"),
        ("next monday", 30, 30, "on Monday, November 30"), ("2026-11-27", 27, 27, "on Friday"),
        ("November 27th", 27, 27, "on Friday"), ("the week", 23, 29, "this week"), ("tonight", 23, 23, "tonight"),
        ("tomorrow morning", 24, 24, "tomorrow morning"), ("this afternoon", 23, 23, "this afternoon"),
        ("Friday's", 27, 27, "on Friday"), ("yesterday", 22, 22, "yesterday"), ("27th of November", 27, 27, "on Friday"),
    ],
)  # fmt: skip
def test_days_are_understood_as_people_say_them(words: str, first: int, last: int, name: str) -> None:
    found = span(words, MONDAY)
    assert (found.first, found.last, found.name) == (date(2026, 11, first), date(2026, 11, last), name)


@pytest.mark.parametrize("words", ["", "February 30", "2026-02-30", "the 31st", "someday", "99999-01-01", "may 99"])
def test_what_is_no_day_is_asked_for_again(words: str) -> None:
    with pytest.raises(TryAgain):
        span(words, MONDAY)


def test_the_29th_of_february_is_the_next_one_there_is() -> None:
    assert span("February 29", MONDAY).first == date(2028, 2, 29)


@given(MOMENTS, some.sampled_from(WEEKDAYS))
def test_a_weekday_is_within_a_week_from_today(now: datetime, weekday: str) -> None:
    day = span(weekday, now).first
    assert now.date() <= day < now.date() + timedelta(days=7)
    assert WEEKDAYS[day.weekday()] == weekday


@given(MOMENTS)
def test_the_weekend_is_the_days_of_it_that_are_left(now: datetime) -> None:
    found = span("this weekend", now)
    assert now.date() <= found.first <= found.last < now.date() + timedelta(days=8)
    assert found.last.weekday() == 6


@given(some.text(max_size=30), MOMENTS)
def test_any_words_are_days_or_asked_for_again(words: str, now: datetime) -> None:
    try:
        found = span(words, now)
    except TryAgain:
        return
    assert found.first <= found.last


@pytest.mark.parametrize(
    ("words", "at", "expected"),
    [
        ("monday", time(9), "2026-11-30T09:00"), ("monday", time(12), "2026-11-23T12:00"),
        ("today", time(9), "2026-11-23T09:00"), ("tuesday", time(9), "2026-11-24T09:00"), ("christmas eve", time(9), "2026-12-24T09:00"),
    ],
)  # fmt: skip
def test_a_weekday_whose_time_has_passed_is_next_weeks(words: str, at: time, expected: str) -> None:
    moment = day_at(words, at, datetime(2026, 11, 23, 10, 0, tzinfo=UTC))
    assert f"{moment:%Y-%m-%dT%H:%M}" == expected
