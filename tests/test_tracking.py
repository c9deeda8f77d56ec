"""MLflow on SQLite over a store made by hand: one run a training and a variant, and nothing lost."""

import dataclasses
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support.fake_store import (
    ENVIRONMENT,
    change,
    everywhere,
    fake_mirror,
    fake_model,
    fill,
    planned,
    put_values,
    train,
)

from adaptx.catalog import NLI as EVERYWHERE
from adaptx.catalog import SNLI, TATOEBA
from adaptx.metrics import METRICS
from adaptx.planning.naming import factors, training_path
from adaptx.planning.plan import Plan
from adaptx.report.gains.gain import ZERO_SHOT
from adaptx.report.gains.gain_metrics import gain_metrics
from adaptx.report.gains.gains import compute_gains
from adaptx.report.results.measured import measure
from adaptx.sources.sources import Sources
from adaptx.specs import Classification, Evaluate, Full, Hidden, Lora, ModelSpec, Sequential, Train
from adaptx.store.mixing import MIXING_FILE
from adaptx.store.records import OneClass
from adaptx.store.store import Store, write_json
from adaptx.tracking.address import Address
from adaptx.tracking.markers import markers_of
from adaptx.tracking.process import Failure, Session, Work
from adaptx.tracking.records import Record, Records, RunKey, report_record
from adaptx.tracking.writer import Writer, safe_name

NLI = dataclasses.replace(EVERYWHERE, evaluation=EVERYWHERE.evaluation[:3])
RETRIEVAL = dataclasses.replace(TATOEBA, evaluation=TATOEBA.evaluation[:2])


@pytest.fixture
def model(tmp_path: Path) -> ModelSpec:
    return fake_model(tmp_path / "tiny-bert")


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    return Sources(fake_mirror(tmp_path / "data", NLI, SNLI, RETRIEVAL))


@pytest.fixture
def store(tmp_path: Path, monkeypatch, empty_database: Path) -> Store:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "store").mkdir()
    shutil.copyfile(empty_database, tmp_path / "store" / "mlflow.db")
    return Store(tmp_path / "store")


def grid(model: ModelSpec, sources: Sources, name: str = "question") -> Plan:
    snli = train(model, SNLI, Lora())
    return planned(
        sources,
        everywhere(train(model, NLI, Lora()), NLI),
        everywhere(train(model, NLI, Full(), Sequential(train(model, SNLI, Full()))), NLI),
        everywhere(train(model, NLI, Lora(), Sequential(snli)), NLI),
        everywhere(snli, RETRIEVAL),
        everywhere(model, RETRIEVAL),
        name=name,
    )


def address_in(store: Store) -> Address:
    """The store's own database, opened by its path, so that this process stays in its folder."""
    return Address(uri_of(store), store.root / "mlflow.db")


def uri_of(store: Store) -> str:
    return f"sqlite:///{store.root / 'mlflow.db'}"


def record(plan: Plan, store: Store, *more: Record) -> list[Any]:
    """Record all there is, as the process of each command does; returns notes and failures."""
    told: list[Any] = []
    session = Session(Work(address_in(store), plan.recipe.name, store.root, plan), told.append)
    session.more += more
    left = session.record()
    failures = [value for kind, value in told if kind in ("note", "failed")]
    assert bool(left) == any(isinstance(value, Failure) for value in failures)
    return failures


