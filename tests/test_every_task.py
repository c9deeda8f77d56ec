"""Every task of the catalog goes the whole way on a tiny model: rows, training, evaluation in its languages, report."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from support import small_world, tiny

from adaptx.backbones.loading import load_tokenizer
from adaptx.catalog import MNLI, NTREX_MLM, RTE, TASKS, ccg_task
from adaptx.data.reading import read_pool, read_rows
from adaptx.formats.interface import Reading
from adaptx.formats.question_answering import windows
from adaptx.formats.tagging import SentenceParts
from adaptx.metrics import METRICS
from adaptx.report.tables.tidy import tidy
from adaptx.sources.sources import Sources
from adaptx.specs import (
    BitextMining,
    Classification,
    Evaluate,
    Hidden,
    Lora,
    Mixture,
    ModelSpec,
    MultipleChoice,
    QuestionAnswering,
    Retrieval,
    Rows,
    SpanCorruption,
    Tagging,
    Task,
    Train,
)
from adaptx.store.entry import Entry
from adaptx.store.record_json import read_record
from adaptx.store.records import Golds
from adaptx.store.store import Store

STEPS, BATCH = 2, 4
MAX_LENGTH = 32
"""Long contexts and sentences do not fit."""
LIMIT = 60
RANKED = 20
LANGUAGES = 2
MOST_SETS = 5
"""Training sets of one task that are all read; of text in forty languages, two are."""


@dataclass(frozen=True)
class Case:
    """What is trained, and what is evaluated with it (and by the bare checkpoint, where that needs no head)."""

    trained: Task | Mixture
    evaluated: tuple[Task, ...]

    @property
    def tasks(self) -> tuple[Task, ...]:
        members = self.trained.tasks if isinstance(self.trained, Mixture) else (self.trained,)
        return (*members, *self.evaluated)


def few_languages(task: Task) -> Task:
    """The task in its first languages; one that is evaluated in none, on its development rows."""
    return replace(
        task,
        train=task.train if len(task.train) <= MOST_SETS else task.train[:LANGUAGES],
        evaluation=(task.evaluation or task.development)[:LANGUAGES],
        pool=task.pool[:LANGUAGES],
    )


def case_of(task: Task) -> Case:
    """Tasks without training rows of their own are answered by the head of one that asks the same."""
    task = few_languages(task)
    if task.train:
        return Case(task, (task,))
    return Case(RTE if task.format.embeds else MNLI, (task,))


def from_catalog(name: str) -> Task:
    return few_languages(TASKS[name])


def mixture(*names: str, **more: Any) -> Case:
    tasks = tuple(from_catalog(name) for name in names)
    return Case(Mixture(tasks, **more), tasks)


CASES: dict[str, Callable[[Path], Case]] = {
    # Dropped spans are written by encoder-decoders alone: tests/test_formats_span_corruption.py.
    **{
        name: lambda _, task=task: case_of(task)
        for name, task in TASKS.items()
        if not isinstance(task.format, SpanCorruption)
    },
    "ccg": lambda folder: case_of(ccg_task(write_ccgbank(folder))),
    "mixture": lambda _: mixture("anli_plus", "squad", "cosmosqa", "udpos", "lareqa"),
    "mixture with masked words": lambda _: Case(
        Mixture((from_catalog("sib200"), few_languages(NTREX_MLM))), (from_catalog("sib200"), few_languages(NTREX_MLM))
    ),
    "mixture with one head": lambda _: mixture("snli", "mnli", shared_heads=True),
    "translated": lambda _: case_of(TASKS["pawsx"].with_translated("de", "ko")),
}


def write_ccgbank(folder: Path) -> Path:
    """Made derivations in CCGbank's own form."""
    for section in ("02", "00", "23"):
        leaves = [
            f"ID=wsj_{section}{number:02d}.1 PARSER=GOLD NUMPARSE=1\n"
            f"(<T S[dcl] 0 2> (<L NP NNP NNP {word} NP>) (<L S[dcl]\\NP VBZ VBZ holds S[dcl]\\NP>) )\n"
            for number, word in enumerate(small_world.WORDS)
        ]
        (folder / "AUTO" / section).mkdir(parents=True)
        (folder / "AUTO" / section / f"wsj_{section}00.auto").write_text("".join(leaves))
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> small_world.Models:
    return small_world.make_models(tmp_path_factory.mktemp("models"))


def stages(case: Case, model: ModelSpec) -> tuple[Evaluate, ...]:
    config = tiny.config(max_steps=STEPS, batch_size=BATCH, max_length=MAX_LENGTH, dropout=0.1)
    answerers: list[Train | ModelSpec] = [Train(model, case.trained, Lora(2, 4), config, limit=LIMIT)]
    if all(task.format.embeds for task in case.evaluated):
        answerers.append(model)
    return tuple(
        stage for answerer in answerers for task in case.evaluated for stage in small_world.evaluations(answerer, task)
    )


