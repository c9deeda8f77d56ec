"""Cases of accuracy: `tasks.<task>.<language>` with the lists `labels` and `predictions` (strings or whole numbers)."""

from collections.abc import Sequence
from typing import Any

from adaptx.metrics.cases.case import CaseNode
from adaptx.metrics.cases.scorer import Scorer, attempt, ratio
from adaptx.metrics.official import OfficialStop


def accuracy(labels: Sequence[str | int], predictions: Sequence[str | int]) -> dict[str, float]:
    """Return the percentage of right predictions, as evaluate.py `accuracy` computes it. If there are more labels than
    predictions, the surplus labels are ignored. Surplus predictions count as wrong.
    """
    correct = sum(prediction == label for prediction, label in zip(predictions, labels, strict=False))
    return {"accuracy": ratio(float(correct), len(predictions), "predictions") * 100}


def unequal(num_predictions: int, num_labels: int) -> OfficialStop:
    """Return the error for different numbers of predictions and labels, as in evaluate.py `evaluate_one_task`."""
    cause = f"there are {num_predictions} predictions for {num_labels} labels"
    return OfficialStop("AssertionError", "Number of examples not matched", cause)


def checked_accuracy(labels: Sequence[str | int], predictions: Sequence[str | int]) -> dict[str, float]:
    """Check the lengths as evaluate.py `evaluate_one_task` does, and return the accuracy.

    Raises:
        OfficialStop: the numbers of predictions and labels differ, or there are no predictions.
    """
    if len(labels) != len(predictions):
        raise unequal(len(predictions), len(labels))
    return accuracy(labels, predictions)


def _accuracy(inputs: CaseNode) -> dict[str, Any]:
    return {
        task: {
            language: attempt(lambda rows=rows: checked_accuracy(rows["labels"].labels(), rows["predictions"].labels()))
            for language, rows in languages.items()
        }
        for task, languages in inputs["tasks"].items()
    }


ACCURACY = Scorer(_accuracy)
