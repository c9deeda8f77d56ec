"""Compute the scores of stored evaluations again, from their predictions and gold answers.

Reports, MLflow and model cards use these scores. A corrected metric therefore applies to older evaluations too.
"""

import functools
import hashlib
import inspect
from collections.abc import Mapping
from pathlib import Path

from adaptx import metrics
from adaptx.errors import UserError
from adaptx.metrics import METRICS, Floats
from adaptx.specs import Evaluate
from adaptx.store.entry import Entry
from adaptx.store.records import Golds


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

    def statistics(self, evaluate: Evaluate, entry: Entry) -> dict[str, Floats]:
        """Return, for each metric name, the numbers that each example gets from the metric, such as 1 for a right
        answer.

        Raises:
            UserError: the gold answers do not fit the predictions.
        """
        predictions, golds = entry.scores.predictions, self.golds(entry)
        try:
            found = {
                name: METRICS[name].statistics(predictions, golds.golds, evaluate.language)
                for name in evaluate.task.metrics
            }
        except UserError as error:
            raise UserError(f"{entry.folder}: {error}; remove that folder and run the recipe again") from error
        for name, statistics in found.items():
            # The bootstrap draws rows, so it must know which row each example belongs to.
            assert len(statistics) == len(golds.rows), f"{entry.folder}: {name} of {len(golds.rows)} rows"
        return found

    def scores(self, evaluate: Evaluate, entry: Entry) -> dict[str, float]:
        """Return the value of each metric over all examples, between 0 and 1, by metric name.

        Raises:
            UserError: the gold answers do not fit the predictions.
        """
        return values(self.statistics(evaluate, entry))


def values(statistics: Mapping[str, Floats]) -> dict[str, float]:
    """Return the value of each metric, by name. statistics: the metric's numbers for each example, by metric name."""
    return {name: float(METRICS[name].value(each.sum(axis=0))) for name, each in statistics.items()}


def metrics_digest() -> str:
    """Return a digest of the code that computes metrics. If it changes, scores may change too."""
    functions = (function for metric in METRICS.values() for function in (metric.statistics, metric.value))
    own = Path(inspect.getfile(metrics)).parent.rglob("*.py")
    return _digest(tuple(sorted({*own, *(Path(inspect.getfile(inspect.unwrap(each))) for each in functions)})))


@functools.cache
def _digest(files: tuple[Path, ...]) -> str:
    return hashlib.sha256(b"".join(hashlib.sha256(file.read_bytes()).digest() for file in files)).hexdigest()
