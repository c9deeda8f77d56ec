"""Work in processes of its own that begin at once: forked from a server that has torch and transformers loaded.

Each begins with nothing of an earlier one in memory, and running out of memory ends it alone. The server touches no
GPU: a process forked from one that does could not use it.
"""

import functools
import importlib.util
import multiprocessing
import os
import tempfile
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any, Literal, TypeVar

from adaptx.specs.architectures import ARCHITECTURES

Result = TypeVar("Result")
Start = Literal["forkserver", "spawn"]
"""Fork from the server, or begin anew and import everything again."""

KILLED = -9
"""Exit status of a process that the system's out-of-memory killer has ended."""
LAST_CHARACTERS = 2_000


class ProcessKilled(Exception):
    """The system ended the process, as it does for want of memory."""


def alone(
    function: Callable[..., Result], *arguments: Any, seconds: float | None = None, start: Start = "forkserver"
) -> Result:
    """What the function returns in a process of its own; what it prints is dropped.

    function: at the top level of a module, as it is found there by name. seconds: the most it may take.

    Raises:
        ProcessKilled: the system ended it.
        TimeoutError: it took longer; it has been ended.
        RuntimeError: it raised an error, or ended without a result; with its last lines.
    """
    context = context_for(start)
    receiving, sending = context.Pipe(duplex=False)
    with tempfile.TemporaryDirectory() as folder, receiving:
        printed = Path(folder) / "printed"
        process = context.Process(target=_carry_out, args=(sending, printed, function, arguments), daemon=True)
        process.start()
        # The process has the other copy: when it ends, so does the pipe.
        sending.close()
        try:
            if not receiving.poll(seconds):
                raise TimeoutError(f"not done after {seconds:.0f} s")
            value, error = receiving.recv()
        except EOFError:
            process.join()
            if process.exitcode == KILLED:
                raise ProcessKilled from None
            last = printed.read_text(errors="replace")[-LAST_CHARACTERS:].strip() if printed.is_file() else ""
            raise RuntimeError(f"the process ended with status {process.exitcode}: {last}") from None
        finally:
            # Its memory is free once it has ended, and nothing is left for it to do.
            process.kill()
            process.join()
    if error is not None:
        raise RuntimeError(error[-LAST_CHARACTERS:].strip())
    return value


def several(processes: int, start: Start = "forkserver") -> Pool:
    """So many processes that wait for work, with one thread each; a context manager that ends them."""
    return context_for(start).Pool(processes, _one_thread)


@functools.cache
def context_for(start: Start, modules: tuple[str, ...] | None = None) -> ForkServerContext | SpawnContext:
    """Where processes are made that begin so. modules: what a server that is not there yet imports (`preloaded`)."""
    if start == "spawn":
        return multiprocessing.get_context("spawn")
    # Asking whether there is a GPU takes hold of the driver, but not by this way.
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(preloaded() if modules is None else list(modules))
    return context


def preloaded() -> list[str]:
    """Modules that the server imports at its start; one that is missing is told by the work that needs it."""
    quick = [each.model_type for each in ARCHITECTURES.values() if not each.slow_import]
    folders = [each.replace("-", "_").removesuffix("_text") for each in quick]
    names = [
        "adaptx.profiling.measurement",
        "adaptx.profiling.prediction",
        *(f"transformers.models.{folder}.modeling_{folder}" for folder in folders),
        "adapters",
    ]
    # With peft comes bitsandbytes where that is installed, and it takes hold of the GPU as it is imported.
    return names if importlib.util.find_spec("bitsandbytes") else [*names, "peft"]


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def _carry_out(sending: Connection, printed: Path, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    with printed.open("wb") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    try:
        found = function(*arguments), None
    except Exception:
        found = None, traceback.format_exc()
    sending.send(found)