def runs(store: Store, kind: str, experiment: str = "question") -> dict[str, Any]:
    """Run name -> run; two of one name are a mistake."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri_of(store))
    found = client.search_runs(
        [client.get_experiment_by_name(experiment).experiment_id], f"tags.`adaptx.kind` = '{kind}'"
    )
    named = {run.info.run_name: run for run in found}
    assert len(named) == len(found)
    return named


def test_one_run_a_training_and_a_variant_with_all_that_a_person_compares(model, sources, store) -> None:
    plan = grid(model, sources)
    fill(plan, store, sources)
    # One of them kept a fusion's weights.
    fused = next(node for node in plan.nodes if node.kind == "evaluate")
    change(store, fused.fingerprint, lambda folder: write_json(folder / MIXING_FILE, {}))
    assert record(plan, store) == []

    trainings = runs(store, "train")
    assert set(trainings) == {node.name for node in plan.nodes if node.kind == "train"}
    run = trainings["tiny-bert.nli.lora-r8.sequential-snli"]
    node = next(node for node in plan.nodes if node.name == run.info.run_name)
    assert run.data.tags["adaptx.fingerprint"] == node.fingerprint
    assert run.info.status == "FINISHED"
    assert run.data.params["method"] == "Lora"
    assert run.data.params["method.rank"] == "8"
    assert run.data.params["config.learning_rate"] == "0.001"
    assert run.data.metrics["seconds"] == store.find(node.fingerprint).result.seconds
    assert run.data.metrics["train/loss"] > 0
    (data_set,) = run.inputs.dataset_inputs
    assert data_set.dataset.name == "nyu-mll/glue/mnli/train"

    variants = runs(store, "variant")
    assert set(variants) == {
        "lora-r8 · baseline",
        "full · Sequential · snli",
        "lora-r8 · Sequential · snli",
        "lora-r8 · no target training · snli",
        "untrained",
    }
    run = variants["lora-r8 · Sequential · snli"]
    expected = {"model": "tiny-bert", "method": "lora-r8", "start": "Sequential", "intermediate": "snli"}
    expected |= {"target": "nli", "seed": "1"}
    assert expected.items() <= run.data.params.items()
    scores = {key: value for key, value in run.data.metrics.items() if key.startswith("nli/")}
    places = (*NLI.languages, "avg", "avg_zero_shot")
    wanted = {f"nli/{each}/{metric}" for each in places for metric in ("accuracy", "macro_f1")}
    assert set(scores) == {*wanted, "nli/one_class_languages"}
    assert scores["nli/one_class_languages"] == 0
    assert run.data.tags["adaptx.one_class"] == ""
    assert 0.123 not in scores.values(), "what the fake scores.json claims"
    evaluate = next(e for e in plan.recipe.evaluations if isinstance(e.model, Train) and e.model == node.stage)
    results = [store.find(plan.fingerprint_of(each)).result for each in training_path(evaluate)]
    assert run.data.metrics["path/seconds"] == sum(result.seconds for result in results)
    scored = [store.find(plan.fingerprint_of(e)).result for e in plan.recipe.evaluations if e.model == node.stage]
    assert run.data.metrics["path/peak_memory_bytes"] == max(r.peak_memory_bytes for r in [*results, *scored])
    assert run.data.metrics["trainable_parameters"] == results[-1].trainable_parameters
    assert run.data.tags["adaptx.path"].split() == [plan.fingerprint_of(each) for each in training_path(evaluate)]
    assert trainings["tiny-bert.snli.lora-r8"].info.run_id in run.data.tags["mlflow.note.content"]
    assert variants["untrained"].data.tags["adaptx.path"] == ""
    assert variants["untrained"].data.params["target"] == "none"
    artifacts = [file.name for file in (store.root / "mlartifacts").rglob("*.json")]
    assert artifacts.count("scores.json") == len([node for node in plan.nodes if node.kind == "evaluate"])
    assert artifacts.count("mixing.json") == 1


def test_a_variant_that_predicts_one_class_has_a_tag_and_a_count(model, sources, store) -> None:
    plan = grid(model, sources)
    fill(plan, store, sources)
    evaluate = next(each for each in plan.recipe.evaluations if each.task.name == "nli" and each.language == "ko")
    put_values(store, plan.fingerprint_of(evaluate), one_class=OneClass(None, "neutral"))
    assert record(plan, store) == []
    run = runs(store, "variant")[factors(evaluate).label]
    assert run.data.tags["adaptx.one_class"] == "nli/ko (neutral)"
    assert run.data.metrics["nli/one_class_languages"] == 1


def shown(plan: Plan, store: Store) -> dict[tuple[str, str], float]:
    """(variant, metric) -> what the report shows, by MLflow's names."""
    measurements = measure(plan, store)
    found = {
        (measured.factors.label, f"{measured.evaluate.task.name}/{measured.evaluate.language}/{metric}"): score
        for measured in measurements.measured
        for metric, score in measured.scores.items()
    }
    gains = compute_gains(measurements, resamples=10)
    averages = [gain for gain in gains if gain.quantity == ZERO_SHOT]
    return found | {(gain.variant, f"{gain.task}/avg_zero_shot/{gain.metric}"): gain.score for gain in averages}


