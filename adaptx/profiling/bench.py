"""Measure cells one after the other, each in a process of its own, beside their predictions."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from adaptx.costs.room import fits
from adaptx.planning.support_methods import quantised_refusal
from adaptx.profiling.cell import Cell
from adaptx.profiling.measurement import OUT_OF_MEMORY, Measurement, attempt
from adaptx.profiling.prediction import Prediction, predict
from adaptx.profiling.processes import ProcessKilled, Start, alone

NOT_TRIED = f"{OUT_OF_MEMORY}, as predicted"


@dataclass(frozen=True)
class Result:
    """A cell with what was predicted and measured; failed: why there is no measurement (out of memory, mostly).

    prediction: None where the time did not allow of one.
    """

    cell: Cell
    prediction: Prediction | None
    measured: Measurement | None
    failed: str | None = None

    @property
    def error(self) -> float | None:
        """Relative error of the predicted peak."""
        if self.prediction is None or self.measured is None:
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
        if not fits(prediction.needed_bytes, memory_bytes):
            yield Result(cell, prediction, None, NOT_TRIED)
            continue
        yield measured_beside(cell, prediction, steps, warmup)


def measured_beside(
    cell: Cell,
    prediction: Prediction,
    steps: int,
    warmup: int,
    seconds: float | None = None,
    start: Start = "forkserver",
) -> Result:
    """The cell's result; errors as of `run_alone`."""
    found = run_alone(cell, steps, warmup, seconds, start)
    return Result(cell, prediction, None, found) if isinstance(found, str) else Result(cell, prediction, found)


def run_alone(
    cell: Cell, steps: int, warmup: int, seconds: float | None = None, start: Start = "forkserver"
) -> Measurement | str:
    """What the cell's own process measures, or why it could not.

    Raises:
        TimeoutError: it took longer than `seconds`.
        RuntimeError: the cell ended otherwise than well or for want of memory.
    """
    try:
        return alone(attempt, cell, steps, warmup, seconds=seconds, start=start)
    except ProcessKilled:
        return f"{OUT_OF_MEMORY}: the system ended the process"
    except RuntimeError as error:
        raise RuntimeError(f"{cell.name}: {error}") from error
