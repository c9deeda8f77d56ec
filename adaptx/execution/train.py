"""Carry out a training: read its rows, build its model, run the loop, and store the result."""

import contextlib
import logging
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from adaptx.backbones.backbone import TransferModel
from adaptx.composition.mixing import value_regularisation
from adaptx.data.examples import Examples
from adaptx.errors import NotFinite, UserError
from adaptx.execution.building import NewModel, head_name, model_to_train
from adaptx.execution.development import development_score, development_sets
from adaptx.execution.environment import environment
from adaptx.execution.predicted_memory import predicted_peak_bytes
from adaptx.execution.workshop import Workshop
from adaptx.files.left_out import LeftOut
from adaptx.formats import behaviour
from adaptx.formats.heads import save_heads
from adaptx.formats.interface import Predictions, Reading, reading_of
from adaptx.formats.row_cache import RowCache
from adaptx.methods.module import Module, capture, save_module
from adaptx.planning.framings import training_framing
from adaptx.planning.plan import Node, stage_record
from adaptx.profiling.energy import energy
from adaptx.profiling.peak_memory import PeakMemory, peak_memory
from adaptx.profiling.system_metrics import FILE as SYSTEM_FILE
from adaptx.profiling.system_metrics import system_metrics, whole_lines
from adaptx.specs import Attention, Best, Fuse, Mixture, Task, Train
from adaptx.store.json_text import json_text
from adaptx.store.record_json import to_json
from adaptx.store.records import RESULT_FILE, STEPS_FILE, TrainResult
from adaptx.store.store import write_json
from adaptx.training.loop import Outcome, Training, TrainingTask
from adaptx.training.progress import Progress, noting
from adaptx.training.resume import SavedStates

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PreparedTraining:
    """The rows and the model of a training, and the loop that trains the model. rows: training rows by task name."""

    rows: Mapping[str, Examples]
    model: NewModel
    loop: Training


def begin_training(train: Train, shop: Workshop) -> PreparedTraining:
    """Read a training's rows and build its model and loop. Training does not start yet.

    Raises:
        UserError: the rows are bad, or there is nothing to train on.
    """
    rows = {task.name: shop.rows.training(task, train.limit, train.draw_seed) for task in train.tasks}
    fresh = model_to_train(train, shop)
    loop = Training(
        TransferModel(fresh.backbone, {name: head.module for name, head in fresh.heads.items()}),
        fresh.assembly.own,
        [_part(train, task, fresh, rows[task.name], shop.rows) for task in train.tasks],
        train.config,
        shop.setting(train.config.precision),
        sampling=train.task.sampling if isinstance(train.task, Mixture) else None,
        extra_loss=_regularisation(train, fresh),
        score=_development_score_of_current(train, fresh, shop) if isinstance(train.config.selection, Best) else None,
    )
    return PreparedTraining(rows, fresh, loop)


def execute_train(node: Node, shop: Workshop, progress: Progress) -> None:
    """Carry out one training and store its result. If an earlier attempt left a saved state, continue from it.

    Raises:
        UserError: the rows are bad.
        NotFinite: the loss, a gradient or a weight became NaN or infinite.
    """
    train = node.stage
    assert isinstance(train, Train)
    working = shop.store.working(node.fingerprint)
    system = working / SYSTEM_FILE
    with (
        _clearing_state_if_not_finite(node, shop),
        system_metrics(system, shop.device),
        peak_memory(shop.device) as peak,
        energy(shop.device, shared=shop.workers > 1) as used,
    ):
        prepared = begin_training(train, shop)
        fresh, loop = prepared.model, prepared.loop
        for each in _examples_without_items(train, loop):
            noting(progress, _log, logging.WARNING)(str(each))
        predicted = predicted_peak_bytes(train, loop.parts, shop)
        progress.start(node.name, loop.num_steps, "step")
        outcome = loop.run(progress, SavedStates(working, shop.resources.saved_state_seconds, shop.store.set_aside))
    result = train_result(train, prepared, outcome, peak, shop)
    result = replace(result, predicted_memory_bytes=predicted)
    # The energy that an interrupted attempt used before its saved state is unknown, so none is recorded then.
    if used.joules is not None and not outcome.was_resumed:
        result = replace(result, energy_joules=used.joules, energy_measure=used.measure)
    module = Module(fresh.assembly.kind, train.method, shop.base_digest(train.model), capture(fresh.assembly.own))
    with shop.store.building(stage_record(node)) as folder:
        save_module(module, folder)
        save_heads(fresh.heads, folder)
        lines = (json_text(to_json(step)) for step in outcome.history.steps)
        (folder / STEPS_FILE).write_text("".join(f"{line}\n" for line in lines))
        write_json(folder / RESULT_FILE, to_json(result))
        if system.is_file():
            (folder / SYSTEM_FILE).write_text(whole_lines(system), encoding="utf-8")


