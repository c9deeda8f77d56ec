"""Run the cells of `gpu.py`: first all predictions, several at a time, then one measurement after another."""

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from gpu_grid import KINDS, SMOKE, grid, left_out, smoke
from gpu_table import FAULT, NOT_RUN, page, summary, write
from training import machine

from adaptx.profiling.bench import NOT_TRIED, Result, measured_beside
from adaptx.profiling.cell import Cell
from adaptx.profiling.device import look_at
from adaptx.profiling.fitting import fits
from adaptx.profiling.prediction import Prediction, predict
from adaptx.profiling.processes import Start, several

CELL_SECONDS = 60.0
"""Maximum seconds per cell."""
LEAST_SECONDS = 8.0
"""Minimum seconds that must be left for another cell to begin."""
PREDICTING = 0.5
"""Maximum share of the time for predictions."""
WARMUP = 2
RESULTS = Path(__file__).resolve().parent / "results"

Measure = Callable[[Cell, Prediction, float], Result]


def carry_out(arguments: argparse.Namespace, until: float) -> None:
    """Predict and measure the cells that the command line asks for, and write the results.

    until: time of the monotonic clock at which no other cell begins.

    Raises:
        SystemExit: the device does not exist, or a cell failed because of a fault.
    """
    if arguments.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit(
            f"torch {torch.__version__} finds no CUDA device. Run this on a machine with an NVIDIA GPU and torch "
            "built for CUDA, or with --smoke on the CPU."
        )
    cells = (smoke if arguments.smoke else grid)(arguments.device)
    setting = _setting(arguments)
    for line in setting["left_out"]:
        _say(f"left out: {line}")
    predictions = predict_all(cells, PREDICTING * (until - time.monotonic()), arguments.start)
    _say(f"{len(predictions)} of {len(cells)} predicted, {until - time.monotonic():.0f} s left")

    def measure(cell: Cell, prediction: Prediction, seconds: float) -> Result:
        return measured_beside(cell, prediction, arguments.steps, WARMUP, seconds, arguments.start)

    results: list[Result] = []
    files: list[Path] = []
    with tempfile.TemporaryDirectory() as nowhere:
        folder = arguments.out or (Path(nowhere) if arguments.smoke else RESULTS)
        for result in run(cells, predictions, setting["memory_bytes"], lambda: until - time.monotonic(), measure):
            results.append(result)
            found = f"error {100 * result.error:+.1f} %" if result.error is not None else result.failed
            _say(f"{len(results)}/{len(cells)} {result.cell.name}: {found}")
            # Write after every cell, so that results are kept if the benchmark is ended early.
            files = write(setting, results, folder)
    print(page(setting, results))
    if not arguments.smoke or arguments.out:
        _say(f"written to {' and '.join(map(str, files))}")
    if any((result.failed or "").startswith(FAULT) for result in results):
        raise SystemExit(f"at least one cell failed because of a fault: {summary(results)}")


def predict_all(cells: Sequence[Cell], seconds: float, start: Start) -> dict[Cell, Prediction | str]:
    """Predict as many cells as the time allows, on all cores except one; return a text where a prediction failed."""
    found: dict[Cell, Prediction | str] = {}
    until = time.monotonic() + seconds
    with several(max(1, len(os.sched_getaffinity(0)) - 1), start) as pool:
        waiting = {cell: pool.apply_async(predict, (cell,)) for cell in cells}
        for cell, prediction in waiting.items():
            try:
                found[cell] = prediction.get(max(0.0, until - time.monotonic()))
            except multiprocessing.TimeoutError:
                continue
            except Exception as error:
                # An architecture that this version of transformers builds differently must not end the benchmark.
                found[cell] = f"{FAULT} in the prediction: {error!r}"
    return found


def run(
    cells: Sequence[Cell],
    predictions: Mapping[Cell, Prediction | str],
    memory_bytes: int,
    seconds_left: Callable[[], float],
    measure: Measure,
) -> Iterator[Result]:
    """Return each cell's result, in order.

    A cell that is predicted not to fit takes no time, so it has a result even if no time is left.
    """
    for cell in cells:
        prediction = predictions.get(cell)
        if isinstance(prediction, str):
            yield Result(cell, None, None, prediction)
        elif prediction is None:
            yield Result(cell, None, None, NOT_RUN)
        elif not fits(prediction.needed_bytes, memory_bytes):
            yield Result(cell, prediction, None, NOT_TRIED)
        elif (left := seconds_left()) < LEAST_SECONDS:
            yield Result(cell, prediction, None, NOT_RUN)
        else:
            yield _measured(cell, prediction, min(CELL_SECONDS, left), measure)


def _measured(cell: Cell, prediction: Prediction, seconds: float, measure: Measure) -> Result:
    try:
        return measure(cell, prediction, seconds)
    except TimeoutError as error:
        return Result(cell, prediction, None, str(error) if seconds == CELL_SECONDS else NOT_RUN)
    except RuntimeError as error:
        # The last line is the error itself; the whole traceback follows for the record.
        return Result(cell, prediction, None, f"{FAULT}: {str(error).splitlines()[-1]}\n{error}")


def _setting(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what the numbers depend on apart from the code: device, speed, command, date and machine."""
    device = look_at(arguments.device, ("bf16", "fp32"), arguments.start)
    smoke = " --smoke" if arguments.smoke else ""
    return {
        "device": device.name or arguments.device,
        "memory_bytes": device.memory_bytes,
        "taken_bytes": device.taken_bytes,
        "matmul_flops_per_second": device.matmul_flops_per_second,
        "command": f"python benchmarks/gpu.py{smoke} --device {arguments.device} --minutes {arguments.minutes:g} "
        f"--steps {arguments.steps}",
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "cuda": torch.version.cuda,
        "machine": machine(),
        "left_out": left_out(SMOKE if arguments.smoke else KINDS),
    }


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
