"""What several test files share: the tiny world, made once a process."""

import gc
import os
from collections.abc import Generator
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings
from support import needs, tiny

# Bit-equality is promised for equal thread counts; and no test may ask the network for anything.
os.environ.update(tiny.ONE_THREAD)
# Other work on the machine is no fault of a test's.
settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared machine")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect the tests without looking for garbage: imported modules and tests stay until the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> tiny.World:
    """Tiny models, their tokenizers and rows."""
    return tiny.make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's tables with nothing in them, made once for all processes of xdist: making them takes seconds, copying
    them none.
    """
    own = tmp_path_factory.getbasetemp()
    folder = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    file, whole = folder / "making.db", folder / "mlflow.db"
    with FileLock(folder / "mlflow.lock"):
        if not whole.exists():
            from mlflow import MlflowClient

            MlflowClient(tracking_uri=f"sqlite:///{file}").search_experiments()
            file.rename(whole)
    return whole


@pytest.fixture(scope="module", autouse=True)
def settled() -> list[bool]:
    """Whether the module's first test is over: what it imports and makes for all of them is there then."""
    return []


@pytest.fixture(autouse=True)
def without_garbage(settled: list[bool]) -> Generator[None]:
    """Every stage collects garbage before it measures memory; among the libraries' own objects there is none to find,
    and looking takes longer than a tiny stage.
    """
    yield
    if not settled:
        gc.collect()
        gc.freeze()
        settled.append(True)


@pytest.fixture
def modules_named_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Starts that take one module several times, which specs refuse: mixing equal modules must give that module."""
    monkeypatch.setattr("adaptx.specs.stage._check_distinct", lambda *_: None)


@pytest.fixture
def plans_with_adapters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests that only plan can do so with bottleneck adapters where that library is not."""
    needs.plan_with_adapters(monkeypatch)
