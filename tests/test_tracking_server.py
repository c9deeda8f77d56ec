"""Tracking servers that are away, hang, fail, die and come back: a command goes on, ends in time, catches up once."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Generator
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.fake_store import everywhere, fake_mirror, fake_model, fill, planned, train
from support.tracking_server import Door, mlflow_server

from adaptx.catalog import NLI as EVERYWHERE
from adaptx.catalog import SNLI
from adaptx.planning.plan import Plan
from adaptx.sources.sources import Sources
from adaptx.specs import Lora, ModelSpec, Sequential
from adaptx.store.store import Store
from adaptx.tracking import recorder as recording
from adaptx.tracking.address import address_of
from adaptx.tracking.process import Failure, Message, Session, Work
from adaptx.tracking.recorder import Recorder

NLI = dataclasses.replace(EVERYWHERE, evaluation=EVERYWHERE.evaluation[:2])
SAFE = "all results are in the store, and the next `adaptx run` or `adaptx report` records what is missing"
MOST_DELAY_SECONDS = 30


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Generator[int]:
    folder = tmp_path_factory.mktemp("server")
    shutil.copyfile(empty_database, folder / "mlflow.db")
    with mlflow_server(folder, folder / "mlflow.db") as port:
        yield port


@pytest.fixture
def door(server: int) -> Generator[Door]:
    door = Door(server)
    yield door
    door.shut()


@pytest.fixture
def model(tmp_path: Path) -> ModelSpec:
    return fake_model(tmp_path / "tiny-bert")


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    return Sources(fake_mirror(tmp_path / "data", NLI, SNLI))


@pytest.fixture
def plan(model: ModelSpec, sources: Sources, request: pytest.FixtureRequest) -> Plan:
    """Two trainings and a variant, in an experiment of the test's own."""
    target = train(model, NLI, Lora(), Sequential(train(model, SNLI, Lora())))
    return planned(sources, everywhere(target, NLI), name=request.node.name)


@pytest.fixture
def store(tmp_path: Path, plan: Plan, sources: Sources) -> Store:
    store = Store(tmp_path / "store")
    fill(plan, store, sources)
    return store


