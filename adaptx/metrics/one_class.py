"""One class alone: predictions or golds that are all the same, whose score says nothing of what a model has learned."""

from collections.abc import Sequence
from typing import Any

from adaptx.specs import TaskFormat
from adaptx.store.records import OneClass


def only_class(task_format: TaskFormat, values: Sequence[Any]) -> str | None:
    """The class that all predictions or golds are of; None where there are several, or fewer than two values."""
    if len(values) < 2:
        return None
    classes = task_format.classes
    first = next((name for value in values for name in classes(value)), None)
    return first if all(name == first for value in values for name in classes(value)) else None


def one_class_notes(task_format: TaskFormat, predictions: Sequence[Any], golds: Sequence[Any]) -> OneClass:
    """Return the only class among the golds and among the predictions."""
    return OneClass(only_class(task_format, golds), only_class(task_format, predictions))


def sentences(found: OneClass, rows: int) -> list[str]:
    """Return the notes about a set of `rows` rows."""
    told: list[str] = []
    if found.golds is not None:
        told.append(
            f"all {rows:,} gold answers of this set are {found.golds}: a model that always says so scores 100 %; "
            "score a set that has the other classes, too"
        )
    if found.predictions is not None:
        told.append(
            f"all {rows:,} predictions are {found.predictions}: the model does not tell the rows apart, and its "
            "score is that of a constant"
        )
    return told
