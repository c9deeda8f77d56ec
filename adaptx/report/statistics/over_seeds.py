"""How far a mean over seeds could move had other seeds been drawn: Student's t interval over the seeds' own values.

The bootstrap over test examples holds the seeds fixed; this holds the test examples fixed. Dror et al. 2018 (The
Hitchhiker's Guide to Testing Statistical Significance in NLP) on why both are needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from adaptx.report.statistics.bootstrap import LEVEL

LEAST_SEEDS = 3
"""With fewer there is no interval: that of two values has one degree of freedom and says next to nothing."""


@dataclass(frozen=True, kw_only=True)
class OverSeeds:
    """Mean and standard deviation of a value over seeds. low, high, p: None with fewer than three of them.

    p: two-sided, of a mean of zero.
    """

    seeds: int
    mean: float
    deviation: float | None
    low: float | None = None
    high: float | None = None
    p: float | None = None


def over_seeds(values: Sequence[float], level: float = LEVEL) -> OverSeeds:
    """The t interval of the mean of one value a seed."""
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
