"""The interface of a metric: statistics per example, and a value computed from their sum over examples.

A mean has two statistics per example: the example's value, and 1. An F1 over a whole set has three: the numbers of
correct, predicted and gold items. A bootstrap resample of the examples is a weighted sum of the same statistics, so
every prediction is scored only once, however many resamples are drawn.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adaptx.errors import UserError

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric.

    name: the name that tasks and tables use. statistics: a function (predictions, gold answers, language) -> [examples,
    statistics]. value: a function from sums of statistics [..., statistics] to scores [...] in [0, 1]. source: the
    official scorer with the same scores, and its paper. languages: the languages for which the metric has rules; None
    means any language.
    """

    name: str
    statistics: Callable[[Sequence[Any], Sequence[Any], str], Floats]
    value: Callable[[Floats], Floats]
    source: str
    languages: tuple[str, ...] | None = None

    def score(self, predictions: Sequence[Any], golds: Sequence[Any], language: str) -> float:
        """Return the score over all examples, in [0, 1].

        Raises:
            UserError: the numbers of predictions and gold answers differ.
        """
        return float(self.value(self.statistics(predictions, golds, language).sum(axis=0)))

    def is_mean_of_rows(self, statistics: Floats) -> bool:
        """Return whether the score is the mean of one value per example. Accuracy is one; the F1 of a whole set is not.

        statistics: what the function of the same name returns for a set.
        """
        return self.value is mean and bool((statistics[:, 1] == 1).all())


def mean(sums: Floats) -> Floats:
    """Return the mean from (sum of values, number of values); 0 if there are no values."""
    return sums[..., 0] / np.maximum(sums[..., 1], 1)


def f1(sums: Floats) -> Floats:
    """Return the F1 from the numbers (correct, predicted, gold); 0 if nothing is predicted and nothing is gold."""
    return 2 * sums[..., 0] / np.maximum(sums[..., 1] + sums[..., 2], 1)


def one_each(values: Sequence[float]) -> Floats:
    """Return the statistics of a mean over examples: the value of each example, and 1."""
    return np.stack([np.asarray(values, dtype=np.float64), np.ones(len(values))], axis=1)


def check_lengths(predictions: Sequence[Any], golds: Sequence[Any]) -> None:
    """Check that there are as many predictions as gold answers.

    Raises:
        UserError: the numbers differ.
    """
    if len(predictions) != len(golds):
        raise UserError(
            f"there are {len(predictions)} predictions for {len(golds)} gold answers; give one prediction "
            "per gold answer, in order"
        )
