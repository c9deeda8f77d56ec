"""What several test files share: the tiny world, made once a process."""

import gc
import os

import needs
import pytest
import tiny

# Bit-equality is promised for equal thread counts; and no test may ask the network for anything.
os.environ.update(tiny.ONE_THREAD)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> tiny.World:
    """Tiny models, their tokenizers and rows."""
    made = tiny.make_world(tmp_path_factory.mktemp("world"))
    # Every stage collects garbage before it measures memory; among the libraries' own objects there is none to find.
    gc.freeze()
    return made


@pytest.fixture
def plans_with_adapters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests that only plan can do so with bottleneck adapters where that library is not."""
    needs.plan_with_adapters(monkeypatch)
