"""Measure cells one after the other, each in a process of its own, beside their predictions."""

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from adaptx.catalog.support import quantised_refusal
from adaptx.profiling.cell import Cell
from adaptx.profiling.fitting import fits
from adaptx.profiling.measurement import OUT_OF_MEMORY, Measured, matmul_flops_per_second
from adaptx.profiling.prediction import Prediction, predict
from adaptx.specs import Precision

KILLED = -9
"""Exit status of a process that the system's out-of-memory killer has ended."""


@dataclass(frozen=True)
class Result:
    """A cell with what was predicted and measured; failed: why there is no measurement (out of memory, mostly)."""

    cell: Cell
    prediction: Prediction
    measured: Measured | None
    failed: str | None = None

    @property
    def error(self) -> float | None:
        """Relative error of the predicted peak."""
        if self.measured is None:
            return None
        return self.prediction.peak_memory_bytes / self.measured.peak_memory_bytes - 1


def bench(cells: Iterable[Cell], memory_bytes: int, steps: int = 5, warmup: int = 2) -> Iterator[Result]:
    """Predict and measure each cell; what is predicted not to fit into `memory_bytes` is not tried.

    Nor are quantised weights where bitsandbytes is missing: the result says how to install it.

    Raises:
        RuntimeError: a cell ended otherwise than well or for want of memory.
    """
    for cell in cells:
        prediction = predict(cell)
        if cell.quantised is not None and (reason := quantised_refusal()) is not None:
            yield Result(cell, prediction, None, reason)
            continue
        if not fits(prediction, memory_bytes):
            yield Result(cell, prediction, None, f"{OUT_OF_MEMORY}, as predicted")
            continue
        found = run_alone(cell, steps, warmup)
        yield Result(cell, prediction, None, found) if isinstance(found, str) else Result(cell, prediction, found)


def run_alone(cell: Cell, steps: int, warmup: int) -> Measured | str:
    """What the cell's own process measures, or why it could not."""
    process = subprocess.run(
        [sys.executable, "-m", "adaptx.profiling.measurement"],
        input=pickle.dumps((cell, {"steps": steps, "warmup": warmup})),
        capture_output=True,
        env={**os.environ, "TRANSFORMERS_VERBOSITY": "error"},
        check=False,
    )
    if process.returncode == KILLED:
        return f"{OUT_OF_MEMORY}: the system ended the process"
    if process.returncode:
        raise RuntimeError(f"{cell.name}: {process.stderr.decode(errors='replace').strip()[-2_000:]}")
    found = json.loads(process.stdout.decode().splitlines()[-1])
    return found["failed"] if "failed" in found else Measured(**found)


def device_memory_bytes(device: str) -> int:
    """Of the GPU; of the machine's memory what is free now."""
    if device == "cuda":
        import torch

        return torch.cuda.get_device_properties(0).total_memory
    import psutil

    return psutil.virtual_memory().available


def matmul_speed(device: str, precision: Precision) -> float:
    """Operations a second of the device's own large matrix product in that precision."""
    import torch

    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    return matmul_flops_per_second(torch.device(device), dtype)
