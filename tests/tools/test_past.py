from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.past import past
from tools.tool import Failed, TryAgain

ZONE = ZoneInfo("Europe/Lisbon")
MONDAY = datetime(2026, 11, 23, 10, 30, tzinfo=ZONE)


@pytest.mark.parametrize(
    ("words", "starts", "ends", "name"),
    [
        ("last night", "2026-11-22 21:00", "2026-11-23 07:00", "last night"),
        ("yesterday", "2026-11-22 00:00", "2026-11-22 23:59", "yesterday"),
        ("today", "2026-11-23 00:00", "2026-11-23 10:30", "today"),
        ("this morning", "2026-11-23 06:00", "2026-11-23 10:30", "this morning"),
        ("last monday", "2026-11-16 00:00", "2026-11-16 23:59", "last Monday"),
        ("on sunday", "2026-11-22 00:00", "2026-11-22 23:59", "last Sunday"),
        ("last 3 hours", "2026-11-23 07:30", "2026-11-23 10:30", "in the last 3 hours"),
        ("the last week", "2026-11-16 10:30", "2026-11-23 10:30", "in the last week"),
        ("2026-11-03", "2026-11-03 00:00", "2026-11-03 23:59", "on Tuesday, November 3"),
    ],
)
def test_times_that_are_over_are_understood(words: str, starts: str, ends: str, name: str) -> None:
    found = past(words, MONDAY)
    assert [f"{moment:%Y-%m-%d %H:%M}" for moment in (found.starts, found.ends)] == [starts, ends]
    assert found.name == name


def test_what_is_still_to_come_is_told() -> None:
    with pytest.raises(Failed, match="still to come"):
        past("tomorrow", MONDAY)
    with pytest.raises(TryAgain):
        past("2019-01-01", MONDAY)


@given(st.text(max_size=20) | st.sampled_from(["last 0 hours", "last 99999999999 days", "last night night", "on "]))
def test_any_words_are_a_time_that_is_over_or_refused(words: str) -> None:
    try:
        found = past(words, MONDAY)
    except (TryAgain, Failed):
        return
    assert found.starts <= found.ends <= MONDAY
