"""Newcombe's interval for the difference of two proportions, such as the accuracies of two models on the same rows.

It combines the Wilson intervals of the two proportions. A Wilson interval has a width even if every answer is right,
and so the difference has one even if both models give the same answers to all rows.

Rows that share a premise tell less than as many independent rows. Wilson's interval then takes the effective number of
rows (Korn and Graubard 1998). Scores of rows may also lie between 0 and 1. They vary less than zeros and ones with the
same mean, so the interval is then too wide rather than too narrow.

Sources: Newcombe 1998, Improved confidence intervals for the difference between binomial proportions based on paired
data, method 10 (Statistics in Medicine 17(22)); Wilson 1927, Probable Inference, the Law of Succession, and Statistical
Inference (Journal of the American Statistical Association 22(158)); Korn and Graubard 1998, Confidence Intervals for
Proportions With Small Expected Number of Positive Counts Estimated From Survey Data (Survey Methodology 24(2)).

Suffixes of arrays: N rows.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adaptx.report.statistics.bootstrap import Floats


@dataclass(frozen=True)
class Margins:
    """The distances from an estimate to the lower and to the upper limit of its interval, both at least 0."""

    below: float
    above: float


def wilson(share: float, rows: float, level: float) -> Margins:
    """Return the margins of Wilson's score interval of a proportion. rows: may be a fraction, such as 40.5."""
    z = normal_quantile(level)
    middle = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z / (1 + z * z / rows) * (share * (1 - share) / rows + z * z / (4 * rows * rows)) ** 0.5
    return Margins(max(share - (middle - half), 0.0), max(middle + half - share, 0.0))


def newcombe(ours_N: Floats, theirs_N: Floats, cluster_N: NDArray[np.int64], level: float) -> Margins:
    """Return the margins of Newcombe's interval of the difference of two mean scores over the same rows.

    ours_N, theirs_N: each row's score in both systems, such as 1 for a right answer. cluster_N: each row's cluster.
    """
    ours, theirs = float(ours_N.mean()), float(theirs_N.mean())
    fewest = len(np.unique(cluster_N))
    known = [rows for scores in (ours_N, theirs_N) if (rows := effective_rows(scores, cluster_N)) is not None]
    # Answers that are all right or all wrong do not show how much rows of a cluster depend on one another.
    rows = min(known, default=float(fewest))
    one, two = wilson(ours, rows, level), wilson(theirs, rows, level)
    phi = _phi(ours_N, theirs_N, rows)
    return Margins(_hypotenuse(one.below, two.above, phi), _hypotenuse(one.above, two.below, phi))


def effective_rows(scores_N: Floats, cluster_N: NDArray[np.int64]) -> float | None:
    """Return the number of independent rows whose mean score would vary as much as the mean of these clustered rows.

    It is at most the number of rows. Return None if all scores are 0 or all are 1, because it cannot be estimated then.
    """
    share, rows = float(scores_N.mean()), len(scores_N)
    numbers, place_N = np.unique(cluster_N, return_inverse=True)
    if len(numbers) == rows:
        return float(rows)
    if not 0 < share < 1 or len(numbers) < 2:
        return None
    totals = np.bincount(place_N, scores_N - share)
    variance = float(totals @ totals) * len(numbers) / (len(numbers) - 1) / rows**2
    return float(rows) if variance == 0 else min(float(rows), share * (1 - share) / variance)


def normal_quantile(level: float) -> float:
    """Return the half-width of a standard normal distribution's central interval: 1.96 for a level of 0.95."""
    from scipy import stats

    return float(stats.norm.ppf(0.5 + level / 2))


def _phi(ours_N: Floats, theirs_N: Floats, rows: float) -> float:
    """Return the correlation of the two systems' scores, with Newcombe's correction for continuity if it is positive.

    It is 0 if the scores of a system are all 0 or all 1.
    """
    ours, theirs = float(ours_N.mean()), float(theirs_N.mean())
    deviations = (ours * (1 - ours) * theirs * (1 - theirs)) ** 0.5
    if deviations == 0:
        return 0.0
    covariance = float((ours_N * theirs_N).mean()) - ours * theirs
    return (max(covariance - 0.5 / rows, 0.0) if covariance > 0 else covariance) / deviations


def _hypotenuse(one: float, two: float, phi: float) -> float:
    """Return the margin of a difference, given the margins of its two terms and their correlation."""
    return max(one * one - 2 * phi * one * two + two * two, 0.0) ** 0.5
