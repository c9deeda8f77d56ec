"""How a gain changes with the logarithm of size: a line over the models of one or several families.

    gain = intercept of the family + slope * log10(size)

The slope is the change for a tenfold size. It is a weighted sum of the models' mean gains (`SeveralMeans`). Its error
over rows and seeds is about the trend through these models and does not cover how other models deviate from the line.
The test `over_models` does: it is the t test of least squares over the models' means (Draper and Smith 1998, Applied
Regression Analysis, section 1.4), and it needs many models to find anything. Verdicts come from this test.

A slope is only given for at least three sizes that span at least half a decade. Otherwise the change between the
smallest and the largest size is given.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from adaptx.report.statistics.bootstrap import LEVEL, Floats
from adaptx.report.statistics.draws import Draws, SeveralMeans, several_means
from adaptx.report.statistics.two_way import TwoWay

LEAST_DECADES = 0.5
"""Minimum span of sizes for a slope, as a logarithm to base 10: the largest model has 3.2 times the smallest's size."""
LEAST_BEYOND = 2
"""Minimum number of sizes beyond one per family for a slope: three sizes of one family, or two of two families each."""
_ROUNDING = 1e-12
"""A standard error below this comes from rounding."""
_SAME = 0.01
"""Sizes whose logarithms differ by less than this (2%) count as one size."""


@dataclass(frozen=True, eq=False)
class SizedModel:
    """A model's size, gain and family. In a series by compute, the size is a number of operations."""

    size: float
    gain: Draws
    family: str = ""


@dataclass(frozen=True, kw_only=True)
class OverModels:
    """The t test of a slope, with the models' means as observations. error: the slope's standard error."""

    slope: float
    error: float
    degrees: int

    @property
    def p(self) -> float:
        """The two-sided p-value of the hypothesis that the slope is zero."""
        from scipy import stats

        return float(2 * stats.t.sf(abs(self.slope) / self.error, self.degrees))

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Return the t interval of the slope."""
        from scipy import stats

        half = float(stats.t.ppf(0.5 + level / 2, self.degrees)) * self.error
        return self.slope - half, self.slope + half


@dataclass(frozen=True, eq=False, kw_only=True)
class Trend:
    """The change of a gain with size.

    Attributes:
        change: the change per tenfold size if `is_line`, else from the smallest to the largest size.
        test: the change with its error over rows and seeds; None if nothing varies.
        over_seeds: whether the error covers seeds.
        sizes: number of distinct sizes.
        decades: log10 of the largest size over the smallest, within one family.
        over_models: test of the slope that also covers how models deviate from the line; None without a line, and if no
            model deviates from it.
    """

    change: float
    test: TwoWay | None
    is_line: bool
    over_seeds: bool
    sizes: int
    decades: float
    over_models: OverModels | None
    means: SeveralMeans
    log_M: Floats

    def at(self, sizes: Sequence[float]) -> Floats:
        """Return a line of one family with its 95% band at these sizes, shape [sizes, 3]: (height, low, high)."""
        slope_M = _slope_weights(self.log_M, np.zeros(len(self.log_M)))
        found: list[tuple[float, float, float]] = []
        for log in np.log10(np.asarray(sizes, dtype=np.float64)):
            weight_M = 1 / len(self.log_M) + (log - self.log_M.mean()) * slope_M
            height, test = float(weight_M @ self.means.mean_M), self.means.weighted(weight_M)
            found.append((height, *(test.interval() if test is not None else (height, height))))
        return np.array(found)


def trend(models: Sequence[SizedModel]) -> Trend | None:
    """Return the change of the gain with size; None with fewer than two sizes.

    Models of several families give one common slope, with an intercept per family. If the sizes of every family span
    less than half a decade, there is no common slope, and the result is None.
    """
    log_M = np.log10(np.array([each.size for each in models], dtype=np.float64))
    family_M = np.unique([each.family for each in models], return_inverse=True)[1].astype(np.float64)
    of_families = [log_M[family_M == family] for family in np.unique(family_M)]
    sizes = sum(len(alike_sizes(each)) for each in of_families)
    decades = max((float(np.ptp(each)) for each in of_families), default=0.0)
    is_line = decades >= LEAST_DECADES and sizes - len(of_families) >= LEAST_BEYOND
    if decades < _SAME or not (is_line or len(of_families) == 1):
        return None
    means = several_means([each.gain for each in models])
    weight_M = _slope_weights(log_M, family_M) if is_line else _end_weights(log_M)
    return Trend(
        change=float(weight_M @ means.mean_M),
        test=means.weighted(weight_M),
        is_line=is_line,
        over_seeds=means.over_seeds,
        sizes=sizes,
        decades=decades,
        over_models=_over_models(log_M, family_M, means.mean_M) if is_line else None,
        means=means,
        log_M=log_M,
    )


def alike_sizes(log_M: Floats) -> list[tuple[int, ...]]:
    """Return the places of the models of each distinct size, in order of size."""
    order_M = np.argsort(log_M, kind="stable")
    breaks = np.flatnonzero(np.diff(log_M[order_M]) >= _SAME) + 1
    return [tuple(map(int, places)) for places in np.split(order_M, breaks)]


def _slope_weights(log_M: Floats, family_M: Floats) -> Floats:
    """Return the weight of each model's mean in the least-squares slope, with an intercept per family."""
    centred_M = log_M.copy()
    for family in np.unique(family_M):
        centred_M[family_M == family] -= log_M[family_M == family].mean()
    return centred_M / float(centred_M @ centred_M)


def _end_weights(log_M: Floats) -> Floats:
    """Return weights for the mean over the largest models minus the mean over the smallest models."""
    largest_M, smallest_M = log_M > log_M.max() - _SAME, log_M < log_M.min() + _SAME
    return largest_M / largest_M.sum() - smallest_M / smallest_M.sum()


def _over_models(log_M: Floats, family_M: Floats, mean_M: Floats) -> OverModels | None:
    """Return the t test of the least-squares slope, with the models' means as observations."""
    families = np.unique(family_M)
    degrees = len(mean_M) - len(families) - 1
    weight_M = _slope_weights(log_M, family_M)
    slope = float(weight_M @ mean_M)
    rest_M = mean_M - slope * log_M
    for family in families:
        rest_M[family_M == family] -= rest_M[family_M == family].mean()
    error = (float(rest_M @ rest_M) / degrees * float(weight_M @ weight_M)) ** 0.5
    return OverModels(slope=slope, error=error, degrees=degrees) if error > _ROUNDING else None
