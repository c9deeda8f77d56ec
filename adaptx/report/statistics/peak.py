"""Whether a gain is lower at the largest budget than at a smaller one: the largest is compared with each smaller one.

A gain that levels off is no peak. A quadratic curve would bend in both cases, and its top may lie outside the measured
budgets. Comparisons of measured budgets assume no curve. Each of them is a weighted sum of the same gains as the slope
(`SeveralMeans`), so a baseline that all budgets share cancels.

The best of several budgets is partly the luckiest, so the largest budget often looks worse than the best one by chance.
The p-values of all comparisons must therefore be corrected together (`holm`). The one with the best smaller budget is
then valid, although this budget was found in the same scores.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from adaptx.report.statistics.bootstrap import Floats
from adaptx.report.statistics.trend import Trend, alike_sizes
from adaptx.report.statistics.two_way import TwoWay

LEAST_BUDGETS = 3
"""Minimum number of budgets for a peak. With two, the slope already compares the larger one with the smaller one."""


@dataclass(frozen=True, eq=False, kw_only=True)
class StepToLast:
    """The largest budget compared with a smaller one. Variants of (almost) the same size are averaged.

    Attributes:
        size, gain, places: the smaller budget, its gain, and the places of its variants in the series.
        last_size, last_gain, last_places: the same for the largest budget.
        test: `last_gain` minus `gain`, with its error over rows and seeds; None if nothing varies.
    """

    size: float
    gain: float
    last_size: float
    last_gain: float
    places: tuple[int, ...]
    last_places: tuple[int, ...]
    test: TwoWay | None

    @property
    def change(self) -> float:
        return self.last_gain - self.gain


def steps_to_last(trend: Trend) -> list[StepToLast]:
    """Return the comparisons of the largest budget with each smaller one; empty with fewer than three budgets."""
    budgets = alike_sizes(trend.log_M)
    if len(budgets) < LEAST_BUDGETS:
        return []
    weights = [_mean_weights(places, len(trend.log_M)) for places in budgets]
    gains = [float(weight_M @ trend.means.mean_M) for weight_M in weights]
    sizes = [float(10 ** trend.log_M[list(places)].mean()) for places in budgets]
    return [
        StepToLast(
            size=sizes[place],
            gain=gains[place],
            last_size=sizes[-1],
            last_gain=gains[-1],
            places=budgets[place],
            last_places=budgets[-1],
            test=trend.means.weighted(weights[-1] - weights[place]),
        )
        for place in range(len(budgets) - 1)
    ]


def best_smaller(steps: Sequence[StepToLast]) -> StepToLast | None:
    """Return the comparison with the smaller budget that has the largest gain; None if there are no comparisons."""
    return max(steps, key=lambda step: step.gain, default=None)


def _mean_weights(places: Sequence[int], count: int) -> Floats:
    weight_M = np.zeros(count)
    weight_M[list(places)] = 1 / len(places)
    return weight_M
