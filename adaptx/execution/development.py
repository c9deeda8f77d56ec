"""The score on development rows. A training uses it to select its best step, and a merge to search for its weights."""

from collections.abc import Callable, Iterable
from statistics import mean

from adaptx.data.examples import Examples
from adaptx.evaluation.evaluator import scores
from adaptx.formats.interface import Predictions
from adaptx.formats.row_cache import RowCache
from adaptx.specs import Task

DevelopmentSet = tuple[Task, str, Examples]
"""A task, the language of the rows, and the development rows in that language."""


def development_sets(tasks: Iterable[Task], cache: RowCache, limit: int | None = None) -> list[DevelopmentSet]:
    """Read the development rows of tasks, at most `limit` rows per set."""
    return [(task, rows.language, cache.rows(rows, task.format, limit)) for task in tasks for rows in task.development]


def development_score(sets: Iterable[DevelopmentSet], predict: Callable[[Task, Examples], Predictions]) -> float:
    """Average each task's first metric over the task's languages. Return the mean of these averages over the tasks."""
    values: dict[str, list[float]] = {}
    for task, language, examples in sets:
        found = scores(task, predict(task, examples), language)
        values.setdefault(task.name, []).append(found[task.metrics[0]])
    return mean(mean(each) for each in values.values())