def recorded(store: Store) -> dict[tuple[str, str], float]:
    """(variant, metric) -> what MLflow shows, without averages over all languages."""
    return {
        (name, metric): value
        for name, run in runs(store, "variant").items()
        for metric, value in run.data.metrics.items()
        if metric.startswith(("nli/", "tatoeba/")) and "/avg/" not in metric and metric.rpartition("/")[2] in METRICS
    }


@pytest.mark.parametrize("change_by", [lambda share: share / 2, lambda share: (1 + share) / 2], ids=["less", "more"])
def test_a_corrected_metric_reaches_the_report_and_runs_that_are_recorded(
    model, sources, store, monkeypatch, change_by
) -> None:
    plan = grid(model, sources)
    fill(plan, store, sources)
    assert record(plan, store) == []
    before = recorded(store)
    assert before == pytest.approx(shown(plan, store))
    accuracy = METRICS["accuracy"]

    def corrected(sums):
        return change_by(accuracy.value(sums))

    monkeypatch.setitem(METRICS, "accuracy", dataclasses.replace(accuracy, value=corrected))
    assert record(plan, store) == []
    after = recorded(store)
    assert after == pytest.approx(shown(plan, store))
    assert {key: after[key] for key in after if "accuracy" in key[1]} == pytest.approx(
        {key: change_by(value) for key, value in before.items() if "accuracy" in key[1]}
    )
    assert record(plan, store) == []
    assert recorded(store) == after


def test_recording_again_makes_no_second_run_even_where_the_markers_are_gone(model, sources, store) -> None:
    plan = grid(model, sources)
    fill(plan, store, sources)
    record(plan, store)
    before = {run.info.run_id for kind in ("train", "variant") for run in runs(store, kind).values()}
    assert record(plan, store) == []
    shutil.rmtree(store.root / "recorded")
    assert record(plan, Store(store.root)) == []
    assert {run.info.run_id for kind in ("train", "variant") for run in runs(store, kind).values()} == before


def test_what_is_stored_later_joins_its_run(model, sources, store) -> None:
    # The retrieval comes first, so that the variant's factors must not follow what happens to be stored.
    both = train(model, NLI, Lora())
    plan = planned(sources, everywhere(both, RETRIEVAL), everywhere(both, NLI))
    fill(plan, store, sources, without=NLI.languages)
    assert record(plan, store) == []
    (first,) = runs(store, "variant").values()
    assert "nli/en/accuracy" not in first.data.metrics
    assert first.data.params["target"] == "nli"
    for name in list(store.entries()):
        store.remove(store.find(name))
    fill(plan, store, sources)
    assert record(plan, store) == []
    (second,) = runs(store, "variant").values()
    assert second.info.run_id == first.info.run_id
    assert {"nli/en/accuracy", "tatoeba/es/accuracy"} <= set(second.data.metrics)


