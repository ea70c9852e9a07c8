import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks.playback import Playback
from tests.benchmarks.signals import Samples

RATE = 1000


def loud(seconds: float, amplitude: float = 0.5) -> Samples:
    return np.full(round(seconds * RATE), amplitude, np.float32)


def silent(seconds: float) -> Samples:
    return loud(seconds, 0.0)


def test_a_chunk_is_played_when_it_arrives() -> None:
    playback = Playback()
    playback.arrive(10.0, loud(0.1), RATE)
    assert playback.first_audible(9.0) == 10.0
    assert playback.last_audible() == pytest.approx(10.1)


def test_a_chunk_that_arrives_early_waits_for_the_one_before() -> None:
    playback = Playback()
    playback.arrive(10.0, silent(0.5), RATE)
    playback.arrive(10.1, loud(0.1), RATE)
    assert playback.first_audible(9.0) == pytest.approx(10.5)


def test_silence_at_the_start_of_a_chunk_is_not_heard() -> None:
    playback = Playback()
    playback.arrive(10.0, np.concatenate([silent(0.2), loud(0.1)]), RATE)
    assert playback.first_audible(9.0) == pytest.approx(10.2)


def test_what_was_heard_before_a_moment_does_not_count_after_it() -> None:
    playback = Playback()
    playback.arrive(10.0, loud(1.0), RATE)
    assert playback.first_audible(10.4) == pytest.approx(10.4)
    assert playback.first_audible(11.5) is None
    assert playback.last_audible(before=10.3) == pytest.approx(10.3)


def test_a_flush_drops_what_was_not_played_yet() -> None:
    playback = Playback()
    playback.arrive(10.0, loud(1.0), RATE)
    playback.arrive(10.0, loud(1.0), RATE)
    playback.flush(10.5)
    assert playback.last_audible() == pytest.approx(10.5)
    assert playback.flushed == pytest.approx(1.5)
    playback.arrive(10.6, loud(0.1), RATE)
    assert playback.first_audible(10.55) == pytest.approx(10.6)


@given(st.lists(st.tuples(st.floats(0, 0.3), st.integers(1, 300)), min_size=1, max_size=20), st.floats(0, 5))
def test_nothing_is_played_twice_or_lost(chunks: list[tuple[float, int]], flush: float) -> None:
    playback, now = Playback(), 0.0
    for wait, count in chunks:
        now += wait
        playback.arrive(now, loud(count / RATE), RATE)
    starts = [chunk.start for chunk in playback.chunks]
    ends = [chunk.end for chunk in playback.chunks]
    assert all(later >= earlier - 1e-9 for earlier, later in zip(ends, starts[1:], strict=False))
    total = sum(len(chunk.samples) for chunk in playback.chunks)
    playback.flush(flush)
    assert sum(len(chunk.samples) for chunk in playback.chunks) + round(playback.flushed * RATE) == total


def test_silence_between_chunks_is_measured() -> None:
    playback = Playback()
    playback.arrive(10.0, loud(1.0), RATE)
    playback.arrive(11.6, loud(1.0), RATE)
    assert playback.longest_silence(10.0, 12.6) == pytest.approx(0.6, abs=0.06)


def test_an_answer_that_is_turned_down_is_ducked_from_that_moment() -> None:
    playback = Playback()
    playback.arrive(10.0, loud(3.0), RATE)
    playback.arrive(13.0, loud(1.0, amplitude=0.2), RATE)
    assert playback.ducked(after=12.5, until=14.0) == pytest.approx(13.0, abs=0.06)


def test_an_answer_that_stops_is_ducked_too() -> None:
    playback = Playback()
    playback.arrive(10.0, loud(2.0), RATE)
    playback.arrive(12.0, loud(0.7), RATE)
    assert playback.ducked(after=12.5, until=14.0) == pytest.approx(12.7, abs=0.06)


def test_an_answer_that_goes_on_is_not_ducked() -> None:
    playback = Playback()
    playback.arrive(10.0, loud(5.0), RATE)
    assert playback.ducked(after=12.0, until=14.0) is None


def test_what_is_played_can_be_sampled_at_another_rate() -> None:
    playback = Playback()
    ramp = np.linspace(0, 1, 100, dtype=np.float32)
    playback.arrive(10.0, ramp, RATE)
    heard = playback.sampled(9.95, 400, 2 * RATE)
    assert not heard[:100].any()
    assert np.all(np.diff(heard[100:298]) >= 0)
    assert not heard[300:].any()
