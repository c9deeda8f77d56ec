"""The score that a model without any knowledge has: that of the most common class, or that of guessing."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from adaptx.specs import TaskFormat

GUESSED = "accuracy"
"""The metric in which constant predictions and guesses score clearly more than zero."""


def chance_level(task_format: TaskFormat, golds: Sequence[Any], metric: str) -> float:
    """Return the score of constant or random predictions on a test set, as a share.

    For accuracy, this is the share of the most common gold class, but at least 1 / number of classes: 0.33 for NLI, and
    0.001 for finding each of 1,000 sentences among the others. It is 0 for other metrics, because a guessed span or
    entity is rarely right.
    """
    if metric != GUESSED:
        return 0.0
    classes = Counter(name for gold in golds for name in task_format.classes(gold))
    if not classes:
        return 0.0
    most = classes.most_common(1)[0][1] / classes.total()
    return max(most, 1 / max(len(task_format.labels), len(classes)))
