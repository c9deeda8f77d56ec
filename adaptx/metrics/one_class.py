"""Notes about predictions or gold answers that are all of one class.

The score of such a set does not show what a model has learned.
"""

from collections.abc import Sequence
from typing import Any

from adaptx.specs import TaskFormat
from adaptx.store.records import OneClass


def only_class(task_format: TaskFormat, values: Sequence[Any]) -> str | None:
    """Return the one class that all values have. None means that there are several classes or fewer than two values."""
    if len(values) < 2:
        return None
    classes = task_format.classes
    first = next((name for value in values for name in classes(value)), None)
    return first if all(name == first for value in values for name in classes(value)) else None


def one_class_notes(task_format: TaskFormat, predictions: Sequence[Any], golds: Sequence[Any]) -> OneClass:
    """Return the one class of all gold answers, and that of all predictions; each may be None, as in `only_class`."""
    return OneClass(only_class(task_format, golds), only_class(task_format, predictions))


def sentences(found: OneClass, rows: int) -> list[str]:
    """Return a note if all gold answers of a set of `rows` rows are of one class, and one if all predictions are."""
    told: list[str] = []
    if found.golds is not None:
        told.append(
            f"all {rows:,} gold answers of this set are {found.golds}, so a model that always predicts this scores "
            "100 %; score a set that also has the other classes"
        )
    if found.predictions is not None:
        told.append(
            f"all {rows:,} predictions are {found.predictions}: the model does not distinguish the rows, and its score "
            "is that of a constant prediction; train it with a higher learning rate, more steps or more rows"
        )
    return told
