"""Gains of single seeds: in the table per seed, and as metrics of MLflow's runs."""

import dataclasses

import numpy as np
import pytest
from support.fake_store import everywhere, fake_mirror, fake_model, fill, planned, train

from adaptx.catalog import NLI, SNLI
from adaptx.planning.plan import Plan
from adaptx.report.gains.gain import SOURCE, ZERO_SHOT
from adaptx.report.gains.gain_metrics import gain_metrics
from adaptx.report.gains.gains import compute_gains
from adaptx.report.gains.seed_gains import seed_gains
from adaptx.report.results.measured import Measurements, measure
from adaptx.report.tables.tidy import gains_frame, seed_gains_frame
from adaptx.sources.sources import Sources
from adaptx.specs import Lora, Sequential
from adaptx.store.store import Store

LORA = Lora(rank=4)
TARGET = dataclasses.replace(
    NLI, evaluation=tuple(rows for rows in NLI.evaluation if rows.language in ("en", "ko", "gn"))
)
SEEDS = (1, 2, 3)


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    folder = tmp_path_factory.mktemp("seeds")
    model = fake_model(folder / "tiny-bert")
    trained = [train(model, TARGET, LORA, Sequential(train(model, SNLI, LORA, seed=seed)), seed=seed) for seed in SEEDS]
    # The third seed has no baseline.
    trained += [train(model, TARGET, LORA, seed=seed) for seed in SEEDS[:2]]
    return planned(
        Sources(fake_mirror(folder / "data", TARGET, SNLI)),
        *(everywhere(each, TARGET) for each in trained),
    )


@pytest.fixture(scope="module")
def measurements(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Measurements:
    folder = tmp_path_factory.mktemp("store")
    store = Store(folder)
    fill(plan, store, Sources(fake_mirror(folder / "data", TARGET, SNLI)), {"": 0.5, "Sequential": 0.1})
    return measure(plan, store)


def test_the_means_over_seeds_are_the_gains_and_scores_of_the_report(measurements: Measurements) -> None:
    by_seed = seed_gains(measurements)
    for gain in compute_gains(measurements, 50):
        same = [
            each
            for each in by_seed
            if (each.variant, each.metric, each.attribute, each.quantity)
            == (gain.variant, gain.metric, gain.attribute, gain.quantity)
        ]
        assert sorted(each.seed for each in same) == list(SEEDS[: gain.seeds])
        assert np.mean([each.score for each in same]) == pytest.approx(gain.score)
        compared = [each for each in same if each.gain is not None]
        assert len(compared) == gain.seeds_compared
        if compared:
            assert np.mean([each.gain for each in compared]) == pytest.approx(gain.gain)
            assert np.mean([each.baseline_score for each in compared]) == pytest.approx(gain.baseline_score)
            assert all(each.gain == each.score - each.baseline_score for each in compared)
        assert all(each.is_baseline == gain.is_baseline for each in same)


def test_the_table_has_whole_seeds_and_the_quantities_of_the_gains(measurements: Measurements) -> None:
    frame = seed_gains_frame(measurements)
    assert str(frame["seed"].dtype) == "Int64"
    gains = gains_frame(compute_gains(measurements, 50))
    assert set(frame["quantity"]) == set(gains["quantity"])
    lonely = frame[(frame["seed"] == 3) & (frame["quantity"] == ZERO_SHOT)]
    assert len(lonely) == 1
    assert lonely["gain"].isna().all()
    assert (lonely["score"] > 0).all()


def test_each_seeds_run_has_the_variants_gain_and_its_own(measurements: Measurements) -> None:
    gains = compute_gains(measurements, 50)
    metrics = gain_metrics(measurements, gains)
    # Baselines have no gain, and neither has a seed without one.
    assert [evaluate.model.config.seed for evaluate in metrics] == [1, 2]
    for quantity, said in ((ZERO_SHOT, "zero_shot_average"), (SOURCE, "source_languages")):
        (gain,) = [each for each in gains if each.quantity == quantity and each.gain is not None]
        name = f"gain/nli/{said}"
        own = {
            each.seed: each.gain
            for each in seed_gains(measurements)
            if each.quantity == quantity and not each.is_baseline
        }
        for evaluate, values in metrics.items():
            assert values[name] == gain.gain
            assert values[f"{name}/seed"] == own[evaluate.model.config.seed]
            assert (values[f"{name}/low"], values[f"{name}/high"]) == (gain.low, gain.high)
            assert (values[f"{name}/p"], values[f"{name}/p_holm"]) == (gain.p, gain.holm_p)
            assert values[f"{name}/detectable"] == gain.detectable
