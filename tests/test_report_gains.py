"""Gains in metrics that are no means over examples, and baselines where tasks share rows or are mixed."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.fake_store import LABELS, everywhere, fake_mirror, fake_model, fill, planned, train

from adaptx.catalog import NLI, SNLI
from adaptx.metrics import METRICS, Floats, Metric
from adaptx.metrics.metric import f1
from adaptx.report.gains.gain import GAP, SOURCE, ZERO_SHOT, Gain
from adaptx.report.gains.gains import compute_gains
from adaptx.report.results.measured import Measurements, ScoredEvaluation, measure
from adaptx.sources.sources import Sources
from adaptx.specs import Classification, Lora, ModelSpec, Sequential, Task
from adaptx.store.store import Store

LORA = Lora(rank=4)
LANGUAGES = ("en", "ko", "aym", "gn")
TARGET = dataclasses.replace(
    NLI,
    evaluation=tuple(rows for rows in NLI.evaluation if rows.language in LANGUAGES),
    metrics=("entailment_f1", "accuracy"),
)
SEQUENTIAL = "lora-r4 · Sequential · snli"


def _entailments(predictions: Sequence[Any], golds: Sequence[Any], _language: str) -> Floats:
    found, right = (np.array([label == LABELS[0] for label in labels]) for labels in (predictions, golds))
    return np.stack([found & right, found, right], axis=1).astype(float)


ENTAILMENT_F1 = Metric(name="entailment_f1", statistics=_entailments, value=f1, source="F1 of one label, for this test")


@pytest.fixture(autouse=True)
def known_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METRICS, ENTAILMENT_F1.name, ENTAILMENT_F1)
    monkeypatch.setattr(Classification, "metrics", (*Classification.metrics, ENTAILMENT_F1.name))


@pytest.fixture
def model(tmp_path: Path) -> ModelSpec:
    return fake_model(tmp_path / "tiny-bert")


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    return Sources(fake_mirror(tmp_path / "data", TARGET, SNLI))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def measured(model: ModelSpec, sources: Sources, store: Store) -> Measurements:
    plan = planned(
        sources,
        everywhere(train(model, TARGET, LORA), TARGET),
        everywhere(train(model, TARGET, LORA, Sequential(train(model, SNLI, LORA))), TARGET),
    )
    fill(plan, store, sources, {"": 0.5, "Sequential": 0.1}, num_rows=200)
    return measure(plan, store)


def found(gains: Sequence[Gain], metric: str, quantity: str, variant: str = SEQUENTIAL) -> Gain:
    (gain,) = [g for g in gains if (g.variant, g.metric, g.quantity) == (variant, metric, quantity)]
    return gain


def plain_f1(measured: ScoredEvaluation, rows: Sequence[int] | Floats) -> float:
    """F1 of the drawn rows, counted one by one."""
    correct, predicted, gold = (
        sum(measured.statistics["entailment_f1"][int(row)][column] for row in rows) for column in range(3)
    )
    precision, recall = correct / max(predicted, 1), correct / max(gold, 1)
    return 2 * precision * recall / max(precision + recall, 1e-12)


def test_a_set_metrics_gain_and_interval_are_those_of_redrawn_sets(measured: Measurements) -> None:
    baseline, variant = measured.variants("nli")
    gain = found(compute_gains(measured, 4_000), "entailment_f1", "ko")
    ours, theirs = variant.languages["ko"], baseline.languages["ko"]
    everything = np.arange(200)
    assert gain.score == pytest.approx(plain_f1(ours, everything))
    assert gain.gain == pytest.approx(plain_f1(ours, everything) - plain_f1(theirs, everything))
    generator = np.random.default_rng(1)
    draws = [generator.integers(0, 200, 200) for _ in range(1_500)]
    expected = np.percentile([plain_f1(ours, rows) - plain_f1(theirs, rows) for rows in draws], [2.5, 97.5])
    assert (gain.low, gain.high) == pytest.approx(tuple(expected), abs=0.012)


def test_averages_and_gaps_of_a_set_metric_are_those_of_its_languages(measured: Measurements) -> None:
    gains = compute_gains(measured, 300)
    by_language = {language: found(gains, "entailment_f1", language) for language in LANGUAGES}
    average, source, gap = (found(gains, "entailment_f1", quantity) for quantity in (ZERO_SHOT, SOURCE, GAP))
    assert average.gain == pytest.approx(np.mean([by_language[language].gain for language in ("ko", "aym", "gn")]))
    assert gap.gain == pytest.approx(source.gain - average.gain)
    assert average.low < average.gain < average.high


def test_a_metrics_gains_do_not_depend_on_the_tasks_other_metrics(
    measured: Measurements, model: ModelSpec, sources: Sources, store: Store
) -> None:
    gains = compute_gains(measured, 300)
    alone = dataclasses.replace(TARGET, metrics=("accuracy",))
    plan = planned(
        sources,
        everywhere(train(model, alone, LORA), alone),
        everywhere(train(model, alone, LORA, Sequential(train(model, SNLI, LORA))), alone),
    )
    again = compute_gains(measure(plan, store), 300)
    assert [gain for gain in gains if gain.metric == "accuracy"] == again


def test_one_row_gives_a_gain_without_an_interval(model: ModelSpec, sources: Sources, store: Store) -> None:
    plan = planned(
        sources,
        everywhere(train(model, TARGET, LORA), TARGET),
        everywhere(train(model, TARGET, LORA, Sequential(train(model, SNLI, LORA))), TARGET),
    )
    fill(plan, store, sources, num_rows=1)
    gain = found(compute_gains(measure(plan, store), 100), "accuracy", "ko")
    assert gain.gain is not None
    assert (gain.low, gain.high, gain.sign) == (None, None, 0)
    assert "a single row, which cannot be resampled" in gain.note


def renamed(task: Task, name: str) -> Task:
    return dataclasses.replace(task, name=name)


def test_a_training_on_the_same_rows_under_another_name_is_the_baseline(model, sources, store) -> None:
    """XQuAD, MLQA: one English training set, measured on several sets."""
    other = renamed(TARGET, "other")
    plan = planned(
        sources,
        everywhere(train(model, TARGET, LORA), other),
        everywhere(train(model, TARGET, LORA, Sequential(train(model, SNLI, LORA))), other),
    )
    fill(plan, store, sources)
    assert found(compute_gains(measure(plan, store), 100), "accuracy", ZERO_SHOT).baseline == "lora-r4 · baseline"


def test_few_shot_rows_are_told_from_the_baselines(model, sources, store) -> None:
    few = dataclasses.replace(TARGET, train=(*TARGET.train, TARGET.rows_in("gn")))
    plan = planned(
        sources,
        everywhere(train(model, TARGET, LORA), TARGET),
        everywhere(train(model, few, LORA, Sequential(train(model, SNLI, LORA))), few),
    )
    fill(plan, store, sources)
    gain = found(compute_gains(measure(plan, store), 100), "accuracy", ZERO_SHOT)
    assert gain.note == "baseline differs in training rows"
    assert gain.languages == ("ko", "aym"), "Guarani rows were trained on"
