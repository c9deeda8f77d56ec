"""A store written by hand, without torch or models. Predictions are drawn with given accuracies."""

import dataclasses
import json
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from adaptx.catalog import find_model
from adaptx.planning.identity import golds_digest
from adaptx.planning.naming import factors, fused_names, training_path
from adaptx.planning.plan import Plan, make_plan, stage_record
from adaptx.sources.sources import Sources
from adaptx.specs import (
    Classification,
    Evaluate,
    Exposure,
    Full,
    Fuse,
    Method,
    ModelSpec,
    Pretrained,
    QuestionAnswering,
    Recipe,
    Retrieval,
    SeenData,
    Start,
    Suite,
    Tagging,
    Task,
    TaskFormat,
    Train,
    TrainConfig,
)
from adaptx.store.integrity import COMPLETE, MODULE_FILE, seal
from adaptx.store.mixing import MIXING_FILE, FusedModule, MixingWeights, PlaceWeights
from adaptx.store.record_json import to_json
from adaptx.store.records import (
    RESULT_FILE,
    SCORES_FILE,
    STAGE_FILE,
    STEPS_FILE,
    Environment,
    Golds,
    OneClass,
    Scores,
    TrainingStep,
    TrainResult,
)
from adaptx.store.store import Store, write_json

CONFIG = TrainConfig(learning_rate=1e-3, epochs=1, dropout=0.0)
PRETRAINED = Pretrained()
LABELS = ("entailment", "neutral", "contradiction")
SEEN = (
    SeenData("nli", Exposure.KIND, ("en",), "NLI pairs"),
    SeenData("klue/klue", Exposure.TEXT, ("ko",), "the evaluated split's own text"),
    SeenData("rajpurkar/squad", Exposure.TEXT, ("en",)),
)


