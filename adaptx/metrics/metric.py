"""What a metric is: sums of per-example statistics, and the value of such sums.

A mean has two statistics an example (its value, and 1); an F1 over a whole set has three (correct, predicted, gold).
A score is the value of the statistics' sum over all examples, so a resample of the examples, as the bootstrap draws
it, is a weighted sum of the same rows, and no prediction is scored twice.
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
    """One metric, by the name that tasks and tables use.

    statistics: (predictions, golds, language) -> [examples, statistics]. value: sums [..., statistics] -> scores [...],
    shares in [0, 1]. source: the official scorer that it equals, and its paper. languages: the only ones it has rules
    for; None: any.
    """

    name: str
    statistics: Callable[[Sequence[Any], Sequence[Any], str], Floats]
    value: Callable[[Floats], Floats]
    source: str
    languages: tuple[str, ...] | None = None

    def score(self, predictions: Sequence[Any], golds: Sequence[Any], language: str) -> float:
        """The metric over all examples, in [0, 1].

        Raises:
            UserError: there are not as many predictions as golds.
        """
        return float(self.value(self.statistics(predictions, golds, language).sum(axis=0)))


def mean(sums: Floats) -> Floats:
    """Value of (sum of values, number of values)."""
    return sums[..., 0] / np.maximum(sums[..., 1], 1)


def f1(sums: Floats) -> Floats:
    """Harmonic mean of precision and recall from (correct, predicted, gold); 0 where nothing is predicted or gold."""
    return 2 * sums[..., 0] / np.maximum(sums[..., 1] + sums[..., 2], 1)


def one_each(values: Sequence[float]) -> Floats:
    """Statistics of a mean over examples: each example's value, and 1."""
    return np.stack([np.asarray(values, dtype=np.float64), np.ones(len(values))], axis=1)


def check_lengths(predictions: Sequence[Any], golds: Sequence[Any]) -> None:
    """Raises:
    UserError: there are not as many predictions as golds.
    """
    if len(predictions) != len(golds):
        raise UserError(f"{len(predictions)} predictions for {len(golds)} golds")
