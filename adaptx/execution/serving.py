"""Apply a stored training to the user's own rows, for predictions, or for scores if the rows have labels."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from adaptx.data.examples import Examples
from adaptx.data.files import read_file, read_table
from adaptx.data.tables import RowTable
from adaptx.errors import UserError
from adaptx.execution.building import FinishedModel, finished_model, head_name
from adaptx.execution.out_of_memory import memory_told
from adaptx.execution.workshop import Workshop, choose_device
from adaptx.formats.interface import Predictions, reading_of
from adaptx.metrics import METRICS
from adaptx.metrics.one_class import one_class_notes
from adaptx.planning.framings import training_framing
from adaptx.planning.lineage import answering_training
from adaptx.report.statistics.bootstrap import ExampleRows, interval, resampled_sums
from adaptx.sources.sources import Sources
from adaptx.specs import Merge, ModuleStage, NoHead, Resources, Task, Text
from adaptx.store.entry import Entry
from adaptx.store.store import Store


def predict_file(
    store: Store,
    sources: Sources,
    name: str,
    file: Path,
    resources: Resources,
    language: str | None = None,
    note: Callable[[str], None] | None = None,
) -> list[dict[str, Any]]:
    """Return a record per row: its row number, the prediction, and the format's details (probabilities or a score).

    language: language of the rows. It is needed if the prompt depends on it and the task has several languages.
    note: called before the model is loaded, with one sentence for each reason why rows are left out.

    Raises:
        UserError: the stage or file does not exist, columns are missing, the weights were removed, or the language is
            needed but missing.
    """
    stage, task, shop = _open(store, sources, name, resources)
    language = language or _assumed_language(task, _prompt_if_it_differs_by_language(stage, task))
    examples = read_file(file, task, labelled=False, language=language)
    _tell(examples, note)
    return _records(_predict(stage, task, shop, examples))


def predict_table(
    model: FinishedModel,
    stage: ModuleStage,
    task: Task,
    shop: Workshop,
    table: RowTable,
    language: str | None = None,
    note: Callable[[str], None] | None = None,
) -> list[dict[str, Any]]:
    """Return a loaded model's predictions for rows in memory, as `predict_file` does for the rows of a file."""
    language = language or _assumed_language(task, _prompt_if_it_differs_by_language(stage, task))
    examples = read_table(table, task, labelled=False, language=language)
    _tell(examples, note)
    return _records(_predict(stage, task, shop, examples, model))


def _records(predicted: Predictions) -> list[dict[str, Any]]:
    records = predicted.records or [{} for _ in predicted.predictions]
    return [
        {"row": row, "prediction": prediction, **record}
        for row, prediction, record in zip(predicted.rows, predicted.predictions, records, strict=True)
    ]


