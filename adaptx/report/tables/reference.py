"""Scores that need no model: that of always predicting the majority class, and that of guessing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from adaptx.metrics.per_class import MajorityClass, chance
from adaptx.report.results.measured import ScoredEvaluation
from adaptx.report.tables.cells import percent
from adaptx.specs import Task

ACCURACY = "accuracy"


@dataclass(frozen=True, kw_only=True)
class Reference:
    """The accuracies that need no model.

    majority: language -> the most frequent class of its test rows, empty if answers do not belong to a few classes.
    chance: expected accuracy of guessing among the labels; None if answers are not labels.
    """

    majority: Mapping[str, MajorityClass]
    chance: float | None

    def majority_over(self, languages: Iterable[str]) -> float | None:
        """Return the accuracy of always predicting the majority class, as a mean over languages; None if unknown."""
        found = [self.majority[language].share if language in self.majority else None for language in languages]
        known = [share for share in found if share is not None]
        return sum(known) / len(known) if known and len(known) == len(found) else None


NO_REFERENCE = Reference(majority={}, chance=None)


def reference(evaluations: Iterable[ScoredEvaluation], task: Task, metric: str) -> Reference:
    """Return the scores on a task that need no model. They are unknown for all metrics but accuracy."""
    if metric != ACCURACY:
        return NO_REFERENCE
    majority: dict[str, MajorityClass] = {}
    for each in evaluations:
        if each.evaluate.task.name == task.name and each.majority is not None:
            majority.setdefault(each.evaluate.language, each.majority)
    return Reference(majority=majority, chance=chance(task))


def reference_caption(found: Reference) -> str:
    """Return a sentence for the caption of a table of scores; empty if there is nothing to say."""
    if not found.majority:
        return ""
    guessing = f" Guessing among the labels scores {percent(found.chance)}%." if found.chance is not None else ""
    return f"Majority class: the score of always predicting the most frequent class of the test rows.{guessing}"
