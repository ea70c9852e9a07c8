"""What a handful of measurements says: quantiles and bootstrap intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 5_000


@dataclass(frozen=True, slots=True)
class Summary:
    """How many values, and their median, 90th and 95th percentile."""

    count: int
    median: float
    p90: float
    p95: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Summary":
        """Summarise values; all figures are NaN when there are none."""
        if not values:
            return cls(0, *[float("nan")] * 3)
        median, p90, p95 = np.percentile(np.asarray(values), [50, 90, 95])
        return cls(len(values), float(median), float(p90), float(p95))


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and the bounds that hold it with 95% confidence."""

    estimate: float
    low: float
    high: float


def bootstrap_difference(
    hits: Sequence[float], other_hits: Sequence[float], sizes: Sequence[float], seed: int = 0
) -> Interval:
    """Return the difference of two pooled rates over the same utterances, with its bootstrap interval.

    A rate is Σ hits / Σ sizes: word errors of words, slot values heard of slot values. Whole utterances are
    drawn with replacement (B. Efron, R. Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13; for
    word error rates M. Bisani, H. Ney, ICASSP 2004), both systems on the same draw because they heard the
    same utterances.
    """
    difference = np.asarray(hits, dtype=float) - np.asarray(other_hits, dtype=float)
    weight = np.asarray(sizes, dtype=float)
    draws: NDArray[np.int64] = np.random.default_rng(seed).integers(0, len(weight), (RESAMPLES, len(weight)))
    resampled = difference[draws].sum(axis=1) / weight[draws].sum(axis=1)
    low, high = np.percentile(resampled, [2.5, 97.5])
    return Interval(float(difference.sum() / weight.sum()), float(low), float(high))


def bootstrap_ratio_of_medians(ours: Sequence[float], theirs: Sequence[float], seed: int = 0) -> Interval:
    """Return median(ours) / median(theirs) with its bootstrap interval, the two sides drawn apart."""
    rng = np.random.default_rng(seed)
    one, other = np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float)
    medians = [np.median(rng.choice(side, (RESAMPLES, len(side))), axis=1) for side in (one, other)]
    low, high = np.percentile(medians[0] / medians[1], [2.5, 97.5])
    return Interval(float(np.median(one) / np.median(other)), float(low), float(high))
