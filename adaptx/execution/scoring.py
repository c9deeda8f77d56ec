"""Scores of a stored training on the user's own labelled rows: metrics with intervals, and scores per class."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from adaptx.data.examples import Examples
from adaptx.data.files import Column, read_file
from adaptx.errors import UserError
from adaptx.execution.serving import (
    assumed_language,
    open_stage,
    predict_examples,
    prompt_if_it_differs_by_language,
    tell,
)
from adaptx.files.standard_input import SHOWN, STANDARD_INPUT, rows_file
from adaptx.formats.interface import Predictions
from adaptx.metrics import METRICS
from adaptx.metrics.one_class import one_class_notes
from adaptx.metrics.per_class import class_scores, confusion_matrix, has_labels, macro_f1
from adaptx.report.statistics.bootstrap import ExampleRows, interval, resampled_sums
from adaptx.sources.sources import Sources
from adaptx.specs import Resources, Tagging, Task
from adaptx.store.store import Store


def score_file(
    store: Store,
    sources: Sources,
    name: str,
    file: Path,
    resources: Resources,
    language: str | None = None,
    note: Callable[[str], None] | None = None,
    columns: Mapping[str, Column] | None = None,
) -> dict[str, Any]:
    """Return the task's metrics on labelled rows, each with a 95 % bootstrap interval, and scores per class.

    The bootstrap draws clusters of rows: rows with the same premise or context are drawn together. If answers are
    labels, `macro_f1`, `classes` and `confusion` are in the result: the scores of each class, and the number of rows
    for each pair of gold label (rows of the matrix) and predicted label (columns).

    language: language of the rows. It is needed if a metric or the prompt depends on it and the task has several
    languages. file, note, columns: as for `predict_file`.

    Raises:
        UserError: as for `predict_file`; also if a label is outside the label set, or a metric does not support the
            language.
    """
    stage, task, shop = open_stage(store, sources, name, resources)
    rules = [metric for metric in task.metrics if METRICS[metric].languages is not None]
    language = language or assumed_language(task, [*rules, *prompt_if_it_differs_by_language(stage, task)])
    _check_language(rules, language)
    with rows_file(file, isinstance(task.format, Tagging)) as path:
        examples = read_file(path, task, labelled=True, language=language, columns=columns)
    if file == STANDARD_INPUT:
        examples = examples.read_from(SHOWN)
    tell(examples, note)
    predicted = predict_examples(stage, task, shop, examples)
    assert predicted.golds is not None
    return {
        "task": task.name,
        "rows_used": len(predicted.rows),
        "language": language,
        "left_out": [asdict(each) for each in examples.left_out],
        "one_class": one_class_notes(task.format, predicted.predictions, predicted.golds),
        "clusters": len(set(examples.clusters)) or None,
        **_metrics(task, examples, predicted, language),
        **_by_class(task, predicted),
        "predictions": predicted.predictions,
    }


def _check_language(rules: list[str], language: str) -> None:
    for metric in rules:
        known = METRICS[metric].languages or ()
        if language not in known:
            raise UserError(
                f"{metric} has no rules for the language {language!r}, only for {', '.join(known)}; score other "
                "languages with a task that has the metrics f1 and exact_match"
            )


def _metrics(task: Task, examples: Examples, predicted: Predictions, language: str) -> dict[str, Any]:
    found: dict[str, Any] = {"metrics": {}, "intervals": {}}
    drawn = ExampleRows(np.asarray(examples.clusters or predicted.rows, dtype=np.int64))
    for name in task.metrics:
        metric = METRICS[name]
        statistics_ES = metric.statistics(predicted.predictions, predicted.golds or (), language)
        sums_RS = resampled_sums({language: statistics_ES}, {language: drawn})[language]
        found["metrics"][name] = float(metric.value(statistics_ES.sum(axis=0)))
        found["intervals"][name] = list(interval(metric.value(sums_RS)))
    return found


def _by_class(task: Task, predicted: Predictions) -> dict[str, Any]:
    """Return macro-F1, the scores per class and the confusion matrix; nothing if answers are not labels."""
    if not has_labels(task):
        return {}
    golds = predicted.golds or ()
    scores = class_scores(predicted.predictions, golds)
    return {
        "macro_f1": macro_f1(scores),
        "classes": [each.record for each in scores],
        "confusion": asdict(confusion_matrix(predicted.predictions, golds)),
    }