def score_file(
    store: Store,
    sources: Sources,
    name: str,
    file: Path,
    resources: Resources,
    language: str | None = None,
    note: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Return the task's metrics on labelled rows, each with a 95 % bootstrap interval.

    The bootstrap draws clusters of rows: rows with the same premise or context are drawn together.

    language: language of the rows. It is needed if a metric or the prompt depends on it and the task has several
    languages. note: as for `predict_file`.

    Raises:
        UserError: as for `predict_file`; also if a label is outside the label set, or a metric does not support the
            language.
    """
    stage, task, shop = _open(store, sources, name, resources)
    rules = [metric for metric in task.metrics if METRICS[metric].languages is not None]
    language = language or _assumed_language(task, [*rules, *_prompt_if_it_differs_by_language(stage, task)])
    for metric in rules:
        known = METRICS[metric].languages or ()
        if language not in known:
            raise UserError(
                f"{metric} has no rules for the language {language!r}, only for {', '.join(known)}; score other "
                "languages with a task that has the metrics f1 and exact_match"
            )
    examples = read_file(file, task, labelled=True, language=language)
    _tell(examples, note)
    predicted = _predict(stage, task, shop, examples)
    assert predicted.golds is not None
    count = len(predicted.rows)
    scores: dict[str, Any] = {"task": task.name, "rows_used": count, "language": language}
    scores |= {"left_out": [asdict(each) for each in examples.left_out]}
    scores |= {"one_class": one_class_notes(task.format, predicted.predictions, predicted.golds)}
    scores |= {"clusters": len(set(examples.clusters)) or None, "metrics": {}, "intervals": {}}
    drawn = ExampleRows(np.asarray(examples.clusters or predicted.rows, dtype=np.int64))
    for name in task.metrics:
        metric = METRICS[name]
        statistics_ES = metric.statistics(predicted.predictions, predicted.golds, language)
        sums_RS = resampled_sums({language: statistics_ES}, {language: drawn})[language]
        scores["metrics"][name] = float(metric.value(statistics_ES.sum(axis=0)))
        scores["intervals"][name] = list(interval(metric.value(sums_RS)))
    return {**scores, "predictions": predicted.predictions}


def _prompt_if_it_differs_by_language(stage: ModuleStage, task: Task) -> list[str]:
    framing = training_framing(answering_training(stage), task)
    return ["the prompt"] if isinstance(framing, Text) and framing.prompt.by_language else []


def _assumed_language(task: Task, depending: Sequence[str]) -> str:
    """Return the task's first language, for rows whose language the user did not name.

    depending: what depends on the language, as words for the error message, such as ["the prompt"].

    Raises:
        UserError: `depending` is not empty, and the task has several languages.
    """
    languages = list(dict.fromkeys((*task.source_languages, *task.languages)))
    if depending and len(languages) > 1:
        raise UserError(
            f"the language of the rows is unknown, and needed for {' and '.join(depending)} of task {task.name}; "
            f"name it with --language: {', '.join(languages)}"
        )
    return languages[0]


def _tell(examples: Examples, note: Callable[[str], None] | None) -> None:
    if note is not None:
        for left_out in examples.left_out:
            note(str(left_out))


def open_module(store: Store, sources: Sources, name: str, resources: Resources) -> tuple[Entry, ModuleStage, Workshop]:
    """Open a stored training or merge: return its store entry, its spec, and a workshop that can load it.

    name: the stage's folder name, or a unique prefix of its fingerprint.

    Raises:
        UserError: the stage does not exist, or its weights were removed.
    """
    entry = store.named(name, "train", "merge")
    stage = entry.module_stage
    if not entry.has_module:
        raise UserError(
            f"{entry.folder.name}: its weights were removed once its scores were stored; retrain and keep them with "
            "`adaptx run RECIPE --keep`"
        )
    fingerprints = _stored_fingerprints(store, entry)
    return (
        entry,
        stage,
        Workshop(
            store=store,
            sources=sources,
            fingerprint_of=fingerprints.__getitem__,
            resources=resources,
            device=choose_device(resources),
        ),
    )


def _open(store: Store, sources: Sources, name: str, resources: Resources) -> tuple[ModuleStage, Task, Workshop]:
    entry, stage, shop = open_module(store, sources, name, resources)
    return stage, readable_task(entry, stage), shop


def readable_task(entry: Entry, stage: ModuleStage) -> Task:
    """Return the task whose rows a stored stage can predict one by one.

    Raises:
        UserError: the stage was trained on several tasks, has no head, or its task ranks candidates.
    """
    train = answering_training(stage)
    task = train.tasks[0]
    if len(train.tasks) > 1:
        raise UserError(
            f"{entry.folder.name} was trained on several tasks ({', '.join(each.name for each in train.tasks)}); "
            "name a training of one task"
        )
    if isinstance(stage, Merge) and isinstance(stage.head, NoHead):
        raise UserError(
            f"{entry.folder.name} was merged without a head; train one on top of it, or merge with KeptHeadOf(place)"
        )
    if task.format.embeds:
        raise UserError(
            f"{entry.folder.name}: {task.name} ranks a pool of candidates, so single rows have no prediction; evaluate "
            "it in a recipe"
        )
    return task


def _stored_fingerprints(store: Store, entry: Entry) -> dict[ModuleStage, str]:
    found: dict[ModuleStage, str] = {entry.module_stage: entry.fingerprint}
    for fingerprint in entry.record.inputs:
        found.update(_stored_fingerprints(store, store.named(fingerprint, "train", "merge")))
    return found


def _predict(
    stage: ModuleStage, task: Task, shop: Workshop, examples: Examples, model: FinishedModel | None = None
) -> Predictions:
    train = answering_training(stage)
    with memory_told():
        model = model or finished_model(stage, shop, train.config.precision)
        reading = reading_of(train.model, model.tokenizer, training_framing(train, task), train.config.max_length)
        evaluator = shop.evaluator(model.backbone, reading, train.config.precision)
        return evaluator.predict(examples, task, model.heads.get(head_name(train, task)))
