"""Benchmarks of cells (see `Cell`), each in a separate process and next to a memory prediction."""

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
    """A cell with its prediction and measurement.

    prediction: None if there was no time for it. failed: why there is no measurement (usually out of memory).
    """

    cell: Cell
    prediction: Prediction | None
    measured: Measurement | None
    failed: str | None = None

    @property
    def error(self) -> float | None:
        """Relative error of the predicted peak, such as 0.1 if it is 10 % too high. None without both peaks."""
        if self.prediction is None or self.measured is None:
            return None
        return self.prediction.peak_memory_bytes / self.measured.peak_memory_bytes - 1


def bench(cells: Iterable[Cell], memory_bytes: int, steps: int = 5, warmup: int = 2) -> Iterator[Result]:
    """Predict and measure each cell.

    A cell is not run if its predicted memory exceeds `memory_bytes`, or if it is quantised and bitsandbytes is not
    installed. Its `failed` then says so.

    Raises:
        RuntimeError: a cell failed for another reason than lack of memory.
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
    """Measure a cell in a separate process, and join the measurement with a prediction that was made before.

    Raises:
        TimeoutError, RuntimeError: as for `run_alone`.
    """
    found = run_alone(cell, steps, warmup, seconds, start)
    return Result(cell, prediction, None, found) if isinstance(found, str) else Result(cell, prediction, found)


def run_alone(
    cell: Cell, steps: int, warmup: int, seconds: float | None = None, start: Start = "forkserver"
) -> Measurement | str:
    """Measure a cell in a separate process. Return the measurement, or the reason why there is none.

    Raises:
        TimeoutError: the cell took longer than `seconds`.
        RuntimeError: the cell failed for another reason than lack of memory.
    """
    try:
        return alone(attempt, cell, steps, warmup, seconds=seconds, start=start)
    except ProcessKilled:
        return f"{OUT_OF_MEMORY}: the system ended the process"
    except RuntimeError as error:
        raise RuntimeError(f"{cell.name}: {error}") from error
