"""Apply a stored training to the user's own rows: open the stage, find the rows' language, and predict."""

from collections.abc import Callable, Sequence
from typing import Any

from adaptx.data.examples import Examples
from adaptx.data.files import read_table
from adaptx.data.tables import RowTable
from adaptx.errors import UserError
from adaptx.execution.building import FinishedModel, finished_model, head_name
from adaptx.execution.out_of_memory import memory_told
from adaptx.execution.workshop import Workshop, choose_device
from adaptx.formats.interface import Predictions, reading_of
from adaptx.planning.framings import training_framing
from adaptx.planning.lineage import answering_training
from adaptx.sources.sources import Sources
from adaptx.specs import Merge, ModuleStage, NoHead, Resources, Task, Text
from adaptx.store.entry import Entry
from adaptx.store.store import Store


def predict_table(
    model: FinishedModel,
    stage: ModuleStage,
    task: Task,
    shop: Workshop,
    table: RowTable,
    language: str | None = None,
    note: Callable[[str], None] | None = None,
) -> list[dict[str, Any]]:
    """Return a loaded model's predictions for rows in memory, as `predict_file` does for those of a file."""
    language = language or assumed_language(task, prompt_if_it_differs_by_language(stage, task))
    examples = read_table(table, task, labelled=False, language=language)
    tell(examples, note)
    return prediction_records(predict_examples(stage, task, shop, examples, model))


def prediction_records(predicted: Predictions) -> list[dict[str, Any]]:
    """Return a record per row: its row number, the prediction, and the format's details."""
    records = predicted.records or [{} for _ in predicted.predictions]
    return [
        {"row": row, "prediction": prediction, **record}
        for row, prediction, record in zip(predicted.rows, predicted.predictions, records, strict=True)
    ]


def prompt_if_it_differs_by_language(stage: ModuleStage, task: Task) -> list[str]:
    """Return ["the prompt"] if the stage asks in the language of the rows, and otherwise an empty list."""
    framing = training_framing(answering_training(stage), task)
    return ["the prompt"] if isinstance(framing, Text) and framing.prompt.by_language else []


def assumed_language(task: Task, depending: Sequence[str]) -> str:
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


def tell(examples: Examples, note: Callable[[str], None] | None) -> None:
    """Call `note` with one sentence for each reason why rows are left out."""
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


def open_stage(store: Store, sources: Sources, name: str, resources: Resources) -> tuple[ModuleStage, Task, Workshop]:
    """Open a stored training or merge that predicts single rows: return its spec, its task, and its workshop.

    Raises:
        UserError: as for `open_module` and `readable_task`.
    """
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


def predict_examples(
    stage: ModuleStage, task: Task, shop: Workshop, examples: Examples, model: FinishedModel | None = None
) -> Predictions:
    """Return the stage's predictions for these examples. model: the stage's model, if it is loaded already."""
    train = answering_training(stage)
    with memory_told():
        model = model or finished_model(stage, shop, train.config.precision)
        reading = reading_of(train.model, model.tokenizer, training_framing(train, task), train.config.max_length)
        evaluator = shop.evaluator(model.backbone, reading, train.config.precision)
        return evaluator.predict(examples, task, model.heads.get(head_name(train, task)))
