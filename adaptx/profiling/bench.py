"""Measure cells one after the other, each in a process of its own, beside their predictions."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from adaptx.catalog.support import quantised_refusal
from adaptx.profiling.cell import Cell
from adaptx.profiling.fitting import fits
from adaptx.profiling.measurement import OUT_OF_MEMORY, Measured, attempt, matmul_flops_per_second
from adaptx.profiling.prediction import Prediction, predict
from adaptx.profiling.processes import Killed, Start, alone
from adaptx.specs import Precision

NOT_TRIED = f"{OUT_OF_MEMORY}, as predicted"


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
            yield Result(cell, prediction, None, NOT_TRIED)
            continue
        found = run_alone(cell, steps, warmup)
        yield Result(cell, prediction, None, found) if isinstance(found, str) else Result(cell, prediction, found)


def run_alone(
    cell: Cell, steps: int, warmup: int, seconds: float | None = None, start: Start = "forkserver"
) -> Measured | str:
    """What the cell's own process measures, or why it could not.

    Raises:
        TimeoutError: it took longer than `seconds`.
        RuntimeError: the cell ended otherwise than well or for want of memory.
    """
    try:
        return alone(attempt, cell, steps, warmup, seconds=seconds, start=start)
    except Killed:
        return f"{OUT_OF_MEMORY}: the system ended the process"
    except RuntimeError as error:
        raise RuntimeError(f"{cell.name}: {error}") from error


def device_memory_bytes(device: str) -> int:
    """Of the GPU; of the machine's memory what is free now."""
    return alone(_cuda_memory_bytes) if device == "cuda" else _available_bytes()


def matmul_speed(device: str, precision: Precision) -> float:
    """Operations a second of the device's own large matrix product in that precision."""
    return alone(_matmul_speed, device, precision)


# Not in the calling process, which would keep a part of the GPU's memory.
def _cuda_memory_bytes() -> int:
    import torch

    return torch.cuda.get_device_properties(0).total_memory


def _matmul_speed(device: str, precision: Precision) -> float:
    import torch

    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    return matmul_flops_per_second(torch.device(device), dtype)


def _available_bytes() -> int:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        import psutil

        return psutil.virtual_memory().available
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
