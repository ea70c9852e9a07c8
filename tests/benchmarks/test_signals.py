import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks.signals import (
    SAMPLE_RATE,
    Samples,
    at_level,
    cough,
    levels,
    noise_floor,
    room_tone,
    speech_span,
    with_pause,
)


def noise(seconds: float, dbfs: float, seed: int = 0) -> Samples:
    samples = np.random.default_rng(seed).standard_normal(round(seconds * SAMPLE_RATE)).astype(np.float32)
    return at_level(samples, dbfs)


def spoken(before: float, speech: float, after: float, floor: float = -60, level: float = -20) -> Samples:
    return np.concatenate([noise(before, floor, 1), noise(speech, level, 2), noise(after, floor, 3)])


@given(
    before=st.integers(10, 150),
    speech=st.integers(10, 300),
    after=st.integers(10, 150),
    floor=st.sampled_from([-90.0, -70.0, -50.0, -40.0]),
)
def test_the_end_of_speech_is_found_to_the_frame(before: int, speech: int, after: int, floor: float) -> None:
    # The floor is the quietest tenth, so there must be that much of it.
    after = max(after, speech // 5)
    span = speech_span(spoken(before / 100, speech / 100, after / 100, floor))
    assert span.start == pytest.approx(before / 100, abs=0.011)
    assert span.end == pytest.approx((before + speech) / 100, abs=0.011)


def test_a_click_after_the_sentence_is_not_speech() -> None:
    samples = spoken(0.3, 1.0, 1.0)
    samples[round(1.8 * SAMPLE_RATE)] = 0.9
    assert speech_span(samples).end == pytest.approx(1.3, abs=0.011)


def test_a_weak_last_consonant_belongs_to_the_speech() -> None:
    samples = spoken(0.3, 1.0, 1.0, floor=-75)
    burst = slice(round(1.36 * SAMPLE_RATE), round(1.40 * SAMPLE_RATE))
    samples[burst] += noise(0.04, -45)
    assert speech_span(samples).end == pytest.approx(1.40, abs=0.011)


def test_digital_silence_around_the_speech_does_no_harm() -> None:
    samples = np.concatenate([np.zeros(8000, np.float32), noise(1, -20), np.zeros(8000, np.float32)])
    assert speech_span(samples).end == pytest.approx(1.5, abs=0.011)


def test_a_recording_without_speech_is_refused() -> None:
    with pytest.raises(ValueError, match="louder than its noise floor"):
        speech_span(noise(2, -50))


@given(floor=st.floats(-70, -40))
def test_room_tone_has_the_recordings_own_floor_and_is_never_silent(floor: float) -> None:
    samples = spoken(0.5, 1.0, 0.5, floor)
    tone = room_tone(samples, 2.0)
    assert len(tone) == 2 * SAMPLE_RATE
    assert float(np.median(levels(tone))) == pytest.approx(noise_floor(samples), abs=1.5)
    assert np.min(levels(tone)) > -100


def test_room_tone_of_a_digitally_silent_recording_is_audible_to_a_computer() -> None:
    samples = np.concatenate([np.zeros(8000, np.float32), noise(1, -20), np.zeros(8000, np.float32)])
    assert float(np.median(levels(room_tone(samples, 1.0)))) == pytest.approx(-75, abs=1.5)


def test_a_pause_lengthens_the_recording_and_moves_the_end_of_speech() -> None:
    samples = spoken(0.3, 1.0, 0.5)
    paused = with_pause(samples, at=0.8, seconds=0.7)
    assert len(paused) == len(samples) + round(0.7 * SAMPLE_RATE)
    assert speech_span(paused).end == pytest.approx(2.0, abs=0.011)
    inside = paused[round(0.81 * SAMPLE_RATE) : round(1.49 * SAMPLE_RATE)]
    assert np.max(levels(inside)) < -50


def test_a_cough_is_short_and_starts_suddenly() -> None:
    level = levels(cough())
    assert len(level) == 25
    assert int(np.argmax(level)) <= 4
    assert level[-1] < level.max() - 15
