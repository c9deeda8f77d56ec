"""One stage to its result: the only file that knows what a stage is and how it is carried out."""

import contextlib
import importlib.metadata
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import asdict, replace
from statistics import mean
from typing import Any

import torch
from torch import Tensor

from adaptx.backbones.backbone import TransferModel
from adaptx.composition.mixing import value_regularisation
from adaptx.composition.mixing_record import MixingRecord
from adaptx.data.examples import Examples
from adaptx.data.reading import read_rows, read_training
from adaptx.errors import NotFinite, UserError
from adaptx.evaluation.evaluator import Evaluator, scores
from adaptx.evaluation.text_statistics import text_statistics
from adaptx.execution.building import Finished, Fresh, Workshop, finished_model, head_name, model_to_train
from adaptx.execution.predicted_memory import predicted_peak_bytes
from adaptx.files.left_out import LeftOut
from adaptx.formats import behaviour
from adaptx.formats.heads import save_heads
from adaptx.formats.interface import Predicted, Reading, reading_of
from adaptx.methods.module import Module, capture, save_module
from adaptx.metrics.one_class import one_class_notes, sentences
from adaptx.planning.framings import evaluation_framing, training_framing
from adaptx.planning.identity import evaluation_precision, golds_digest
from adaptx.planning.lineage import head_task, reader, task_used
from adaptx.planning.naming import fused_names
from adaptx.planning.plan import Node, stage_record
from adaptx.profiling.energy import energy
from adaptx.profiling.peak_memory import PeakMemory, peak_memory
from adaptx.profiling.system_metrics import FILE as SYSTEM_FILE
from adaptx.profiling.system_metrics import system_metrics, whole_lines
from adaptx.specs import Attention, Best, Evaluate, Fuse, Mixture, ModelSpec, Published, Task, Text, Train
from adaptx.specs.plain import to_plain
from adaptx.store.claim import Busy, claimed
from adaptx.store.json_text import json_text
from adaptx.store.mixing import MixingWeights, save_mixing
from adaptx.store.store import json_bytes, write_json
from adaptx.store.writing import written_whole
from adaptx.training.gradients import Setting
from adaptx.training.loop import Outcome, Part, Training, micro_batch_budget
from adaptx.training.progress import Progress
from adaptx.training.resume import Checkpoints

HEADLESS_MAX_LENGTH = 512
PACKAGES = ("adaptx", "torch", "transformers", "peft", "adapters", "accelerate", "datasets")


def execute_train(node: Node, shop: Workshop, progress: Progress) -> None:
    """Train one stage and leave it in the store; a checkpoint of an earlier try is continued.

    Raises:
        UserError: bad rows.
        NotFinite: the loss, a gradient or a weight became NaN or infinite.
    """
    train = node.stage
    assert isinstance(train, Train)
    working = shop.store.working(node.fingerprint)
    system = working / SYSTEM_FILE
    with (
        _without_leavings(node, shop),
        system_metrics(system, shop.device),
        peak_memory(shop.device) as peak,
        energy(shop.device, shared=shop.workers > 1) as used,
    ):
        examples = {task.name: read_training(task, shop.sources, train.limit, train.draw_seed) for task in train.tasks}
        fresh = model_to_train(train, shop)
        training = _training(train, fresh, examples, shop)
        for each in _without_items(train, training):
            progress.note(str(each))
        predicted = predicted_peak_bytes(train, training.parts, shop)
        progress.start(node.name, training.num_steps, "step")
        outcome = training.run(progress, Checkpoints(working, shop.resources.checkpoint_seconds, shop.store.set_aside))
    result = _train_result(train, fresh, examples, training, outcome, peak, shop)
    result["predicted_memory_bytes"] = predicted
    # What an interrupted try used before its checkpoint is not known.
    if used.joules is not None and not outcome.was_resumed:
        result.update(energy_joules=used.joules, energy_measure=used.measure)
    module = Module(fresh.assembly.kind, train.method, shop.base_digest(train.model), capture(fresh.assembly.own))
    with shop.store.building("train", node.name, stage_record(node, to_plain(train))) as folder:
        save_module(module, folder)
        save_heads(fresh.heads, folder)
        lines = (json_text(entry) for entry in outcome.history.steps)
        (folder / "steps.jsonl").write_text("".join(f"{line}\n" for line in lines))
        write_json(folder / "result.json", result)
        if system.is_file():
            (folder / SYSTEM_FILE).write_text(whole_lines(system), encoding="utf-8")


