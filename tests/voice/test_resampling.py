from itertools import pairwise

import numpy as np
import pytest

from voice.resampling import StreamResampler


def tone(rate: int, seconds: float = 1.0) -> np.ndarray:
    return (np.sin(2 * np.pi * 440 * np.arange(int(rate * seconds)) / rate) * 10_000).astype("<i2")


@pytest.mark.parametrize(("from_rate", "to_rate"), [(24_000, 16_000), (8_000, 16_000), (24_000, 8_000)])
def test_a_stream_cut_anywhere_sounds_like_the_whole(from_rate, to_rate):
    pcm = tone(from_rate).tobytes()
    resampler = StreamResampler(from_rate, to_rate)
    cuts = [0, 2, 500, 1000, 9998, len(pcm)]
    pieces = [resampler.resample(pcm[a:b]) for a, b in pairwise(cuts)]
    pieces.append(resampler.resample(b"", last=True))
    heard = np.frombuffer(b"".join(pieces), dtype="<i2").astype(float)
    expected = tone(to_rate).astype(float)
    assert abs(len(heard) - len(expected)) <= 2
    middle = slice(100, len(expected) - 100)
    assert np.abs(heard[middle] - expected[middle]).max() < 300  # 3% of the tone: cubic interpolation


def test_it_delays_by_less_than_a_millisecond():
    resampler = StreamResampler(24_000, 16_000)
    heard = resampler.resample(tone(24_000, 0.1).tobytes())
    assert len(heard) // 2 >= 1600 - 16


def test_equal_rates_pass_through():
    assert StreamResampler(16_000, 16_000).resample(b"\x01\x02") == b"\x01\x02"


@pytest.mark.parametrize(("from_rate", "to_rate"), [(24_000, 8_000), (16_000, 8_000), (24_000, 16_000)])
def test_what_the_lower_rate_cannot_carry_is_not_mirrored_into_what_is_heard(from_rate, to_rate):
    above = np.sin(2 * np.pi * 0.62 * to_rate * np.arange(from_rate) / from_rate) * 10_000
    heard = np.frombuffer(StreamResampler(from_rate, to_rate).resample(above.astype("<i2").tobytes()), "<i2")
    assert np.abs(heard[100:-100]).max() < 300  # 30 dB below what came in
