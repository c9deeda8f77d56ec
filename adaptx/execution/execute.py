"""One stage to its result: the only file that knows what a stage is and how it is carried out."""

import contextlib
import importlib.metadata
import json
import shutil
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from torch import Tensor

from adaptx.backbones.encoder import TransferModel
from adaptx.checkpoints import Checkpoints
from adaptx.composition.fuse import value_regularisation
from adaptx.data.examples import Examples
from adaptx.data.reading import read_all, read_rows
from adaptx.errors import UserError
from adaptx.evaluation import Evaluator, golds, score
from adaptx.execution.building import Finished, Fresh, Workshop, finished_model, model_to_train
from adaptx.formats import classification
from adaptx.formats.heads import save_head
from adaptx.identity import evaluation_framing, evaluation_precision, golds_digest
from adaptx.methods.module import Module, capture, save_module
from adaptx.plan import Node, stage_record
from adaptx.profiling.peak_memory import PeakMemory, peak_memory
from adaptx.profiling.system_metrics import FILE as SYSTEM_FILE
from adaptx.profiling.system_metrics import system_metrics
from adaptx.progress import Progress, Silent
from adaptx.specs import Best, Classification, Evaluate, Fuse, Hidden, Train
from adaptx.specs.plain import to_plain
from adaptx.store import write_json
from adaptx.text_statistics import text_statistics
from adaptx.training import Outcome, Training, TrainingSet, num_steps

HEADLESS_MAX_LENGTH = 512
STAGE_ERRORS = (UserError, RuntimeError, OSError, ValueError, MemoryError)
"""What may end one stage and leave the others to run."""
PACKAGES = ("adaptx", "torch", "transformers", "peft", "adapters", "accelerate", "datasets")


def execute_train(node: Node, shop: Workshop, progress: Progress) -> None:
    """Train one stage and leave it in the store; a checkpoint of an earlier try is continued.

    Raises:
        UserError: bad rows, or another process is at work on this very stage.
    """
    train = node.stage
    assert isinstance(train, Train)
    working = shop.store.working(node.fingerprint)
    system = working / SYSTEM_FILE
    with _alone(working, node.name), system_metrics(system, shop.device), peak_memory(shop.device) as peak:
        examples = read_all(train.task.train, train.task.format, shop.sources, train.limit)
        fresh = model_to_train(train, shop)
        training = _training(train, fresh, examples, shop)
        progress.start(node.name, training.num_steps, "step")
        outcome = training.run(progress, Checkpoints(working, shop.resources.checkpoint_seconds))
    result = _train_result(train, fresh, examples, outcome, peak, shop)
    module = Module(fresh.assembly.kind, train.method, shop.base_digest(train.model), capture(fresh.assembly.own))
    assert isinstance(train.task.format, Classification)
    with shop.store.building("train", node.name, stage_record(node, to_plain(train))) as folder:
        save_module(module, folder)
        save_head(fresh.head, train.task.format, folder)
        lines = (json.dumps(entry) for entry in outcome.history.steps)
        (folder / "steps.jsonl").write_text("".join(f"{line}\n" for line in lines))
        write_json(folder / "result.json", result)
        if system.is_file():
            shutil.copyfile(system, folder / SYSTEM_FILE)
    shop.store.finish_working(node.fingerprint)


def _training(train: Train, fresh: Fresh, examples: Examples, shop: Workshop) -> Training:
    config, task_format = train.config, train.task.format
    assert isinstance(task_format, Classification)
    framing = train.framing or train.model.framing
    encoded = classification.encode(examples, fresh.tokenizer, framing, config.max_length)
    data = TrainingSet(encoded, classification.gold_ids(examples, task_format), framing)
    model = TransferModel(fresh.backbone, {train.task.name: fresh.head})
    return Training(
        model,
        fresh.assembly.own,
        fresh.head,
        data,
        config,
        shop.resources,
        shop.device,
        extra_loss=_regularisation(train.start.regularisation, fresh) if isinstance(train.start, Fuse) else None,
        score=_development_score(train, fresh, framing, shop) if isinstance(config.selection, Best) else None,
    )


def _regularisation(weight: float, fresh: Fresh) -> Callable[[], Tensor]:
    return lambda: value_regularisation(fresh.assembly.own, weight)


def _development_score(train: Train, fresh: Fresh, framing: Hidden, shop: Workshop) -> Any:
    """A function that scores the model as it stands on the task's development rows."""
    task_format = train.task.format
    assert isinstance(task_format, Classification)
    if not train.task.development:
        raise UserError(f"{train.task.name} has no development rows, which selection=Best(...) needs; use Last()")
    examples = read_all(train.task.development, task_format, shop.sources, None)
    evaluator = Evaluator(
        fresh.backbone, framing, train.config.precision, train.config.max_length, fresh.tokenizer, shop.resources,
        shop.device, Silent(),
    )  # fmt: skip

    def development_score() -> float:
        predictions, _ = evaluator.classify(examples, task_format.labels, fresh.head)
        return score(train.task.metrics[0], predictions, golds(examples, task_format))

    return development_score