@contextlib.contextmanager
def _without_leavings(node: Node, shop: Workshop) -> Generator[None]:
    """Remove the saved state of a training that goes wrong: continued, it would come to the same step again."""
    try:
        yield
    except NotFinite:
        shop.store.finish_working(node.fingerprint)
        raise


def _training(train: Train, fresh: Fresh, examples: Mapping[str, Examples], shop: Workshop) -> Training:
    config = train.config
    return Training(
        TransferModel(fresh.backbone, {name: head.module for name, head in fresh.heads.items()}),
        fresh.assembly.own,
        [_part(train, task, fresh, examples[task.name]) for task in train.tasks],
        config,
        shop.resources,
        shop.device,
        sampling=train.task.sampling if isinstance(train.task, Mixture) else None,
        extra_loss=_regularisation(train, fresh),
        score=_development_score(train, fresh, shop) if isinstance(config.selection, Best) else None,
    )


def _part(train: Train, task: Task, fresh: Fresh, examples: Examples) -> Part:
    reading, name = _training_reading(train, task, fresh), head_name(train, task)
    training = behaviour(task.format, reading.framing).training
    assert training is not None
    items = training.items(examples, task.format, reading)
    if not len(items):
        raise UserError(f"task {task.name} has nothing to train on. {'; '.join(map(str, items.left_out))}")
    return Part(items, task.format, name if name in fresh.heads else None, reading)


def _without_items(train: Train, training: Training) -> list[LeftOut]:
    """The training examples of each task that the tokens of a text leave nothing to learn from."""
    return [
        replace(each, where=f"training rows of {task.name}")
        for task, part in zip(train.tasks, training.parts, strict=True)
        for each in part.items.left_out
    ]


def _training_reading(train: Train, task: Task, fresh: Fresh) -> Reading:
    return reading_of(train.model, fresh.tokenizer, training_framing(train, task), train.config.max_length)


def _regularisation(train: Train, fresh: Fresh) -> Callable[[], Tensor] | None:
    mixing = train.start.mixing if isinstance(train.start, Fuse) else None
    if not isinstance(mixing, Attention):
        return None
    return lambda: value_regularisation(fresh.assembly.own, mixing.regularisation)


def _development_score(train: Train, fresh: Fresh, shop: Workshop) -> Callable[[], float]:
    """A function that scores the model as it stands on development rows: the mean over the tasks that have some."""
    setting = Setting(shop.device, train.config.precision, micro_batch_budget(shop.resources, shop.device))
    sets = [
        (task, rows.language, read_rows(rows, task.format, shop.sources))
        for task in train.tasks
        for rows in task.development
    ]

    def development_score() -> float:
        values: dict[str, list[float]] = {}
        for task, language, examples in sets:
            evaluator = Evaluator(fresh.backbone, _training_reading(train, task, fresh), setting, shop.sources)
            predicted = evaluator.predict(examples, task, fresh.heads.get(head_name(train, task)))
            values.setdefault(task.name, []).append(scores(task, predicted, language)[task.metrics[0]])
        return mean(mean(each) for each in values.values())

    return development_score


