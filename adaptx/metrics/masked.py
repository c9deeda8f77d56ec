"""Accuracy of masked language modelling over all masked tokens.

A prediction is (number of correctly predicted tokens, number of masked tokens).
"""

from collections.abc import Sequence

import numpy as np

from adaptx.metrics.metric import Floats, Metric, mean


def _statistics(predictions: Sequence[Sequence[float]], _golds: Sequence[object], _language: str) -> Floats:
    return np.asarray(predictions, dtype=np.float64).reshape(len(predictions), 2)


MASKED_ACCURACY = Metric(
    name="masked_accuracy",
    statistics=_statistics,
    value=mean,
    source="share of masked tokens whose likeliest token is the right one (Devlin et al. 2019, arXiv:1810.04805, "
    "appendix A)",
)
