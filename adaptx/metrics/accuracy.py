"""Accuracy: the share of examples whose prediction equals the gold answer."""

from collections.abc import Sequence
from typing import Any

from adaptx.metrics.metric import Floats, Metric, check_lengths, mean, one_each


def _statistics(predictions: Sequence[Any], golds: Sequence[Any], _language: str) -> Floats:
    check_lengths(predictions, golds)
    return one_each([float(prediction == gold) for prediction, gold in zip(predictions, golds, strict=True)])


ACCURACY = Metric(
    name="accuracy",
    statistics=_statistics,
    value=mean,
    source="xtreme evaluate.py `accuracy` (Hu et al. 2020, arXiv:2003.11080)",
)