@pytest.fixture(autouse=True)
def untold(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine recording may take long enough to be told."""
    monkeypatch.setattr(recording, "TELL_SECONDS", 1_000.0)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow tries once."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


def record(plan: Plan, store: Store, address: str) -> list[Failure]:
    """Record within this process, as that of a command does; returns what failed."""
    told: list[Message] = []
    left = Session(Work(address_of(address, store), plan.recipe.name, store.root, plan), told.append).record()
    failures = [value for kind, value in told if kind == "failed"]
    assert bool(left) == bool(failures)
    return failures


def runs(plan: Plan, uri: str) -> list[tuple[str, int]]:
    """(Kind, losses' points) of each run of the plan's experiment at the server."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name(plan.recipe.name)
    found = client.search_runs([experiment.experiment_id]) if experiment else []
    assert all(each.info.status == "FINISHED" for each in found)
    return sorted(
        (each.data.tags["adaptx.kind"], len(client.get_metric_history(each.info.run_id, "train/loss")))
        for each in found
    )


EVERYTHING = [("train", 90), ("train", 90), ("variant", 0)]


def test_a_server_that_is_away_is_told_once_and_caught_up_with_once(plan, store, door, soon) -> None:
    door.shut()
    (failure,) = record(plan, store, door.address.replace("//", "//user:secret@"))
    assert "secret" not in f"{failure}"
    assert door.address in failure.details
    door.open()
    for _ in range(2):
        assert record(plan, store, door.address) == []
        assert runs(plan, door.address) == EVERYTHING


def test_a_server_that_dies_in_the_middle_is_caught_up_with_once(plan, store, door, soon) -> None:
    tries = 0
    while True:
        door.open()
        # Each time one request later: when a run is made, when its metrics are written, between two runs.
        door.dies_after = tries
        if not record(plan, store, door.address):
            break
        tries += 1
    door.open()
    assert tries > 5
    assert runs(plan, door.address) == EVERYTHING


def test_a_server_that_fails_slowly(plan, store, door, soon) -> None:
    door.failing = 0.5
    (failure,) = record(plan, store, door.address)
    assert "503" in failure.cause
    door.open()
    assert record(plan, store, door.address) == []
    assert runs(plan, door.address) == EVERYTHING


def test_a_server_that_comes_back_during_a_run_is_caught_up_with_by_it(plan, store, door, soon) -> None:
    before = dict(os.environ)
    told: list[str] = []
    door.shut()
    address = door.address.replace("//", "//user:secret@")
    with Recorder(address_of(address, store), store, told.append, plan) as recorder:
        recorder.look()
        while not told:
            recorder.look()
            time.sleep(0.1)
        door.open()
    (line,) = told
    assert line.startswith(f"MLflow at {door.address} could not record ")
    assert SAFE in line
    assert "secret" not in line
    assert "\n" not in line
    assert runs(plan, door.address) == EVERYTHING
    assert dict(os.environ) == before, "MLflow's settings are this process's own"


def test_looking_returns_at_once_and_leaving_in_time_though_the_server_hangs(plan, store, door, tmp_path) -> None:
    door.hanging = True
    told: list[str] = []
    began = time.monotonic()
    with Recorder(address_of(door.address, store), store, told.append, plan) as recorder:
        for _ in range(2_000):
            recorder.look()
        looked = time.monotonic() - began
        began = time.monotonic()
    assert looked < 5
    assert time.monotonic() - began < MOST_DELAY_SECONDS
    (line,) = told
    assert line.startswith(f"MLflow at {door.address} ")
    assert SAFE in line
    assert recorder._process is not None
    assert recorder._process.poll() is not None, "its process is still there"


def test_an_interrupted_command_leaves_a_server_that_hangs_sooner(plan, store, door, monkeypatch) -> None:
    monkeypatch.setattr(recording, "INTERRUPTED_SECONDS", 1.0)
    door.hanging = True
    began = time.monotonic()
    recorder = Recorder(address_of(door.address, store), store, [].append, plan)

    def interrupted() -> None:
        with recorder:
            recorder.look()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert time.monotonic() - began < 10


def test_a_process_that_is_killed_is_told(plan, store, door) -> None:
    door.hanging = True
    told: list[str] = []
    with Recorder(address_of(door.address, store), store, told.append, plan) as recorder:
        recorder.look()
        assert recorder._process is not None
        recorder._process.kill()
    (line,) = told
    assert "the recording process ended with status -9" in line
    assert SAFE in line


def test_a_store_of_any_path_holds_and_shows_its_runs(plan, store, empty_database, tmp_path) -> None:
    odd = Store(tmp_path / "100%?a=b&c%20d#e [f] añ文'@:;\\" / "store")
    shutil.copytree(store.root, odd.root)
    shutil.copyfile(empty_database, odd.root / "mlflow.db")
    before = {path.name for path in tmp_path.iterdir()}
    told: list[str] = []
    with Recorder(address_of(None, odd), odd, told.append, plan):
        pass
    assert told == []
    shutil.copyfile(odd.root / "mlflow.db", tmp_path / "copy.db")
    assert runs(plan, f"sqlite:///{tmp_path / 'copy.db'}") == EVERYTHING
    assert len(list((odd.root / "mlartifacts").rglob("scores.json"))) == 2
    assert {path.name for path in tmp_path.iterdir()} == before | {"copy.db"}, "something lies beside the store"
    _look_at_it(odd)


def _look_at_it(store: Store) -> None:
    """`adaptx ui` is one process, answers as soon as it says so, shows artifacts, and leaves nothing at Ctrl-C."""
    code = "from adaptx.cli.app import main; main()"
    command = [sys.executable, "-c", code, "ui", "--store", str(store.root), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as served:
        try:
            assert served.stdout is not None
            first = served.stdout.readline()
            assert f"MLflow UI on sqlite:///{store.root}/mlflow.db: http://127.0.0.1:" in first
            at = first.partition("http://")[2].split()[0]
            link = served.stdout.readline()
            assert "variants side by side: http://" in link
            experiment = link.partition("experiments/")[2].split("/")[0]
            found = _get(f"http://{at}/ajax-api/2.0/mlflow/runs/search", {"experiment_ids": [experiment]})["runs"]
            variant = next(run for run in found if "Sequential" in run["info"]["run_name"])
            address = f"http://{at}/get-artifact?path=stage.json&run_uuid={variant['info']['run_id']}"
            assert _get(address)["kind"] == "evaluate"
            assert psutil.Process(served.pid).children(recursive=True) == []
        finally:
            served.send_signal(signal.SIGINT)
        assert served.wait(timeout=60) == 0
        assert served.stdout.read().count("variants side by side") == 0


def _get(address: str, body: object = None) -> Any:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(address, json.dumps(body).encode() if body else None, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def test_two_commands_at_once_record_each_run_once(plan, store, door, tmp_path) -> None:
    other = Store(tmp_path / "other")
    shutil.copytree(store.root, other.root)
    told: list[str] = []
    recorders = [Recorder(address_of(door.address, store), store, told.append, plan) for _ in range(2)]
    with recorders[0] as first, recorders[1] as second:
        first.look()
        second.look()
        assert record(plan, other, door.address) == []
    assert told == []
    assert runs(plan, door.address) == EVERYTHING
