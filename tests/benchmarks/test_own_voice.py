import numpy as np
import pytest

from tests.acoustics import RATE, AcousticPath, Acoustics
from tests.benchmarks.own_voice import Tried, table


def carried(acoustics: Acoustics, played: np.ndarray) -> np.ndarray:
    path = AcousticPath(acoustics)
    return np.concatenate([path.carry(played[start : start + 320]) for start in range(0, len(played), 320)])


def click(at: float, seconds: float) -> np.ndarray:
    played = np.zeros(round(seconds * RATE), np.float32)
    played[round(at * RATE)] = 0.01
    return played


def test_what_is_played_is_heard_later_and_quieter() -> None:
    heard = carried(Acoustics(0.1, 0.2, gain=0.5), click(0.5, 1.0))
    assert np.abs(heard).argmax() == round(0.7 * RATE)
    assert np.abs(heard).max() == pytest.approx(0.005, rel=0.01)
    assert np.abs(heard[: round(0.69 * RATE)]).max() == 0


def test_the_room_answers_for_as_long_as_it_reverberates() -> None:
    heard = carried(Acoustics(0.25, 0.02), click(0.1, 1.0))
    early, late = heard[round(0.13 * RATE) : round(0.2 * RATE)], heard[round(0.28 * RATE) : round(0.35 * RATE)]
    assert early.std() > 3 * late.std() > 0
    assert np.abs(heard[round(0.4 * RATE) :]).max() == 0


def test_a_clock_that_is_slower_by_100_ppm_is_behind_by_1_ms_after_10_s() -> None:
    late = np.abs(carried(Acoustics(0.1, 0.1, 100), click(9.9, 10.5))).argmax()
    assert late - round(10.0 * RATE) == pytest.approx(16, abs=1)


def test_a_loudspeaker_that_is_driven_hard_makes_overtones() -> None:
    tone = (0.5 * np.sin(2 * np.pi * 500 * np.arange(RATE) / RATE)).astype(np.float32)
    third = [
        abs(np.fft.rfft(carried(Acoustics(0.1, 0.02, drive=drive), tone)[RATE // 2 :]))[750] for drive in (0.5, 5.0)
    ]
    assert third[1] > 5 * third[0]


def test_the_table_tells_what_it_heard_of_itself_and_of_others() -> None:
    shown = table(
        [
            Tried("a shelf", None, echo=-1.0, enhancement=30.0, stopped=None, understood=""),
            Tried("a shelf", "order-01", echo=1.0, enhancement=34.0, stopped=-0.5, understood="a coffee"),
            Tried("a shelf", "order-02", echo=0.0, enhancement=32.0, stopped=None, understood=""),
        ]
    )
    assert "| a shelf | +0 dB | 32 dB | 0 of 1 | 1 of 2 | 1 of 2 | -0.5 |" in shown
