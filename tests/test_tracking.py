"""MLflow on SQLite over a store made by hand: one run a training and a variant, and nothing lost."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from fake_store import everywhere, fake_mirror, fake_model, fill, planned, train

from adaptx.catalog import NLI as EVERYWHERE
from adaptx.catalog import SNLI, TATOEBA
from adaptx.catalog.support import METRICS_OF
from adaptx.metrics import METRICS
from adaptx.mixing_weights import FILE
from adaptx.naming import path
from adaptx.plan import Plan
from adaptx.sources import Sources
from adaptx.specs import Classification, Evaluate, Full, Hidden, Lora, ModelSpec, Sequential, Train
from adaptx.store import Store, read_json, write_json
from adaptx.tracking import Tracker, default_uri, safe_name

NLI = dataclasses.replace(EVERYWHERE, evaluation=EVERYWHERE.evaluation[:3])
RETRIEVAL = dataclasses.replace(TATOEBA, evaluation=TATOEBA.evaluation[:2])


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory) -> Path:
    """MLflow's tables with nothing in them: making them takes seconds, copying them none."""
    from mlflow import MlflowClient

    file = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    MlflowClient(tracking_uri=f"sqlite:///{file}").search_experiments()
    return file


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


def record(plan: Plan, store: Store, uri: str | None = None) -> list[str]:
    """Record all there is, as each command does; returns the warnings."""
    warnings: list[str] = []
    Tracker(plan, store, uri or default_uri(store), warnings.append).record(plan.nodes)
    return warnings