def _train_result(
    train: Train, fresh: Fresh, examples: Examples, outcome: Outcome, peak: PeakMemory, shop: Workshop
) -> dict[str, Any]:
    history = outcome.history
    seconds = max(history.seconds, 1e-9)
    num_examples = len(history.steps) * train.config.batch_size
    selects = isinstance(train.config.selection, Best)
    languages = ", ".join(dict.fromkeys(rows.language for rows in train.task.development))
    return {
        "seconds": history.seconds,
        "steps": len(history.steps),
        "planned_steps": num_steps(train.config, len(examples)),
        "examples": num_examples,
        "tokens": history.tokens,
        "examples_per_second": num_examples / seconds,
        "tokens_per_second": history.tokens / seconds,
        "trainable_parameters": sum(parameter.numel() for parameter in fresh.assembly.own.values()),
        "head_parameters": sum(parameter.numel() for parameter in fresh.head.parameters()),
        "peak_memory_bytes": peak.peak_bytes,
        "memory_measure": peak.measure,
        "rows_used": len(examples),
        "rows_expected": _expected([rows.expected for rows in train.task.train]),
        "selected_step": outcome.selected_step,
        "selected_on": f"development set of {train.task.name} ({languages})" if selects else None,
        "development": history.development,
        **_environment(shop),
    }


def execute_evaluations(nodes: list[Node], shop: Workshop, progress: Progress) -> dict[str, Exception]:
    """Score one model on each of its sets, loading it once; returns what failed, by fingerprint.

    All nodes share model and precision.
    """
    failed: dict[str, Exception] = {}
    first = nodes[0].stage
    assert isinstance(first, Evaluate)
    with peak_memory(shop.device) as peak:
        model = finished_model(first.model, shop, evaluation_precision(first))
        scored: list[tuple[Node, dict[str, Any]]] = []
        for node in nodes:
            try:
                scored.append((node, _evaluate(node, model, shop, progress)))
            except STAGE_ERRORS as error:
                failed[node.fingerprint] = error
    for node, result in scored:
        result.update(peak_memory_bytes=peak.peak_bytes, memory_measure=peak.measure)
        with shop.store.building("evaluate", node.name, stage_record(node, to_plain(node.stage))) as folder:
            write_json(folder / "scores.json", result)
    return failed


def _evaluate(node: Node, model: Finished, shop: Workshop, progress: Progress) -> dict[str, Any]:
    stage = node.stage
    assert isinstance(stage, Evaluate)
    rows = stage.task.rows_in(stage.language)
    examples = read_rows(rows, stage.task.format, shop.sources, stage.limit)
    evaluator = make_evaluator(stage, model, shop, progress)
    began = time.perf_counter()
    if isinstance(stage.task.format, Classification):
        assert model.head is not None and model.labels is not None
        progress.start(node.name, len(examples), "example")
        predictions, encoded = evaluator.classify(examples, model.labels, model.head)
        sides = [encoded]
    else:
        progress.start(node.name, 2 * len(examples), "sentence")
        predictions, sides = evaluator.retrieve(examples)
    seconds = time.perf_counter() - began
    gold = golds(examples, stage.task.format)
    texts = [text for role in ("text", "pair", "candidate") for text in examples.columns.get(role, ())]
    # Of a retrieval set only the other language's sentences say something about that language.
    statistics = text_statistics(texts, sides[-1:], model.tokenizer)
    return {
        "task": stage.task.name,
        "language": stage.language,
        "metrics": {metric: score(metric, predictions, gold) for metric in stage.task.metrics},
        "predictions": predictions,
        "golds": keep_golds(stage, examples, gold, shop),
        "rows_used": len(examples),
        "rows_expected": rows.expected,
        "tokens_per_word": statistics.tokens_per_word,
        "unknown_share": statistics.unknown_share,
        "truncated_share": statistics.truncated_share,
        "seconds": seconds,
        "examples_per_second": len(examples) / max(seconds, 1e-9),
        **_environment(shop),
    }


def make_evaluator(stage: Evaluate, model: Finished, shop: Workshop, progress: Progress) -> Evaluator:
    """Read as the evaluation says; a head sees texts cut as in its training, sentence embeddings at most 512 tokens."""
    trained = isinstance(stage.model, Train) and isinstance(stage.task.format, Classification)
    headless = min(HEADLESS_MAX_LENGTH, model.backbone.most_tokens)
    length = stage.model.config.max_length if trained and isinstance(stage.model, Train) else headless
    return Evaluator(
        model.backbone, evaluation_framing(stage), evaluation_precision(stage), length, model.tokenizer,
        shop.resources, shop.device, progress,
    )  # fmt: skip


def keep_golds(stage: Evaluate, examples: Examples, gold: list[Any], shop: Workshop) -> str:
    """Write the golds of a set once; returns their file's name."""
    rows = stage.task.rows_in(stage.language)
    digest = golds_digest(stage.task, rows, stage.limit, shop.sources)
    file = shop.store.golds_file(stage.task.name, stage.language, digest)
    if not file.is_file():
        body = {"task": stage.task.name, "language": stage.language, "parallel_group": rows.parallel_group}
        write_json(file, {**body, "golds": gold, "rows": list(examples.rows)})
    return file.name


def _expected(counts: list[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def _environment(shop: Workshop) -> dict[str, Any]:
    versions: dict[str, str] = {}
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return {"device": str(shop.device), "threads": torch.get_num_threads(), "versions": versions}


@contextlib.contextmanager
def _alone(working: Path, name: str) -> Generator[None]:
    """Two processes over one store must not train one stage into one folder."""
    lock = FileLock(working.with_suffix(".lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(
            f"{name}: another process is training this stage in the same store; wait for it, or give another --store"
        ) from None
    try:
        yield
    finally:
        lock.release()