def fake_model(folder: Path, seen: tuple[SeenData, ...] = SEEN) -> ModelSpec:
    folder.mkdir(parents=True)
    config = {
        "model_type": "bert",
        "num_hidden_layers": 2,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_attention_heads": 2,
        "vocab_size": 100,
        "max_position_embeddings": 64,
    }
    (folder / "config.json").write_text(json.dumps(config))
    # A file without tensors, different in each folder: planning reads only its header.
    header = json.dumps({"__metadata__": {"of": folder.name}}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    return dataclasses.replace(find_model(str(folder)), seen=seen)


def fake_mirror(folder: Path, *tasks: Task) -> Path:
    """Write a parquet file for every set. Planning only hashes them."""
    for task in tasks:
        for rows in (*task.train, *task.development, *task.evaluation, *task.pool):
            file = folder / f"{rows.address}.parquet"
            if not file.is_file():
                file.parent.mkdir(parents=True, exist_ok=True)
                pq.write_table(pa.table({"text": [rows.address]}), file)
    return folder


def train(model: ModelSpec, task: Task, method: Method, start: Start = PRETRAINED, seed: int = 1, **config) -> Train:
    return Train(model, task, method, dataclasses.replace(CONFIG, seed=seed, **config), start)


def fill(
    plan: Plan,
    store: Store,
    sources: Sources,
    accuracies: Mapping[str, float] | None = None,
    num_rows: int = 60,
    without: Sequence[str] = (),
) -> None:
    """Store every stage.

    accuracies: part of the text `label language` -> share of correct predictions; shares of matching parts are added.
    """
    for node in plan.nodes:
        record = stage_record(node)
        trained = node.stage if isinstance(node.stage, Train) else node.stage.model
        seed = trained.config.seed if isinstance(trained, Train) else 1
        generator = np.random.default_rng(zlib.crc32(f"{node.name}{f' {seed}' if seed > 1 else ''}".encode()))
        if isinstance(node.stage, Train):
            result = fake_result(node.stage, generator)
            with store.building(record) as folder:
                write_json(folder / RESULT_FILE, to_json(result))
                losses = 1.1 * np.exp(-np.arange(result.steps) / 60) + generator.normal(0, 0.06, result.steps)
                steps = [TrainingStep(i + 1, float(loss), 1e-3, 0.2 * (i + 1)) for i, loss in enumerate(losses)]
                (folder / STEPS_FILE).write_text("".join(f"{json.dumps(to_json(step))}\n" for step in steps))
            continue
        evaluate = node.stage
        if evaluate.language in without:
            continue
        rows = evaluate.task.rows_in(evaluate.language)
        golds_file = store.golds_file(
            evaluate.task.name,
            evaluate.language,
            golds_digest(evaluate.task, rows, evaluate.limit, sources),
        )
        key = rows.parallel_group or evaluate.language
        drawn = np.random.default_rng(zlib.crc32(key.encode())).integers(0, 3, num_rows)
        golds = [_gold(evaluate.task.format, int(number), row) for row, number in enumerate(drawn)]
        numbers = tuple(range(num_rows))
        write_json(
            golds_file,
            to_json(
                Golds(task=evaluate.task.name, language=evaluate.language, golds=golds, rows=numbers, clusters=numbers)
            ),
        )
        known = f"{factors(evaluate).label} {evaluate.language}"
        chance = sum(share for part, share in (accuracies or {"": 0.5}).items() if part in known)
        right = np.random.default_rng(zlib.crc32(evaluate.language.encode())).random(num_rows)
        # Variants agree on most examples, as real ones do: all variants of a language share half of each draw.
        right = 0.5 * right + 0.5 * generator.random(num_rows)
        most = np.quantile(right, np.clip(chance + generator.normal(0, 0.02), 0, 1))
        predictions = [
            _prediction(evaluate.task.format, gold, bool(draw < most)) for gold, draw in zip(golds, right, strict=True)
        ]
        with store.building(record, golds_file.name) as folder:
            write_json(folder / SCORES_FILE, to_json(fake_scores(evaluate, predictions, golds_file.name)))
            if isinstance(trained, Train) and isinstance(trained.start, Fuse):
                count = len(trained.start.stages)
                places = (PlaceWeights(0, "query", (1 / count,) * count),)
                modules = tuple(FusedModule(name, "0" * 64) for name in fused_names(trained))
                write_json(folder / MIXING_FILE, to_json(MixingWeights(9, places, modules)))


ENVIRONMENT = Environment("cpu", 2, {"torch": "2.13.0", "transformers": "4.57.0"})
MEASURE = "resident set above the level before the model loads"


RESULT = TrainResult(
    seconds=22.0,
    steps=90,
    planned_steps=90,
    selected_step=90,
    selected_on=None,
    development=(),
    examples=2880,
    tokens=2880 * 40,
    trainable_parameters=74_000,
    head_parameters=1155,
    rows_used=3000,
    rows_expected=549_367,
    rows_by_task={"nli": 3000},
    items_by_task={"nli": 3000},
    left_out=(),
    peak_memory_bytes=250 * 2**20,
    memory_measure=MEASURE,
    environment=ENVIRONMENT,
    energy_joules=1800.0,
    energy_measure="two meters",
)
# These metrics are not those of the predictions: a report that shows them has not recomputed the metrics.
SCORES = Scores(
    task="nli",
    language="en",
    metrics={"accuracy": 0.123},
    predictions=[],
    golds_file="nli.en-1f3a9c7e.json",
    details={},
    one_class=OneClass(None, None),
    rows_used=0,
    rows_expected=None,
    left_out=(),
    tokens_per_word=1.6,
    unknown_share=0.0006,
    truncated_share=0.0,
    seconds=1.2,
    peak_memory_bytes=90 * 2**20,
    memory_measure=MEASURE,
    environment=ENVIRONMENT,
)


def fake_result(train: Train, generator: np.random.Generator) -> TrainResult:
    full = isinstance(train.method, Full)
    return dataclasses.replace(
        RESULT,
        seconds=20.0 + 30 * full + 2 * len(training_path(train)),
        trainable_parameters=17_000_000 if full else 74_000,
        rows_by_task={train.task.name: 3000},
        items_by_task={train.task.name: 3000},
        peak_memory_bytes=(600 if full else 250) * 2**20 + int(generator.integers(40) * 2**20),
    )


def fake_scores(evaluate: Evaluate, predictions: list[Any], golds_file: str) -> Scores:
    return dataclasses.replace(
        SCORES,
        task=evaluate.task.name,
        language=evaluate.language,
        predictions=predictions,
        golds_file=golds_file,
        rows_used=len(predictions),
        rows_expected=evaluate.task.rows_in(evaluate.language).expected,
        tokens_per_word=1.4 + 0.1 * len(evaluate.language),
    )


def change(store: Store, fingerprint: str, write: Callable[[Path], object]) -> None:
    """Store a stage again after `write` has changed its folder."""
    entry = store.find(fingerprint)
    assert entry is not None
    record, golds = entry.record, entry.golds_file
    for name in (STAGE_FILE, COMPLETE):
        (entry.folder / name).unlink()
    write(entry.folder)
    seal(entry.folder, record, [golds] if golds is not None else [])


def put_values(store: Store, fingerprint: str, **values: Any) -> None:
    """Store a stage again with other values in its result."""
    entry = store.find(fingerprint)
    assert entry is not None
    result = dataclasses.replace(entry.result, **values)
    name = SCORES_FILE if entry.kind == "evaluate" else RESULT_FILE
    change(store, fingerprint, lambda folder: write_json(folder / name, to_json(result)))


def put_modules(plan: Plan, store: Store) -> None:
    """Store weights for every training; nothing reads them."""
    for node in plan.nodes:
        if node.kind == "train":
            change(store, node.fingerprint, lambda folder: (folder / MODULE_FILE).write_bytes(b"weights"))


def _gold(task_format: TaskFormat, number: int, row: int) -> Any:
    """Return the gold of a row.

    number: 0, 1 or 2, drawn for the row.
    """
    match task_format:
        case Classification():
            return LABELS[number]
        case Tagging():
            return ["O", "B-PER", "I-PER", "O", "B-LOC"][number:]
        case QuestionAnswering():
            return [f"answer {row} of {number}", f"answer {row}"]
        case Retrieval():
            return [f"candidate {row}"]
        case _:
            return row


def _prediction(task_format: TaskFormat, gold: Any, is_right: bool) -> Any:
    match task_format:
        case Tagging():
            return gold if is_right else ["O"] * len(gold)
        case QuestionAnswering():
            # A wrong answer shares a word with the right one, so that F1 exceeds exact match.
            return gold[0] if is_right else "another answer"
        case Classification():
            return gold if is_right else "wrong"
        case Retrieval():
            return gold if is_right else ["another candidate"]
        case _:
            return gold if is_right else -1


def everywhere(model: ModelSpec | Train, task: Task, **fields) -> list[Evaluate]:
    return [Evaluate(model, task, language, **fields) for language in task.languages]


def planned(
    sources: Sources, *evaluates: list[Evaluate], name: str = "question", suites: tuple[Suite, ...] = ()
) -> Plan:
    evaluations = tuple(one for group in evaluates for one in group)
    return make_plan(Recipe(name, evaluations, title="A question?", suites=suites), sources)
