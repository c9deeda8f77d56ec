"""Scores per class of a classification: a table for the page's details, and the rows of classes.csv."""

from collections.abc import Sequence
from typing import Any

from adaptx.catalog.languages import language_name
from adaptx.metrics.per_class import ClassScore
from adaptx.report.results.measured import Measurements, ScoredEvaluation
from adaptx.report.tables.cells import count, percent
from adaptx.report.tables.table import Column, Table, TableCell
from adaptx.specs import Task

MOST_ROWS = 1_500
"""Maximum number of rows of the table on the page. A longer one has macro-F1 alone."""


def class_table(measurements: Measurements, task: Task) -> Table | None:
    """Return a table with macro-F1, and with precision, recall and F1 of each class.

    Shares and numbers of predictions are means over seeds. Return None if answers are not labels.
    """
    groups: dict[tuple[str, str], list[ScoredEvaluation]] = {}
    for measured in measurements.measured:
        if measured.evaluate.task.name == task.name and measured.classes:
            groups.setdefault((measured.variant, measured.evaluate.language), []).append(measured)
    if not groups:
        return None
    long = sum(len(_names(seeds)) for seeds in groups.values()) > MOST_ROWS
    rows = [row for (variant, language), seeds in groups.items() for row in _rows(variant, language, seeds, long)]
    columns = (Column("variant", True), Column("language", True), Column("macro-F1, %"))
    by_class = (
        Column("class", True),
        Column("rows"),
        Column("predicted"),
        Column("precision, %"),
        Column("recall, %"),
        Column("F1, %"),
    )
    caption = (
        "Macro-F1 is the unweighted mean of the F1 of all classes that occur in the test rows or in the predictions. "
        "rows: test rows of the class. predicted: rows for which the class is predicted. Means over seeds."
    )
    more = f" The table has more than {MOST_ROWS:,} rows with its classes, so they are in classes.csv alone."
    return Table(
        f"{task.name} · scores per class",
        columns if long else columns + by_class,
        tuple(rows),
        caption + more if long else caption,
    )


def class_records(measurements: Measurements) -> list[dict[str, Any]]:
    """Return one record per stored evaluation and class, with plain values. Shares are in [0, 1]."""
    return [
        {
            "variant": measured.variant,
            "model": measured.factors.model,
            "seed": measured.factors.seed,
            "task": measured.evaluate.task.name,
            "language": measured.evaluate.language,
            **each.record,
            "macro_f1": measured.macro_f1,
            "fingerprint": measured.fingerprint,
        }
        for measured in measurements.measured
        for each in measured.classes
    ]


def _rows(variant: str, language: str, seeds: Sequence[ScoredEvaluation], long: bool) -> list[tuple[TableCell, ...]]:
    macro = percent(_mean([measured.macro_f1 or 0.0 for measured in seeds]))
    first = (TableCell(variant), TableCell(language_name(language)), TableCell(macro))
    if long:
        return [first]
    blank = (TableCell(""),) * len(first)
    return [
        (*(blank if place else first), *_class_cells(name, [_of_class(measured, name) for measured in seeds]))
        for place, name in enumerate(_names(seeds))
    ]


def _class_cells(name: str, seeds: Sequence[ClassScore]) -> tuple[TableCell, ...]:
    return (
        TableCell(name),
        TableCell(count(seeds[0].gold)),
        TableCell(f"{_mean([each.predicted for each in seeds]):,.4g}"),
        TableCell(percent(_mean([each.precision for each in seeds]))),
        TableCell(percent(_mean([each.recall for each in seeds]))),
        TableCell(percent(_mean([each.f1 for each in seeds]))),
    )


def _names(seeds: Sequence[ScoredEvaluation]) -> list[str]:
    return list(dict.fromkeys(each.name for measured in seeds for each in measured.classes))


def _of_class(measured: ScoredEvaluation, name: str) -> ClassScore:
    """Return the scores of one class, which are all zero if it occurs in neither answers nor predictions."""
    nothing = ClassScore(name=name, gold=0, predicted=0, correct=0)
    return next((each for each in measured.classes if each.name == name), nothing)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
