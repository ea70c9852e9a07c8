"""How much may be sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satellites.allowance import AT_ONCE, FASTEST, Allowance, SoundAllowance


def test_so_much_at_once_and_so_much_a_second() -> None:
    allowance = Allowance(rate=2.0, most=3.0)
    assert [allowance.spend(1.0, 0.0) for _ in range(4)] == [True, True, True, False]
    assert [allowance.spend(1.0, 1.0) for _ in range(3)] == [True, True, False]
    assert allowance.spend(3.0, 100.0)
    assert not allowance.spend(0.5, 100.0)


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0, 2)), max_size=100))
def test_no_more_is_ever_spent_than_there_was(spending: list[tuple[float, float]]) -> None:
    allowance, now, spent = Allowance(rate=1.0, most=4.0), 0.0, 0.0
    for amount, wait in spending:
        now += wait
        spent += amount if allowance.spend(amount, now) else 0.0
        assert spent <= 4.0 + now + 1e-6


def test_who_takes_more_than_there_is_waits_for_it() -> None:
    allowance = Allowance(rate=2.0, most=3.0)
    assert allowance.owe(3.0, 0.0) == 0.0
    assert allowance.owe(1.0, 0.0) == 0.5
    assert allowance.owe(1.0, 0.5) == 0.5
    assert allowance.owe(3.0, 100.0) == 0.0


@pytest.mark.parametrize("drift", [0.99, 1.0, 1.01])
def test_a_clock_that_is_fast_or_slow_uses_nothing_up(drift: float) -> None:
    dropping, waiting = Allowance(FASTEST, AT_ONCE), Allowance(FASTEST, AT_ONCE)
    for packet in range(100_000):
        assert dropping.spend(0.06 * drift, packet * 0.06)
        assert waiting.owe(0.06 * drift, packet * 0.06) == 0.0


def test_sound_that_cannot_be_is_dropped_and_what_follows_is_heard() -> None:
    sound = SoundAllowance("puck")
    assert sound.takes(AT_ONCE, 0.0)
    assert not sound.takes(0.5, 0.1)
    assert sound.takes(0.5, 1.0)
