import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks.sampling import Summary, bootstrap_difference, bootstrap_ratio_of_medians

COUNTS = st.lists(st.integers(0, 5), min_size=2, max_size=30)


def test_a_summary_of_nothing_has_no_figures() -> None:
    summary = Summary.of([])
    assert summary.count == 0
    assert math.isnan(summary.median)


def test_a_summary_has_the_quantiles() -> None:
    summary = Summary.of([float(n) for n in range(1, 102)])
    assert (summary.count, summary.median, summary.p90, summary.p95) == (101, 51.0, 91.0, 96.0)


@given(COUNTS)
def test_no_difference_is_no_difference_in_every_draw(counts: list[int]) -> None:
    interval = bootstrap_difference(counts, counts, [5] * len(counts))
    assert (interval.low, interval.estimate, interval.high) == (0, 0, 0)


@given(COUNTS)
def test_the_interval_holds_the_estimate_and_turns_with_the_sides(counts: list[int]) -> None:
    other = counts[::-1]
    one = bootstrap_difference(counts, other, [5] * len(counts))
    turned = bootstrap_difference(other, counts, [5] * len(counts))
    assert one.low <= one.estimate + 1e-9
    assert one.estimate <= one.high + 1e-9
    assert turned.low == pytest.approx(-one.high)


def test_the_interval_is_as_wide_as_theory_says() -> None:
    rng = np.random.default_rng(1)
    hits = rng.integers(0, 2, 400).tolist()
    interval = bootstrap_difference(hits, [0] * 400, [1] * 400)
    expected = 2 * 1.96 * math.sqrt(0.25 / 400)
    assert interval.high - interval.low == pytest.approx(expected, rel=0.15)


def test_a_ratio_of_medians_has_an_interval_around_it() -> None:
    interval = bootstrap_ratio_of_medians([0.5, 0.6, 0.7, 0.8], [1.0, 1.2, 1.4, 1.6])
    assert interval.estimate == pytest.approx(0.5)
    assert interval.low <= 0.5 <= interval.high
