import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.budget.shedding import CALM_SECONDS, Reading, Shed, Shedding, pressure

GIB = 1 << 30
CALM = Reading(16 * GIB, 8 * GIB)


def free(share: float, limit: int = 16 * GIB) -> Reading:
    return Reading(limit, int(limit * share))


def test_with_room_to_spare_nothing_is_given_up() -> None:
    assert Shedding().read(CALM, 0.0) is Shed.NOTHING


@pytest.mark.parametrize(
    ("share", "step"),
    [
        (0.11, Shed.BACKGROUND),
        (0.08, Shed.SPECULATION),
        (0.05, Shed.IDLE),
        (0.03, Shed.NEWCOMERS),
        (0.0, Shed.NEWCOMERS),
    ],
)
def test_the_less_is_free_the_more_is_given_up(share: float, step: Shed) -> None:
    assert Shedding().read(free(share), 0.0) is step


def test_on_a_large_machine_gigabytes_are_enough() -> None:
    assert Shedding().read(Reading(128 * GIB, 8 * GIB), 0.0) is Shed.NOTHING
    assert Shedding().read(Reading(128 * GIB, 3 * GIB), 0.0) is Shed.SPECULATION


def test_waiting_for_memory_counts_where_enough_seems_free() -> None:
    assert Shedding().read(Reading(16 * GIB, 8 * GIB, some=25.0), 0.0) is Shed.SPECULATION
    assert Shedding().read(Reading(16 * GIB, 8 * GIB, full=25.0), 0.0) is Shed.NEWCOMERS


def test_it_comes_back_step_by_step_after_calm() -> None:
    shedding = Shedding()
    assert shedding.read(free(0.01), 0.0) is Shed.NEWCOMERS
    steps = [shedding.read(CALM, second) for second in range(1, 60)]
    assert [step for step, _ in itertools.groupby(steps)] == [Shed(step) for step in (4, 3, 2, 1, 0)]
    assert steps.index(Shed.IDLE) == CALM_SECONDS


def test_just_above_a_threshold_nothing_comes_back() -> None:
    shedding = Shedding()
    shedding.read(free(0.11), 0.0)
    assert all(shedding.read(free(0.13), second) is Shed.BACKGROUND for second in range(1, 100))
    assert shedding.read(free(0.16), 100.0) is Shed.BACKGROUND
    assert shedding.read(free(0.16), 100.0 + CALM_SECONDS) is Shed.NOTHING


_READINGS = st.builds(
    Reading,
    st.just(16 * GIB),
    st.integers(0, 16 * GIB),
    st.floats(0, 100),
    st.floats(0, 100),
)


@given(st.lists(_READINGS, min_size=1, max_size=50))
def test_it_never_holds_less_back_than_the_reading_asks_for_and_returns_one_step_at_a_time(
    readings: list[Reading],
) -> None:
    shedding, before = Shedding(), Shed.NOTHING
    for second, reading in enumerate(readings):
        step = shedding.read(reading, float(second))
        assert step >= Shedding().read(reading, 0.0)
        assert step >= before - 1
        before = step


def test_what_is_given_up_is_named_in_its_order() -> None:
    assert Shed.NOTHING.described == "nothing"
    assert Shed.NEWCOMERS.described == "background work, speculation, idle conversations, new conversations"


def test_the_kernels_pressure_is_read() -> None:
    text = "some avg10=12.50 avg60=1.00 avg300=0.00 total=5\nfull avg10=3.25 avg60=0.00 avg300=0.00 total=1\n"
    assert pressure(text) == (12.5, 3.25)


@given(st.text())
def test_strange_pressure_is_none(text: str) -> None:
    assert all(0.0 <= percent <= 100.0 for percent in pressure(text))
