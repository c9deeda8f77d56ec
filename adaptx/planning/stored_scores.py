"""The scores of stored evaluations, computed again from their predictions and gold answers.

Reports, MLflow and model cards use these scores, so a corrected metric applies to older evaluations too.
"""

import functools
import hashlib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from adaptx import metrics
from adaptx.errors import UserError
from adaptx.metrics import METRICS, Floats
from adaptx.metrics.per_class import ClassScore, class_scores, has_labels, macro_f1
from adaptx.specs import Evaluate
from adaptx.store.entry import Entry
from adaptx.store.records import Golds, Scores

MACRO_F1 = "macro_f1"


@dataclass(frozen=True, eq=False)
class StoredScore:
    """A stored evaluation with its scores, computed again.

    Attributes:
        record: the stored scores without their predictions.
        statistics: metric -> the numbers of each example from which it is computed, such as 1 for a right answer.
        classes: the scores per class; empty if answers are not labels.
    """

    record: Scores
    golds: Golds
    statistics: Mapping[str, Floats]
    classes: tuple[ClassScore, ...]

    @property
    def scores(self) -> dict[str, float]:
        """Value of each metric over all examples, between 0 and 1: the task's metrics and, for labels, macro-F1."""
        return values(self.statistics) | ({MACRO_F1: macro_f1(self.classes)} if self.classes else {})


class StoredScores:
    """A reader of stored evaluations. Gold answers that several evaluations share are read once."""

    def __init__(self) -> None:
        self._golds: dict[Path, Golds] = {}

    def golds(self, entry: Entry) -> Golds:
        file = entry.golds_file
        assert file is not None, f"{entry.folder} was stored without golds"
        if file not in self._golds:
            self._golds[file] = entry.golds
        return self._golds[file]

    def read(self, evaluate: Evaluate, entry: Entry) -> StoredScore:
        """Return an evaluation with its scores, which are computed again.

        Raises:
            UserError: the gold answers do not fit the predictions.
        """
        record, golds = entry.scores, self.golds(entry)
        try:
            statistics = {
                name: METRICS[name].statistics(record.predictions, golds.golds, evaluate.language)
                for name in evaluate.task.metrics
            }
            labelled = has_labels(evaluate.task)
            classes = class_scores(record.predictions, golds.golds) if labelled else ()
        except UserError as error:
            raise UserError(f"{entry.folder}: {error}; remove that folder and run the recipe again") from error
        for name, found in statistics.items():
            # The bootstrap draws rows, so it must know which row each example belongs to.
            assert len(found) == len(golds.rows), f"{entry.folder}: {name} of {len(golds.rows)} rows"
        return StoredScore(replace(record, predictions=[]), golds, statistics, classes)

    def scores(self, evaluate: Evaluate, entry: Entry) -> dict[str, float]:
        """Return the value of each metric over all examples, between 0 and 1, by metric name.

        Raises:
            UserError: the gold answers do not fit the predictions.
        """
        return self.read(evaluate, entry).scores


def values(statistics: Mapping[str, Floats]) -> dict[str, float]:
    """Return metric -> its value over all examples. statistics: metric -> its numbers for each example."""
    return {name: float(METRICS[name].value(each.sum(axis=0))) for name, each in statistics.items()}


def metrics_digest() -> str:
    """Return a digest of the code that computes metrics. If it changes, scores may change too."""
    functions = (function for metric in METRICS.values() for function in (metric.statistics, metric.value))
    own = Path(inspect.getfile(metrics)).parent.rglob("*.py")
    return _digest(tuple(sorted({*own, *(Path(inspect.getfile(inspect.unwrap(each))) for each in functions)})))


@functools.cache
def _digest(files: tuple[Path, ...]) -> str:
    return hashlib.sha256(b"".join(hashlib.sha256(file.read_bytes()).digest() for file in files)).hexdigest()