def runs(store: Store, kind: str, experiment: str = "question") -> dict[str, Any]:
    """Run name -> run; two of one name are a mistake."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=default_uri(store))
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
    write_json(store.find(next(node for node in plan.nodes if node.kind == "evaluate").fingerprint).folder / FILE, {})
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
    assert run.data.metrics["seconds"] == store.find(node.fingerprint).result["seconds"]
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
    assert scores == {
        **{f"nli/{language}/accuracy": 0.123 for language in NLI.languages},
        "nli/avg/accuracy": pytest.approx(0.123),
        "nli/avg_zero_shot/accuracy": pytest.approx(0.123),
    }
    evaluate = next(e for e in plan.recipe.evaluations if isinstance(e.model, Train) and e.model == node.stage)
    results = [store.find(plan.fingerprint_of(each)).result for each in path(evaluate)]
    assert run.data.metrics["path/seconds"] == sum(result["seconds"] for result in results)
    scored = [store.find(plan.fingerprint_of(e)).result for e in plan.recipe.evaluations if e.model == node.stage]
    assert run.data.metrics["path/peak_memory_bytes"] == max(r["peak_memory_bytes"] for r in [*results, *scored])
    assert run.data.metrics["trainable_parameters"] == results[-1]["trainable_parameters"]
    assert run.data.tags["adaptx.path"].split() == [plan.fingerprint_of(each) for each in path(evaluate)]
    assert trainings["tiny-bert.snli.lora-r8"].info.run_id in run.data.tags["mlflow.note.content"]
    assert variants["untrained"].data.tags["adaptx.path"] == ""
    assert variants["untrained"].data.params["target"] == "none"
    artifacts = [file.name for file in (store.root / "mlartifacts").rglob("*.json")]
    assert artifacts.count("scores.json") == len([node for node in plan.nodes if node.kind == "evaluate"])
    assert artifacts.count("mixing.json") == 1


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
            file = store.find(node.fingerprint).folder / "scores.json"
            write_json(file, {**read_json(file), "metrics": {"accuracy": 0.9}})
    assert record(plan, store) == []
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=default_uri(store))
    found = client.search_runs([client.get_experiment_by_name("question").experiment_id])
    scores = {run.data.params.get("framing.centred"): run.data.metrics["tatoeba/es/accuracy"] for run in found}
    assert scores == {None: 0.123, "True": 0.9}


def test_names_that_mlflow_refuses_are_made_safe(model, sources, store, monkeypatch) -> None:
    monkeypatch.setitem(METRICS, "map@20", METRICS["accuracy"])
    monkeypatch.setitem(METRICS_OF, Classification, ("map@20",))
    odd = dataclasses.replace(NLI, name="anli+", metrics=("map@20",))
    plan = planned(sources, everywhere(train(model, odd, Lora()), odd), name="what: about@this+?")
    fill(plan, store, sources)
    for node in plan.nodes:
        if node.kind == "evaluate":
            file = store.find(node.fingerprint).folder / "scores.json"
            write_json(file, {**read_json(file), "metrics": {"map@20": 0.5}})
    assert record(plan, store) == []
    (run,) = runs(store, "variant", "what_ about_this__").values()
    assert run.data.metrics["anli_/en/map_20"] == 0.5
    assert run.data.params["target"] == "anli+"


@pytest.mark.parametrize(("name", "safe"), [("map@20", "map_20"), ("anli+", "anli_"), ("a/b-c.d_e f", "a/b-c.d_e f")])
def test_safe_names(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_a_server_that_is_away_loses_nothing(model, sources, store, monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
    plan = grid(model, sources)
    fill(plan, store, sources)
    away = "http://127.0.0.1:1"
    warnings: list[str] = []
    tracker = Tracker(plan, store, away, warnings.append)
    tracker.record(plan.nodes)
    tracker.record(plan.nodes)
    tracker.record(plan.nodes, insist=True)
    (warning,) = warnings
    assert warning.startswith(f"MLflow at {away} could not record tiny-bert.nli.lora-r8 (")
    assert "results are safe in the store and will be recorded when it answers" in warning
    assert "\n" not in warning
    assert not list((store.root / "recorded").rglob("*-*")), "nothing counts as recorded"
    # It comes back (here as a database), and everything arrives.
    assert record(plan, store) == []
    assert len(runs(store, "train")) == 5
    assert len(runs(store, "variant")) == 5


def test_a_server_that_fails_halfway_is_caught_up_with(model, sources, store, monkeypatch) -> None:
    plan = grid(model, sources)
    fill(plan, store, sources)
    calls = 0
    whole = Tracker._log

    def failing(self: Tracker, *arguments: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise ConnectionError("gone\nwith details")
        whole(self, *arguments)

    monkeypatch.setattr(Tracker, "_log", failing)
    (warning,) = record(plan, store)
    assert "(ConnectionError: gone)" in warning
    monkeypatch.undo()
    assert record(plan, store, f"sqlite:///{store.root / 'mlflow.db'}") == []
    assert len(runs(store, "train")) == 5
    assert all(run.info.status == "FINISHED" for run in runs(store, "train").values())


def test_a_deleted_database_is_recorded_again_for_every_recipe(model, sources, store, empty_database) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    first = planned(sources, everywhere(train(model, NLI, Lora()), NLI), name="first")
    second = planned(sources, everywhere(train(model, NLI, Lora()), NLI), name="second")
    fill(first, store, sources)
    for plan in (first, second):
        record(plan, store)
    uri = default_uri(store)
    # MLflow keeps its connection to a database for as long as the process lives.
    SqlAlchemyStore._engine_map.pop(uri).dispose()
    (store.root / "mlflow.db").unlink()
    Tracker(first, store, uri, pytest.fail).record([])
    shutil.copyfile(empty_database, store.root / "mlflow.db")
    for plan in (first, second):
        assert record(plan, store) == []
    for experiment in ("first", "second"):
        assert len(runs(store, "train", experiment)) == 1
        assert len(runs(store, "variant", experiment)) == 1


def test_nothing_stored_is_nothing_recorded(model, sources, store) -> None:
    plan = grid(model, sources)
    assert record(plan, store) == []
    assert not (store.root / "recorded").exists()


def test_a_report_is_a_run_with_its_files(model, sources, store, tmp_path) -> None:
    page = tmp_path / "report.html"
    page.write_text("<html>")
    plan = grid(model, sources)
    warnings: list[str] = []
    tracker = Tracker(plan, store, default_uri(store), warnings.append)
    for _ in range(2):
        tracker.record_report("question", "f" * 64, [page], {"gain/nli@avg": 1.5})
    assert warnings == []
    (run,) = runs(store, "report").values()
    assert run.data.metrics == {"gain/nli_avg": 1.5}
    (kept,) = (store.root / "mlartifacts").rglob("report.html")
    assert kept.read_text() == "<html>"


def test_step_series_have_their_steps(model, sources, store) -> None:
    plan = planned(sources, everywhere(train(model, NLI, Lora()), NLI))
    fill(plan, store, sources)
    record(plan, store)
    from mlflow import MlflowClient

    (run,) = runs(store, "train").values()
    history = MlflowClient(tracking_uri=default_uri(store)).get_metric_history(run.info.run_id, "train/loss")
    (node,) = [node for node in plan.nodes if node.kind == "train"]
    lines = (store.find(node.fingerprint).folder / "steps.jsonl").read_text().splitlines()
    assert [(metric.step, metric.value) for metric in sorted(history, key=lambda metric: metric.step)] == [
        (line["step"], line["loss"]) for line in map(json.loads, lines)
    ]
