"""Metrics: predictions and golds to a score per example, whose mean is the metric.

Every metric here is a mean of per-example values, which is what the paired bootstrap resamples.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

PerExample = Callable[[Sequence[object], Sequence[object]], NDArray[np.float64]]


def accuracy(predictions: Sequence[object], golds: Sequence[object]) -> NDArray[np.float64]:
    """1.0 where the prediction is the gold, else 0.0; shape [examples].

    Raises:
        ValueError: there are not as many predictions as golds.
    """
    if len(predictions) != len(golds):
        raise ValueError(f"{len(predictions)} predictions for {len(golds)} golds")
    return np.array([prediction == gold for prediction, gold in zip(predictions, golds, strict=True)], dtype=np.float64)


METRICS: dict[str, PerExample] = {"accuracy": accuracy}