def _train_result(
    train: Train,
    fresh: Fresh,
    examples: Mapping[str, Examples],
    training: Training,
    outcome: Outcome,
    peak: PeakMemory,
    shop: Workshop,
) -> dict[str, Any]:
    history = outcome.history
    rows_used = {name: len(each) for name, each in examples.items()}
    seconds = max(history.seconds, 1e-9)
    num_items = len(history.steps) * train.config.batch_size
    selects = isinstance(train.config.selection, Best)
    languages = ", ".join(dict.fromkeys(rows.language for rows in train.task.development))
    return {
        "seconds": history.seconds,
        "steps": len(history.steps),
        "planned_steps": training.num_steps,
        "examples": num_items,
        "tokens": history.tokens,
        "examples_per_second": num_items / seconds,
        "tokens_per_second": history.tokens / seconds,
        "trainable_parameters": sum(p.numel() for p in fresh.assembly.own.values() if training.has_moved(p)),
        "head_parameters": sum(p.numel() for head in fresh.heads.values() for p in head.module.parameters()),
        "peak_memory_bytes": peak.peak_bytes,
        "memory_measure": peak.measure,
        "rows_used": sum(rows_used.values()),
        "rows_expected": _expected([rows.expected for rows in train.task.train]),
        "rows_by_task": rows_used,
        "left_out": [
            *(asdict(each) for read in examples.values() for each in read.left_out),
            *(asdict(each) for each in _without_items(train, training)),
        ],
        "items_by_task": dict(zip(rows_used, training.sampler.sizes, strict=True)),
        "selected_step": outcome.selected_step,
        "selected_on": f"development set of {train.task.name} ({languages})" if selects else None,
        "development": history.development,
        **environment(shop),
    }


def execute_evaluations(nodes: list[Node], shop: Workshop, progress: Progress) -> dict[str, Exception]:
    """Score one model on each of its sets, loading it once, and store each as it ends; returns what failed, by
    fingerprint.

    All nodes share model and precision. Those that another run is at work on fail with Busy.
    """
    failed: dict[str, Exception] = {}
    first = nodes[0].stage
    assert isinstance(first, Evaluate)
    model: Finished | None = None
    with peak_memory(shop.device) as peak:
        for place, node in enumerate(nodes):
            try:
                with claimed(shop.store.lock(node.fingerprint), node.name):
                    if not shop.is_done(node):
                        model = model or finished_model(first.model, shop, evaluation_precision(first))
                        _store_scores(node, *_evaluate(node, model, shop, progress), peak, shop)
                    shop.store.finish_working(node.fingerprint)
            except Busy as error:
                failed[node.fingerprint] = error
            except Exception as error:  # the libraries below raise errors of any kind
                if model is None:
                    # The others could not load it either.
                    return failed | {other.fingerprint: error for other in nodes[place:]}
                failed[node.fingerprint] = error
    return failed


def _store_scores(
    node: Node, result: dict[str, Any], mixing: MixingWeights | None, peak: PeakMemory, shop: Workshop
) -> None:
    # The peak of loading and of all sets up to this one.
    result.update(peak_memory_bytes=peak.peak_bytes, memory_measure=peak.measure)
    record = stage_record(node, to_plain(node.stage))
    with shop.store.building("evaluate", node.name, record, result["golds"]) as folder:
        write_json(folder / "scores.json", result)
        model = node.stage.model
        if mixing is not None and isinstance(model, Train):
            fused = [None if isinstance(each, Published) else shop.fingerprint_of(each) for each in model.taken]
            save_mixing(mixing, fused_names(model), fused, folder)


