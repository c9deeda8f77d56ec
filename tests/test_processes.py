"""Work in processes of its own: what it returns, and how it ends otherwise."""

import operator
import os
import signal
import subprocess
import sys
import time

import pytest
from support import tiny

from adaptx.profiling import processes
from adaptx.profiling.processes import ProcessKilled, alone, preloaded, several


@pytest.mark.parametrize("start", ["forkserver", "spawn"])
def test_a_function_runs_in_a_process_of_its_own(start) -> None:
    assert alone(operator.add, 1, 2, start=start) == 3
    assert alone(os.getpid, start=start) != os.getpid()


def test_the_libraries_are_there_at_once() -> None:
    # The child imports nothing of transformers itself: what it has, it was forked with. In a process of its own, since
    # there is one server per process, and another test may have started it for other work.
    code = "import test_processes as here; print(*here.alone(here.loaded))"
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=tiny.environment()
    )
    assert "transformers.models.mt5.modeling_mt5" in ended.stdout.split()


def loaded() -> list[str]:
    return list(sys.modules)


@pytest.mark.parametrize("installed", [True, False])
def test_the_server_imports_nothing_that_takes_hold_of_a_gpu(monkeypatch, installed) -> None:
    monkeypatch.setattr(processes.importlib.util, "find_spec", lambda _: installed or None)
    assert ("peft" in preloaded()) is not installed


def test_an_error_comes_back_with_its_trace() -> None:
    with pytest.raises(RuntimeError, match=r"(?s)Traceback.*ZeroDivisionError"):
        alone(operator.truediv, 1, 0)


def test_a_process_that_the_system_ends_is_told_from_one_that_fails(capfd) -> None:
    with pytest.raises(ProcessKilled):
        alone(signal.raise_signal, signal.SIGKILL)
    with pytest.raises(RuntimeError, match="ended with status 3: last words"):
        alone(say_and_end)
    assert "last words" not in "".join(capfd.readouterr())


def say_and_end() -> None:
    sys.stderr.write("last words")
    sys.stderr.flush()
    os._exit(3)


def test_what_takes_too_long_is_ended() -> None:
    with pytest.raises(TimeoutError, match="not done after 0 s"):
        alone(time.sleep, 60, seconds=0.2)


def test_several_work_at_a_time() -> None:
    with several(2) as pool:
        assert pool.map(operator.neg, [1, 2, 3]) == [-1, -2, -3]
