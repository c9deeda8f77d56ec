"""One class alone: predictions or golds that are all the same, whose score says nothing of what a model has learned."""

from collections.abc import Callable, Sequence
from typing import Any

from adaptx.metrics.squad_v2 import NO_ANSWER_THRESHOLD
from adaptx.specs import Bitext, Classification, MultipleChoice, QuestionAnswering, Retrieval, Tagging, TaskFormat

NO_ANSWER = "no answer"


def _label(label: str) -> list[str]:
    return [label or "no label"]


def _answer(answer: Any) -> list[str]:
    """Return [class] of a prediction (a text, perhaps with the probability of no answer) or of gold answers."""
    if isinstance(answer, list):
        text = answer[0] if answer else ""
    elif isinstance(answer, dict):
        text = "" if answer["no_answer"] > NO_ANSWER_THRESHOLD else answer["text"]
    else:
        text = answer
    return [repr(text) if text.strip() else NO_ANSWER]


CLASSES: dict[type[TaskFormat], Callable[[Any], list[str]]] = {
    Classification: _label,
    MultipleChoice: lambda place: [f"choice {place + 1}"],
    Tagging: lambda tags: tags,
    QuestionAnswering: _answer,
    Retrieval: lambda names: [f"candidate {names[0]}"] if names else [],
    Bitext: lambda place: [f"candidate {place}"],
}
"""Format -> a function that names the classes of one prediction or gold. Others have none."""


def only_class(task_format: TaskFormat, values: Sequence[Any]) -> str | None:
    """The class that all predictions or golds are of; None where there are several, or fewer than two values."""
    classes = CLASSES.get(type(task_format))
    if classes is None or len(values) < 2:
        return None
    first = next((name for value in values for name in classes(value)), None)
    return first if all(name == first for value in values for name in classes(value)) else None


def one_class_notes(task_format: TaskFormat, predictions: Sequence[Any], golds: Sequence[Any]) -> dict[str, str | None]:
    """Return the only class among the golds and among the predictions, as scores.json keeps it; None for several."""
    return {"golds": only_class(task_format, golds), "predictions": only_class(task_format, predictions)}


def sentences(found: dict[str, str | None], rows: int) -> list[str]:
    """Return the notes about a set of `rows` rows."""
    told: list[str] = []
    if found["golds"] is not None:
        told.append(
            f"all {rows:,} gold answers of this set are {found['golds']}: a model that always says so scores 100 %; "
            "score a set that has the other classes, too"
        )
    if found["predictions"] is not None:
        told.append(
            f"all {rows:,} predictions are {found['predictions']}: the model does not tell the rows apart, and its "
            "score is that of a constant"
        )
    return told
