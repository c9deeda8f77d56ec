"""Call functions in separate processes.

A process starts without memory left over from earlier work, and running out of memory ends only this process. It starts
quickly, because a server that has already loaded torch forks it. The server never uses the GPU, because a process
forked from one that uses a GPU could not use it.
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
"""How a process starts: forked from the server, or as a new interpreter that imports everything again."""

KILLED = -9
"""Exit status of a process that was ended by the system's out-of-memory killer (SIGKILL)."""
LAST_CHARACTERS = 2_000


class ProcessKilled(Exception):
    """The system killed the process, usually because memory ran out."""


def alone(
    function: Callable[..., Result], *arguments: Any, seconds: float | None = None, start: Start = "forkserver"
) -> Result:
    """Call a function in a separate process and return its result. What the function prints is discarded.

    function: defined at the top level of a Python module, because the process imports it by name.
    seconds: the time limit (None: no limit).

    Raises:
        ProcessKilled: the system killed the process.
        TimeoutError: the function took longer than `seconds`. Its process is ended.
        RuntimeError: the function raised an error, or the process ended without a result. The message contains the end
            of the traceback or of the output.
    """
    context = context_for(start)
    receiving, sending = context.Pipe(duplex=False)
    with tempfile.TemporaryDirectory() as folder, receiving:
        printed = Path(folder) / "printed"
        process = context.Process(target=_carry_out, args=(sending, printed, function, arguments), daemon=True)
        process.start()
        # Close our copy of the sending end: the pipe then ends when the process, which has the other copy, ends.
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
            # The work is done. Ending the process now frees its memory before the next one starts.
            process.kill()
            process.join()
    if error is not None:
        raise RuntimeError(error[-LAST_CHARACTERS:].strip())
    return value


def several(processes: int, start: Start = "forkserver") -> Pool:
    """Return a pool of processes with one thread each, as a context manager that ends them."""
    return context_for(start).Pool(processes, _one_thread)


@functools.cache
def context_for(start: Start, modules: tuple[str, ...] | None = None) -> ForkServerContext | SpawnContext:
    """Return the multiprocessing context for a way to start processes.

    modules: names of Python modules that the server imports when it starts (None: `preloaded()`). They have no effect
    if the server is already running.
    """
    if start == "spawn":
        return multiprocessing.get_context("spawn")
    # With this setting, torch checks for a GPU through NVML, which does not initialise CUDA in the server.
    os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(preloaded() if modules is None else list(modules))
    return context


def preloaded() -> list[str]:
    """Return the names of Python modules that the server imports when it starts.

    The server ignores those that are not installed; the function that needs such a module then reports the error.
    """
    quick = [each.model_type for each in ARCHITECTURES.values() if not each.slow_import]
    folders = [each.replace("-", "_").removesuffix("_text") for each in quick]
    names = [
        "adaptx.profiling.measurement",
        "adaptx.profiling.prediction",
        *(f"transformers.models.{folder}.modeling_{folder}" for folder in folders),
        "adapters",
    ]
    # peft imports bitsandbytes if it is installed, and bitsandbytes initialises the GPU when it is imported.
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
