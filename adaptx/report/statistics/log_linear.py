"""A straight line in the logarithm of size, with its confidence band, and a test that compares two groups of slopes.

value = intercept + slope * log10(size), so the slope is the change in value for a tenfold size. The band is the t
interval of the line's height (Draper and Smith 1998, Applied Regression Analysis, section 1.4), not a prediction
interval for single points.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adaptx.report.statistics.bootstrap import LEVEL, Floats

Line = tuple[Sequence[float], Sequence[float]]
"""The sizes and the values of a line's points."""

LEAST_SIZES = 3
"""Minimum number of distinct sizes for a line, because any two points lie on a line exactly."""


@dataclass(frozen=True, kw_only=True)
class LogLine:
    """A fitted line.

    slope: change in value per tenfold size. low, high, p: the slope's interval, and the p-value for a slope of zero.
    points: number of points. mean_log_size, squares, scatter: the mean of log10(size), the sum of squared deviations
    from that mean, and the residual standard deviation. The band is computed from these three.
    """

    intercept: float
    slope: float
    low: float
    high: float
    p: float
    points: int
    mean_log_size: float
    squares: float
    scatter: float

    def at(self, sizes: Sequence[float]) -> Floats:
        """Return the line's height and its band at these sizes, shape [sizes, 3]: (height, low, high)."""
        from scipy import stats

        log_S = np.log10(np.asarray(sizes, dtype=np.float64))
        height_S = self.intercept + self.slope * log_S
        error_S = self.scatter * np.sqrt(1 / self.points + (log_S - self.mean_log_size) ** 2 / self.squares)
        half_S = float(stats.t.ppf(0.5 + LEVEL / 2, self.points - 2)) * error_S
        return np.column_stack([height_S, height_S - half_S, height_S + half_S])


@dataclass(frozen=True, kw_only=True)
class SlopeDifference:
    """The mean slope of one group of lines minus the mean slope of another group.

    low, high, p: from Welch's t-test, with one observation per line. lines: number of lines in each group.
    """

    one: float
    other: float
    difference: float
    low: float
    high: float
    p: float
    lines: tuple[int, int]


def log_line(sizes: Sequence[float], values: Sequence[float]) -> LogLine | None:
    """Return the least-squares line of values over log10(sizes); None with fewer than three distinct sizes."""
    from scipy import stats

    if len(set(sizes)) < LEAST_SIZES:
        return None
    log_N, value_N = np.log10(np.asarray(sizes, dtype=np.float64)), np.asarray(values, dtype=np.float64)
    squares = float(((log_N - log_N.mean()) ** 2).sum())
    slope = float(((log_N - log_N.mean()) * value_N).sum() / squares)
    intercept = float(value_N.mean() - slope * log_N.mean())
    free = len(value_N) - 2
    scatter = float(np.sqrt(((value_N - intercept - slope * log_N) ** 2).sum() / free))
    error = scatter / squares**0.5
    half = float(stats.t.ppf(0.5 + LEVEL / 2, free)) * error
    p = float(2 * stats.t.sf(abs(slope) / error, free)) if error > 0 else float(slope == 0)
    return LogLine(
        intercept=intercept,
        slope=slope,
        low=slope - half,
        high=slope + half,
        p=p,
        points=len(value_N),
        mean_log_size=float(log_N.mean()),
        squares=squares,
        scatter=scatter,
    )


def slope_difference(
    one: Mapping[str, Line],
    other: Mapping[str, Line],
) -> SlopeDifference | None:
    """Return a test of whether two groups of languages differ in mean slope. A group is language -> (sizes, values).

    One line is fitted per language, and Welch's t-test compares the slopes. Languages are the observations, because the
    question is about languages in general. Return None if a group has fewer than two lines.
    """
    from scipy import stats

    slopes = [_slopes(lines) for lines in (one, other)]
    if min(map(len, slopes)) < 2:
        return None
    test: Any = stats.ttest_ind(*slopes, equal_var=False)
    low, high = test.confidence_interval(LEVEL)
    first, second = (float(np.mean(each)) for each in slopes)
    lines = len(slopes[0]), len(slopes[1])
    return SlopeDifference(
        one=first,
        other=second,
        difference=first - second,
        low=float(low),
        high=float(high),
        p=float(test.pvalue),
        lines=lines,
    )


def mean_slope(lines: Mapping[str, Line]) -> float | None:
    """Return the mean slope of several lines; None if no line has three distinct sizes."""
    slopes = _slopes(lines)
    return float(np.mean(slopes)) if slopes else None


def _slopes(lines: Mapping[str, Line]) -> list[float]:
    found = (log_line(sizes, values) for sizes, values in lines.values())
    return [line.slope for line in found if line is not None]