@contextlib.contextmanager
def _clearing_state_if_not_finite(node: Node, shop: Workshop) -> Generator[None]:
    try:
        yield
    except NotFinite:
        # A saved state would lead to the same failure again.
        shop.store.finish_working(node.fingerprint)
        raise


def _part(train: Train, task: Task, fresh: NewModel, examples: Examples, rows: RowCache) -> TrainingTask:
    reading, name = _training_reading(train, task, fresh), head_name(train, task)
    training = behaviour(task.format, reading.framing).training
    assert training is not None
    items = rows.items(training, examples, task.format, reading)
    if not len(items):
        raise UserError(f"task {task.name} has no usable training rows. {'; '.join(map(str, items.left_out))}")
    return TrainingTask(items, task.format, training, name if name in fresh.heads else None, reading)


def _examples_without_items(train: Train, training: Training) -> list[LeftOut]:
    return [
        replace(each, where=f"training rows of {task.name}")
        for task, part in zip(train.tasks, training.parts, strict=True)
        for each in part.items.left_out
    ]


def _training_reading(train: Train, task: Task, fresh: NewModel) -> Reading:
    return reading_of(train.model, fresh.tokenizer, training_framing(train, task), train.config.max_length)


def _regularisation(train: Train, fresh: NewModel) -> Callable[[], Tensor] | None:
    mixing = train.start.mixing if isinstance(train.start, Fuse) else None
    if not isinstance(mixing, Attention):
        return None
    return lambda: value_regularisation(fresh.assembly.own, mixing.regularisation)


def _development_score_of_current(train: Train, fresh: NewModel, shop: Workshop) -> Callable[[], float]:
    sets = development_sets(train.tasks, shop.rows)

    def predict(task: Task, examples: Examples) -> Predictions:
        reading = _training_reading(train, task, fresh)
        evaluator = shop.evaluator(fresh.backbone, reading, train.config.precision)
        return evaluator.predict(examples, task, fresh.heads.get(head_name(train, task)))

    return lambda: development_score(sets, predict)


def train_result(
    train: Train, prepared: PreparedTraining, outcome: Outcome, peak: PeakMemory, shop: Workshop
) -> TrainResult:
    """Return the stored record of a finished training."""
    fresh, training, examples, history = prepared.model, prepared.loop, prepared.rows, outcome.history
    rows_used = {name: len(each) for name, each in examples.items()}
    left_out = [each for read in examples.values() for each in read.left_out]
    selects = isinstance(train.config.selection, Best)
    languages = ", ".join(dict.fromkeys(rows.language for rows in train.task.development))
    return TrainResult(
        seconds=history.seconds,
        steps=len(history.steps),
        planned_steps=training.num_steps,
        selected_step=outcome.selected_step,
        selected_on=f"development set of {train.task.name} ({languages})" if selects else None,
        development=tuple(history.development),
        examples=len(history.steps) * train.config.batch_size,
        tokens=history.tokens,
        trainable_parameters=sum(p.numel() for p in fresh.assembly.own.values() if training.has_moved(p)),
        head_parameters=sum(p.numel() for head in fresh.heads.values() for p in head.module.parameters()),
        rows_used=sum(rows_used.values()),
        rows_expected=_expected([rows.expected for rows in train.task.train]),
        rows_by_task=rows_used,
        items_by_task=dict(zip(rows_used, training.sampler.sizes, strict=True)),
        left_out=(*left_out, *_examples_without_items(train, training)),
        peak_memory_bytes=peak.peak_bytes,
        memory_measure=peak.measure,
        environment=environment(shop.device),
    )


def _expected(counts: list[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None
