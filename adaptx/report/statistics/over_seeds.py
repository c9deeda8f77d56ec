"""How much a mean over seeds would vary with other seeds: Student's t interval over the values of the seeds.

The test rows stay the same here, and the bootstrap over test rows keeps the seeds. Dror et al. 2018 (The Hitchhiker's
Guide to Testing Statistical Significance in NLP) explain why both are needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from adaptx.report.statistics.bootstrap import LEVEL

LEAST_SEEDS = 3
"""Minimum number of seeds for an interval. With two seeds, it would have one degree of freedom and be far too wide."""


@dataclass(frozen=True, kw_only=True)
class OverSeeds:
    """Mean and standard deviation of a value over seeds.

    Attributes:
        seeds: number of seeds.
        deviation: None with a single seed.
        low, high: t interval of the mean; None with fewer than three seeds.
        p: two-sided p-value for a mean of zero; None with fewer than three seeds.
    """

    seeds: int
    mean: float
    deviation: float | None
    low: float | None = None
    high: float | None = None
    p: float | None = None


def over_seeds(values: Sequence[float], level: float = LEVEL) -> OverSeeds:
    """Return the mean and its t interval, given one value per seed."""
    from scipy import stats

    count, mean = len(values), float(np.mean(values))
    deviation = float(np.std(values, ddof=1)) if count > 1 else None
    if count < LEAST_SEEDS or deviation is None:
        return OverSeeds(seeds=count, mean=mean, deviation=deviation)
    error = deviation / count**0.5
    if error == 0:
        return OverSeeds(seeds=count, mean=mean, deviation=deviation, low=mean, high=mean, p=1.0 if mean == 0 else 0.0)
    half = float(stats.t.ppf(0.5 + level / 2, count - 1)) * error
    p = float(2 * stats.t.sf(abs(mean) / error, count - 1))
    return OverSeeds(seeds=count, mean=mean, deviation=deviation, low=mean - half, high=mean + half, p=p)
