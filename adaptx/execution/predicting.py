"""Predictions of a stored training for the rows of a file, next to the file's own columns."""

import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adaptx.data.files import Column, open_file, read_table, with_own_set_first
from adaptx.execution.serving import (
    assumed_language,
    open_stage,
    predict_examples,
    prediction_records,
    prompt_if_it_differs_by_language,
    tell,
)
from adaptx.files.standard_input import SHOWN, STANDARD_INPUT, rows_file
from adaptx.sources.sources import Sources
from adaptx.specs import Resources, Tagging
from adaptx.store.store import Store


@dataclass(frozen=True)
class PredictedFile:
    """The rows of a file with a model's predictions.

    columns: the file's columns. records: a record per row, with its row number, the prediction, and the format's
    details (probabilities or a score). roles: the format's roles, such as `text`.
    """

    columns: Mapping[str, Sequence[Any]]
    records: list[dict[str, Any]]
    roles: tuple[str, ...]

    def with_predictions(self, note: Callable[[str], None] | None = None) -> dict[str, Sequence[Any]]:
        """Return the file's columns and, after them, `prediction` and one column per detail.

        A column of predictions whose name the file has already is called `prediction_2`, and `note` is told so. Details
        that only repeat the row, such as the words of a tagged sentence, are left out.
        """
        found: dict[str, Sequence[Any]] = dict(self.columns)
        names = dict.fromkeys(name for record in self.records for name in record if name != "row")
        for name in names:
            if name in self.roles:
                continue
            free = _free_name(name, found)
            if free != name and note is not None:
                note(f"the rows have a column {name!r} already, so the model's is called {free!r}")
            found[free] = [record.get(name) for record in self.records]
        return found


def predict_file(
    store: Store,
    sources: Sources,
    name: str,
    file: Path,
    resources: Resources,
    language: str | None = None,
    note: Callable[[str], None] | None = None,
    columns: Mapping[str, Column] | None = None,
) -> PredictedFile:
    """Return the rows of a file with their predictions.

    file: a file of rows, or `-` for standard input. language: language of the rows. It is needed if the prompt depends
    on it and the task has several languages. note: called before the model is loaded, with one sentence for each reason
    why rows are left out. columns: role -> column of the file, for roles whose column has another name.

    Raises:
        UserError: the stage or file does not exist, columns are missing, the weights were removed, or the language is
            needed but missing.
    """
    stage, task, shop = open_stage(store, sources, name, resources)
    language = language or assumed_language(task, prompt_if_it_differs_by_language(stage, task))
    with rows_file(file, isinstance(task.format, Tagging)) as path:
        reading = with_own_set_first(task, path)
        table = open_file(path, reading, False, columns)
        examples = read_table(table, reading, labelled=False, language=language, columns=columns)
        tell(examples.read_from(SHOWN) if file == STANDARD_INPUT else examples, note)
        kept = {top: table.column(top, range(table.length)) for top in dict.fromkeys(table.names.values())}
    records = prediction_records(predict_examples(stage, task, shop, examples))
    roles = {role for kind in task.format.row_kinds for role in (*kind.needed, *kind.optional)}
    return PredictedFile(kept, records, tuple(sorted(roles)))


def _free_name(name: str, used: Collection[str]) -> str:
    """Return the name, or the name with the smallest number from 2 that makes it differ from all used names."""
    numbered = (f"{name}_{number}" for number in itertools.count(2))
    return next(each for each in itertools.chain((name,), numbered) if each not in used)