@pytest.mark.parametrize("name", CASES)
def test_a_task_goes_the_whole_way(models, tmp_path, name):
    case = CASES[name](tmp_path / "corpus")
    architecture = small_world.ARCHITECTURES[list(CASES).index(name) % 2]
    counts = small_world.mirror(tmp_path / "mirror", case.tasks) if name != "ccg" else {}
    (tmp_path / "mirror").mkdir(exist_ok=True)
    world = small_world.world(tmp_path / "mirror", models)
    evaluated = stages(case, models.specs[architecture])
    plan, _, summary = tiny.execute(world, tmp_path / "store", evaluated)
    assert summary.complete, summary.failed
    assert len(summary.finished) == len(plan.nodes)

    store = Store(tmp_path / "store")
    table = tidy(plan, store)
    trainings = {stage.model for stage in evaluated if isinstance(stage.model, Train)}
    for train in trainings:
        check_training(train, found(store, plan, train))
    for stage in evaluated:
        entry = found(store, plan, stage)
        rows = stage.task.rows_in(stage.language)
        check_scores(stage, entry, store, counts.get(rows, len(small_world.WORDS)))
        check_predictions(stage, entry, world.sources)
        lines = table[table["fingerprint"] == plan.fingerprint_of(stage)]
        assert dict(zip(lines["metric"], lines["value"], strict=True)) == entry.scores.metrics
        assert {(line.task, line.language) for line in lines.itertuples()} == {(stage.task.name, stage.language)}
        check_windows(stage, world.sources)


def found(store: Store, plan: Any, stage: Any) -> Entry:
    entry = store.find(plan.fingerprint_of(stage))
    assert entry is not None, f"{stage} is not stored"
    return entry


def check_training(train: Train, entry: Entry) -> None:
    """It took its steps, its losses are numbers, and its module is no longer what it began as (LoRA's B is zero)."""
    assert entry.result.steps == STEPS
    losses = [json.loads(line)["loss"] for line in (entry.folder / "steps.jsonl").read_text().splitlines()]
    assert len(losses) == STEPS
    assert all(math.isfinite(loss) and loss > 0 for loss in losses)
    module = load_file(entry.folder / "module.safetensors")
    ups = [tensor for key, tensor in module.items() if key.endswith("/lora_B")]
    assert ups
    assert all(tensor.abs().max() > 0 for tensor in ups), sorted(module)
    headed = [task for task in train.tasks if not task.format.embeds]
    assert (entry.folder / "head.safetensors").is_file() == bool(headed)


def check_scores(stage: Evaluate, entry: Entry, store: Store, expected_rows: int) -> None:
    """Metrics are shares, and what the kept predictions and golds give once more."""
    result = entry.scores
    kept = read_record(Golds, store.root / "golds" / result.golds_file)
    predictions, golds = result.predictions, kept.golds
    assert set(result.metrics) == set(stage.task.metrics)
    for metric, value in result.metrics.items():
        assert 0 <= value <= 1, metric
        assert METRICS[metric].score(predictions, golds, stage.language) == value, metric
    assert len(predictions) == len(golds) == len(kept.rows) == result.rows_used
    if stage.task.rows_in(stage.language).column("context"):
        assert len(kept.clusters) == len(golds)
        assert set(kept.clusters) <= set(kept.rows), "a context's number is its first row's"
    if isinstance(stage.task.format, BitextMining):
        (sources, _) = result.details["development_sentences"]
        assert sources > 0
        assert len(predictions) == 16 - sources
    else:
        assert len(predictions) == expected_rows


def check_predictions(stage: Evaluate, entry: Entry, sources: Sources) -> None:
    """Predictions are answers of the format's kind to those very rows."""
    task_format, predictions = stage.task.format, entry.scores.predictions
    columns = read_rows(stage.task.rows_in(stage.language), task_format, sources).columns
    match task_format:
        case Classification(labels):
            assert set(predictions) <= set(labels)
        case MultipleChoice():
            assert all(0 <= index < len(each) for index, each in zip(predictions, columns["choices"], strict=True))
        case Tagging(labels):
            assert [len(tags) for tags in predictions] == [len(tokens) for tokens in columns["tokens"]]
            assert {tag for tags in predictions for tag in tags} <= set(labels)
        case QuestionAnswering(unanswerable=unanswerable):
            if unanswerable:
                assert all(0 <= each["no_answer"] <= 1 for each in predictions)
            texts = [each["text"] for each in predictions] if unanswerable else predictions
            assert all(text in context for text, context in zip(texts, columns["context"], strict=True))
            assert any(texts)
        case Retrieval():
            pool = read_pool(stage.task, sources).columns["id"]
            assert all(set(ranked) <= set(pool) for ranked in predictions)
            assert all(len(set(ranked)) == len(ranked) == min(RANKED, len(pool)) for ranked in predictions)
        case BitextMining():
            assert all(found is None or 0 <= found < len(columns["target"][0]) for found in predictions)
        case _:
            assert isinstance(predictions, list)


def check_windows(stage: Evaluate, sources: Sources) -> None:
    """The made rows are long enough that windows and pieces are needed."""
    if not isinstance(stage.model, Train):
        return
    reading = Reading(tokenizer=load_tokenizer(stage.model.model, sources), framing=Hidden(), max_length=MAX_LENGTH)
    rows: Rows = stage.task.rows_in(stage.language)
    examples = read_rows(rows, stage.task.format, sources)
    if isinstance(stage.task.format, QuestionAnswering):
        assert len(windows(examples, stage.task.format, reading).windows) > 2 * len(examples)
    if isinstance(stage.task.format, Tagging) and stage.task.name != "ccg":
        assert len(SentenceParts(examples.columns["tokens"], reading).encoded) > len(examples)
