import numpy as np
import pytest

from tests.benchmarks.barge_in import GAP, WATCH, judge
from tests.benchmarks.clients import PlainCaller
from tests.benchmarks.recordings import Recording
from tests.benchmarks.signals import SAMPLE_RATE

ONSET = 10.0


@pytest.fixture
def caller() -> PlainCaller:
    rng = np.random.default_rng(0)
    room = Recording.of("room", np.concatenate([rng.normal(0, level, 8000) for level in (1e-3, 0.1, 1e-3)]))
    return PlainCaller("ws://127.0.0.1:1/ws", room)


def speak(caller: PlainCaller, start: float, end: float, amplitude: float = 0.3) -> None:
    samples = np.full(round((end - start) * SAMPLE_RATE), amplitude, np.float32)
    caller.playback.arrive(start, samples, SAMPLE_RATE)


def test_an_answer_that_an_interruption_stops_has_stopped_then(caller: PlainCaller) -> None:
    speak(caller, 7.0, 10.4)
    caller.note(10.4, "interrupted")
    caller.note(11.0, "answer started")
    speak(caller, 11.5, 14.0)
    found = judge("plain", "a request", caller, ONSET, lost=3.0)
    assert found.stopped == pytest.approx(0.4, abs=0.01)
    assert found.ducked == pytest.approx(0.4, abs=0.06)
    assert not found.went_on


def test_an_answer_that_is_turned_down_before_it_stops_has_two_times(caller: PlainCaller) -> None:
    speak(caller, 7.0, 10.2)
    speak(caller, 10.2, 10.8, amplitude=0.05)
    caller.note(10.8, "interrupted")
    found = judge("plain", "a request", caller, ONSET, lost=0.0)
    assert found.ducked == pytest.approx(0.2, abs=0.06)
    assert found.stopped == pytest.approx(0.8, abs=0.01)


def test_an_answer_that_plays_on_went_on(caller: PlainCaller) -> None:
    speak(caller, 7.0, ONSET + WATCH + 1)
    found = judge("plain", "a cough", caller, ONSET, lost=0.0)
    assert found.went_on
    assert found.stopped is None


def test_an_answer_that_ends_by_itself_went_on(caller: PlainCaller) -> None:
    speak(caller, 7.0, 12.0)
    caller.note(12.0, "answer ended", "completed")
    assert judge("plain", "a cough", caller, ONSET, lost=0.0).went_on


@pytest.mark.parametrize(("gap", "lost"), [(GAP + 0.5, 0.0), (0.1, 1.0)])
def test_an_answer_with_a_hole_did_not_go_on(caller: PlainCaller, gap: float, lost: float) -> None:
    speak(caller, 7.0, 11.0)
    speak(caller, 11.0 + gap, ONSET + WATCH + 1)
    assert not judge("plain", "a cough", caller, ONSET, lost=lost).went_on