def test_two_ways_of_reading_one_checkpoint_are_two_variants(model, sources, store) -> None:
    centred = Hidden(centred=True)
    plan = planned(sources, everywhere(model, RETRIEVAL), everywhere(model, RETRIEVAL, framing=centred))
    fill(plan, store, sources)
    for node in plan.nodes:
        if isinstance(node.stage, Evaluate) and node.stage.framing == centred:
            golds = store.find(node.fingerprint).golds
            put_values(store, node.fingerprint, predictions=golds.golds)
    assert record(plan, store) == []
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri_of(store))
    found = client.search_runs([client.get_experiment_by_name("question").experiment_id])
    scores = {run.data.params.get("framing.centred"): run.data.metrics["tatoeba/es/accuracy"] for run in found}
    assert scores["True"] == 1.0
    assert set(scores) == {None, "True"}
    assert scores[None] < 1


def test_names_that_mlflow_refuses_are_made_safe(model, sources, store, monkeypatch) -> None:
    monkeypatch.setitem(METRICS, "map@20", METRICS["accuracy"])
    monkeypatch.setattr(Classification, "metrics", ("map@20",))
    odd = dataclasses.replace(NLI, name="anli+", metrics=("map@20",))
    plan = planned(sources, everywhere(train(model, odd, Lora()), odd), name="what: about@this+?")
    fill(plan, store, sources)
    assert record(plan, store) == []
    (run,) = runs(store, "variant", "what_ about_this__").values()
    assert 0 < run.data.metrics["anli_/en/map_20"] < 1
    assert run.data.params["target"] == "anli+"