def _evaluate(
    node: Node, model: Finished, shop: Workshop, progress: Progress
) -> tuple[dict[str, Any], MixingWeights | None]:
    """What scores.json holds, and of a fused model what mixing.json does."""
    stage = node.stage
    assert isinstance(stage, Evaluate)
    rows = stage.task.rows_in(stage.language)
    examples = read_rows(rows, stage.task.format, shop.sources, stage.limit)
    used = head_task(stage)
    head = None
    if used is not None and not isinstance(stage.model, ModelSpec):
        # Trained as text, it has none.
        head = model.heads.get(head_name(reader(stage.model), used))
    fused = isinstance(stage.model, Train) and isinstance(stage.model.start, Fuse)
    evaluator = make_evaluator(stage, model, shop, progress, node.name)
    evaluator.record = MixingRecord(model.backbone) if fused else None
    began = time.perf_counter()
    with evaluator.record or contextlib.nullcontext():
        predicted = evaluator.predict(examples, stage.task, head)
    seconds = time.perf_counter() - began
    one_class = one_class_notes(stage.task.format, predicted.predictions, predicted.golds or [])
    for sentence in sentences(one_class, len(predicted.predictions)):
        progress.note(f"{stage.task.name} in {stage.language}: {sentence}")
    statistics = text_statistics(predicted.texts, predicted.encoded, model.tokenizer)
    result = {
        "task": stage.task.name,
        "language": stage.language,
        "metrics": dict(scores(stage.task, predicted, stage.language)),
        "predictions": predicted.predictions,
        "golds": keep_golds(stage, predicted, examples.clusters, shop),
        "details": predicted.details,
        "one_class": one_class,
        "rows_used": len(predicted.rows),
        "rows_expected": rows.expected,
        "left_out": [asdict(each) for each in (*examples.left_out, *evaluator.pool_left_out)],
        "tokens_per_word": statistics.tokens_per_word,
        "unknown_share": statistics.unknown_share,
        "truncated_share": statistics.truncated_share,
        "seconds": seconds,
        "examples_per_second": len(predicted.rows) / max(seconds, 1e-9),
        **environment(shop),
    }
    return result, evaluator.record.means(predicted.encoded) if evaluator.record is not None else None


def make_evaluator(stage: Evaluate, model: Finished, shop: Workshop, progress: Progress, name: str) -> Evaluator:
    """Read as the evaluation says: texts cut as in the training it uses, others at most 512 tokens.

    As text, whatever a model was trained on, it reads as many tokens as then.
    """
    framing = evaluation_framing(stage)
    length = min(HEADLESS_MAX_LENGTH, model.backbone.most_tokens)
    if not isinstance(stage.model, ModelSpec) and (isinstance(framing, Text) or task_used(stage) is not None):
        length = reader(stage.model).config.max_length
    reading = reading_of(stage.checkpoint, model.tokenizer, framing, length)
    budget = micro_batch_budget(shop.resources, shop.device)
    setting = Setting(shop.device, evaluation_precision(stage), budget)
    return Evaluator(model.backbone, reading, setting, shop.sources, stage.limit, progress, name, model.memory)


def keep_golds(stage: Evaluate, predicted: Predicted, clusters: tuple[int, ...], shop: Workshop) -> str:
    """Write the golds of a set once, with the rows' clusters if rows of the format can share anything; returns their
    file's name.

    Several evaluations are scored against one file. One that is there with another content is damaged, since its name
    holds the digest of all that golds come from.
    """
    rows = stage.task.rows_in(stage.language)
    digest = golds_digest(stage.task, rows, stage.limit, shop.sources)
    file = shop.store.golds_file(stage.task.name, stage.language, digest)
    body = {"task": stage.task.name, "language": stage.language, "golds": predicted.golds, "rows": list(predicted.rows)}
    content = json_bytes({**body, "clusters": list(clusters)} if clusters else body)
    if file.exists() and not (file.is_file() and file.read_bytes() == content):
        # Another run may have done the same just now.
        with contextlib.suppress(FileNotFoundError):
            shop.store.set_aside(file)
    if not file.exists():
        with written_whole(file) as part:
            part.write_bytes(content)
    return file.name


def _expected(counts: list[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def environment(shop: Workshop) -> dict[str, Any]:
    versions: dict[str, str] = {}
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return {"device": str(shop.device), "threads": torch.get_num_threads(), "versions": versions}
