"""Scores per class, macro-F1, and the score of always predicting the most frequent class.

They describe a classification that is scored by its accuracy: a model with an accuracy of 40 % over three classes may
never predict one of them.
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from adaptx.metrics.metric import check_lengths
from adaptx.specs import Task


@dataclass(frozen=True, kw_only=True)
class ClassScore:
    """The scores of one class. gold, predicted, correct: numbers of rows. A share of no rows is 0."""

    name: str
    gold: int
    predicted: int
    correct: int

    @property
    def precision(self) -> float:
        return self.correct / max(self.predicted, 1)

    @property
    def recall(self) -> float:
        return self.correct / max(self.gold, 1)

    @property
    def f1(self) -> float:
        return 2 * self.correct / max(self.predicted + self.gold, 1)

    @property
    def record(self) -> dict[str, Any]:
        """The scores as plain values. Shares are in [0, 1]."""
        shares = {"precision": self.precision, "recall": self.recall, "f1": self.f1}
        return {"class": self.name, "rows": self.gold, "predicted": self.predicted, **shares}


@dataclass(frozen=True, kw_only=True)
class MajorityClass:
    """The most frequent class of a test set. share: its share of the rows, which is the accuracy of predicting it."""

    name: str
    share: float


@dataclass(frozen=True, kw_only=True)
class ConfusionMatrix:
    """Numbers of rows by gold and predicted class.

    classes: all classes that are gold or predicted, sorted by name. counts: `counts[g][p]` is the number of rows whose
    gold class is `classes[g]` and whose predicted class is `classes[p]`.
    """

    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    def confusions(self) -> list[tuple[str, str, int]]:
        """Return (gold class, predicted class, rows) of each kind of error that occurs, the most frequent first."""
        found = [
            (gold, predicted, count)
            for gold, row in zip(self.classes, self.counts, strict=True)
            for predicted, count in zip(self.classes, row, strict=True)
            if count and gold != predicted
        ]
        return sorted(found, key=lambda each: -each[2])


def class_scores(predictions: Sequence[Hashable], golds: Sequence[Hashable]) -> tuple[ClassScore, ...]:
    """Return the scores of each class that is gold or predicted in at least one row, sorted by name.

    Raises:
        UserError: the numbers of predictions and gold answers differ.
    """
    check_lengths(predictions, golds)
    gold, predicted = Counter(golds), Counter(predictions)
    correct = Counter(each for each, right in zip(predictions, golds, strict=True) if each == right)
    return tuple(
        ClassScore(name=_class_name(name), gold=gold[name], predicted=predicted[name], correct=correct[name])
        for name in sorted({*gold, *predicted}, key=str)
    )


def confusion_matrix(predictions: Sequence[Hashable], golds: Sequence[Hashable]) -> ConfusionMatrix:
    """Return the confusion matrix, with the classes of `class_scores` in the same order.

    Raises:
        UserError: the numbers of predictions and gold answers differ.
    """
    check_lengths(predictions, golds)
    counts = Counter(zip(golds, predictions, strict=True))
    names = sorted({*golds, *predictions}, key=str)
    return ConfusionMatrix(
        classes=tuple(_class_name(name) for name in names),
        counts=tuple(tuple(counts[gold, predicted] for predicted in names) for gold in names),
    )


def macro_f1(scores: Sequence[ClassScore]) -> float:
    """Return the unweighted mean of the classes' F1, as `sklearn.metrics.f1_score(average="macro")`; 0 for no class."""
    return sum(each.f1 for each in scores) / max(len(scores), 1)


def _class_name(answer: Hashable) -> str:
    return str(answer) or "no label"


def has_labels(task: Task) -> bool:
    """Return whether each answer of the task is one label of a fixed set, as in classification (not in tagging)."""
    return bool(task.format.labels) and "accuracy" in task.format.metrics


def chance(task: Task) -> float | None:
    """Return the expected accuracy of guessing among the task's labels; None if answers are not labels."""
    return 1 / len(task.format.labels) if has_labels(task) else None


def majority_class(task: Task, golds: Sequence[Any]) -> MajorityClass | None:
    """Return the most frequent class of a test set; None if its answers do not belong to a few classes.

    For multiple choice, a class is the place of the right choice, such as `choice 2`.
    """
    task_format = task.format
    if not golds or task_format.embeds or "accuracy" not in task_format.metrics:
        return None
    counts = Counter(name for gold in golds for name in task_format.classes(gold))
    name, rows = max(counts.items(), key=lambda pair: (pair[1], pair[0]))
    return MajorityClass(name=name, share=rows / len(golds))