@pytest.mark.parametrize(("name", "safe"), [("map@20", "map_20"), ("anli+", "anli_"), ("a/b-c.d_e f", "a/b-c.d_e f")])
def test_safe_names(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_a_server_that_fails_halfway_is_caught_up_with(model, sources, store, monkeypatch) -> None:
    plan = grid(model, sources)
    fill(plan, store, sources)
    calls = 0
    whole = Writer._log_data_sets

    def failing(self: Writer, *arguments: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise ConnectionError("gone\nwith details")
        whole(self, *arguments)

    monkeypatch.setattr(Writer, "_log_data_sets", failing)
    (failure,) = record(plan, store)
    assert failure.cause == "ConnectionError: gone"
    assert "with details" in failure.details
    monkeypatch.undo()
    assert record(plan, store) == []
    assert len(runs(store, "train")) == 5
    assert all(run.info.status == "FINISHED" for run in runs(store, "train").values())
    assert {len(steps) for steps in histories(store)} == {90}, "what was written before the failure is there once"


def test_one_run_that_cannot_be_recorded_holds_up_no_other(model, sources, store) -> None:
    plan = grid(model, sources)
    fill(plan, store, sources)
    node = next(node for node in plan.nodes if node.kind == "train")
    steps = store.find(node.fingerprint).file("steps.jsonl")
    lines = steps.read_text()
    change(store, node.fingerprint, lambda folder: (folder / steps.name).write_text('{"step": "many"}\n'))
    (failure,) = record(plan, store)
    assert failure.run == node.name
    assert "steps.jsonl does not hold the expected record: it has no `loss`" in failure.cause
    assert len(runs(store, "train")) == 4
    change(store, node.fingerprint, lambda folder: (folder / steps.name).write_text(lines))
    # A damaged stage is not there, until it has been done again.
    steps.unlink()
    assert record(plan, store) == []
    assert len(runs(store, "train")) == 4
    steps.write_text(lines)
    assert record(plan, store) == []
    assert len(runs(store, "train")) == 5


def test_a_reports_gains_reach_the_runs_of_their_variants_and_change_nothing_else(model, sources, store) -> None:
    plan = grid(model, sources)
    fill(plan, store, sources)
    measurements = measure(plan, store)
    gains = compute_gains(measurements, resamples=10)
    more = Records(plan, store).with_metrics(gain_metrics(measurements, gains))
    assert len(more) == 2, "a LoRA over NLI and one scored on retrieval have a baseline"
    # A report may come first, or after the runs are recorded.
    assert record(plan, store, *more) == []
    before = runs(store, "variant")
    run = before["lora-r8 · Sequential · snli"]
    (gain,) = [each for each in gains if each.quantity == ZERO_SHOT and each.gain is not None and each.task == "nli"]
    assert run.data.metrics["gain/nli/zero_shot_average"] == gain.gain
    assert run.data.metrics["gain/nli/zero_shot_average/p_holm"] == gain.holm_p
    assert "nli/avg_zero_shot/accuracy" in run.data.metrics
    assert "gain/tatoeba/zero_shot_average" in before["lora-r8 · no target training · snli"].data.metrics
    assert not any(name.startswith("gain/") for name in before["lora-r8 · baseline"].data.metrics)
    assert record(plan, store, *more) == []
    after = runs(store, "variant")
    assert {name: run.data.metrics for name, run in before.items()} == {n: run.data.metrics for n, run in after.items()}
    assert {name: run.info.end_time for name, run in before.items()} == {n: r.info.end_time for n, r in after.items()}
    assert {name: run.data.params for name, run in before.items()} == {n: run.data.params for n, run in after.items()}


def test_numbers_that_are_not_finite_are_named_and_not_sent(model, sources, store) -> None:
    plan = planned(sources, everywhere(train(model, NLI, Lora()), NLI))
    points = (("loss", float("nan"), 3), ("gain", float("inf"), 0), ("loss", 0.5, 4))
    odd = Record(RunKey("report", "f" * 64), "odd", 1_700_000_000_000, metrics=points)
    assert record(plan, store, odd) == []
    (run,) = runs(store, "report").values()
    assert run.data.metrics == {"loss": 0.5}
    assert run.data.tags["adaptx.not_finite"] == "loss at step 3 (nan), gain at step 0 (inf)"


def test_a_deleted_experiment_is_restored_and_said(model, sources, store) -> None:
    from mlflow import MlflowClient

    plan = grid(model, sources)
    fill(plan, store, sources, without=NLI.languages)
    assert record(plan, store) == []
    client = MlflowClient(tracking_uri=uri_of(store))
    client.delete_experiment(client.get_experiment_by_name("question").experiment_id)
    for name in list(store.entries()):
        store.remove(store.find(name))
    fill(plan, store, sources)
    (note,) = record(plan, store)
    assert note.startswith("the MLflow experiment 'question' had been deleted and is now restored with its runs")
    assert len(runs(store, "train")) == 5
    assert len(runs(store, "variant")) == 5
    assert record(plan, store) == []


def test_runs_that_two_commands_made_at_once_become_one(model, sources, store) -> None:
    from mlflow import MlflowClient

    plan = planned(sources, everywhere(train(model, NLI, Lora()), NLI))
    fill(plan, store, sources)
    client = MlflowClient(tracking_uri=uri_of(store))
    made = client.create_experiment("question")
    (node,) = [node for node in plan.nodes if node.kind == "train"]
    tags = {"adaptx.fingerprint": node.fingerprint, "adaptx.kind": "train"}
    first, _ = (client.create_run(made, tags=tags, start_time=time).info.run_id for time in (1, 2))
    assert record(plan, store) == []
    (run,) = runs(store, "train").values()
    assert run.info.run_id == first
    assert run.data.metrics["train/loss"] > 0


def test_a_parameter_that_was_recorded_otherwise_stays(model, sources, store) -> None:
    plan = planned(sources, everywhere(train(model, NLI, Lora()), NLI))
    fill(plan, store, sources)
    assert record(plan, store) == []
    (node,) = [node for node in plan.nodes if node.kind == "train"]
    # Trained again for its weights, elsewhere, and the markers are gone.
    put_values(store, node.fingerprint, environment=dataclasses.replace(ENVIRONMENT, device="cuda"))
    shutil.rmtree(store.root / "recorded")
    assert record(plan, store) == []
    (run,) = runs(store, "train").values()
    assert run.data.params["device"] == "cpu"


def test_a_database_made_anew_is_recorded_to_for_every_recipe(model, sources, store, empty_database) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    first = planned(sources, everywhere(train(model, NLI, Lora()), NLI), name="first")
    second = planned(sources, everywhere(train(model, NLI, Lora()), NLI), name="second")
    fill(first, store, sources)

    def everything_is_there() -> None:
        for plan in (first, second):
            assert record(plan, store) == []
        for experiment in ("first", "second"):
            assert len(runs(store, "train", experiment)) == 1
            assert len(runs(store, "variant", experiment)) == 1

    everything_is_there()
    # MLflow keeps its connection to a database for as long as the process lives.
    SqlAlchemyStore._engine_map.pop(uri_of(store)).dispose()
    (store.root / "mlflow.db").unlink()
    shutil.copyfile(empty_database, store.root / "mlflow.db")
    # That the database is another one shows when something is to be recorded; then all that was in it is missing.
    for plan in (first, second):
        for marker in (store.root / "recorded").glob(f"*/{plan.recipe.name}/train-*"):
            marker.unlink()
    everything_is_there()


def test_a_database_that_is_gone_leaves_nothing_that_counts_as_recorded(model, sources, store) -> None:
    for name in ("first", "second"):
        markers_of(address_in(store), store, name).add("train", "f" * 64)
    (store.root / "mlflow.db").unlink()
    assert not any(markers_of(address_in(store), store, name).has("train", "f" * 64) for name in ("first", "second"))


def test_two_stores_at_once_write_to_one_database(model, sources, store, tmp_path) -> None:
    plan = grid(model, sources)
    fill(plan, store, sources)
    other = Store(tmp_path / "other")
    shutil.copytree(store.root, other.root)
    told: list[Any] = []
    work = [Work(address_in(store), "question", each.root, plan) for each in (store, other)]
    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(lambda each: Session(each, told.append).record(), work)) == [0, 0]
    assert {kind for kind, _ in told} == {"wrote"}
    assert len(runs(store, "train")) == 5
    assert len(runs(store, "variant")) == 5
    assert {len(steps) for steps in histories(store)} == {90}


def test_nothing_stored_is_nothing_recorded(model, sources, store) -> None:
    plan = grid(model, sources)
    assert record(plan, store) == []
    assert not (store.root / "recorded").exists()


def test_a_report_is_a_run_with_its_files(model, sources, store, tmp_path) -> None:
    page = tmp_path / "report.html"
    page.write_text("<html>")
    plan = grid(model, sources)
    for _ in range(2):
        assert record(plan, store, report_record("question", "f" * 64, [page], {"gain/nli@avg": 1.5})) == []
    (run,) = runs(store, "report").values()
    assert run.data.metrics == {"gain/nli_avg": 1.5}
    (kept,) = (store.root / "mlartifacts").rglob("report.html")
    assert kept.read_text() == "<html>"


def histories(store: Store) -> list[list[int]]:
    """The steps of each training's losses, as often as they were written."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri_of(store))
    return [
        [metric.step for metric in client.get_metric_history(run.info.run_id, "train/loss")]
        for run in runs(store, "train").values()
    ]


def test_step_series_have_their_steps(model, sources, store) -> None:
    plan = planned(sources, everywhere(train(model, NLI, Lora()), NLI))
    fill(plan, store, sources)
    record(plan, store)
    from mlflow import MlflowClient

    (run,) = runs(store, "train").values()
    history = MlflowClient(tracking_uri=uri_of(store)).get_metric_history(run.info.run_id, "train/loss")
    (node,) = [node for node in plan.nodes if node.kind == "train"]
    lines = (store.find(node.fingerprint).folder / "steps.jsonl").read_text().splitlines()
    assert [(metric.step, metric.value) for metric in sorted(history, key=lambda metric: metric.step)] == [
        (line["step"], line["loss"]) for line in map(json.loads, lines)
    ]
