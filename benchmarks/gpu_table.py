"""Write the results of `gpu.py`: everything as JSON, and a table in Markdown."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from adaptx.profiling.bench import NOT_TRIED, Result
from adaptx.profiling.cell import kind_name
from adaptx.profiling.measurement import OUT_OF_MEMORY

GOAL = 0.1
NOT_RUN = "not run: time"
FAULT = "fault"
TITLES = ("model", "method", "batch", "tokens", "precision", "checkpointing", "predicted GiB", "allocated GiB", "error",
          "reserved GiB", "beside GiB", "step ms", "95th ms", "examples/s", "tokens/s", "of matmul", "trains",
          "module MiB")  # fmt: skip
LEGEND = (
    "*allocated*: the peak that torch allocated during a step after the first ones; this is what is predicted. "
    "*reserved*: memory that torch's allocator held. *beside*: other memory used on the device. *of matmul*: share of "
    "the speed of a large matrix product in that precision. A step is the median."
)
NAMES = 6
"""Columns that identify a cell."""


def write(setting: dict[str, Any], results: Sequence[Result], folder: Path) -> list[Path]:
    """Write `memory-gpu-<device>.json` and `.md`; return both paths.

    setting: device, matmul_flops_per_second by precision, command, date, machine, left_out (lines).
    """
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"memory-gpu-{re.sub('[^a-z0-9]+', '-', setting['device'].lower()).strip('-')}"
    record = {**setting, "summary": summary(results), "cells": [_record(result) for result in results]}
    files = [folder / f"{stem}.json", folder / f"{stem}.md"]
    files[0].write_text(json.dumps(record, indent=1) + "\n")
    files[1].write_text(page(setting, results))
    return files


def page(setting: dict[str, Any], results: Sequence[Result]) -> str:
    """Return the results as Markdown: measured cells, cells that do not fit or failed, and cells that were not run."""
    where = setting["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in where["versions"].items())
    speeds = ", ".join(f"{speed / 1e12:.1f} in {name}" for name, speed in setting["matmul_flops_per_second"].items())
    lines = [
        f"# Predicted and measured memory on {setting['device']}",
        "",
        f"{summary(results)}.",
        "",
        f"`{setting['command']}`, {setting['date']}. {setting['memory_bytes'] / 2**30:.1f} GiB, of which "
        f"{setting['taken_bytes'] / 2**30:.1f} were in use at the beginning; matrix products at {speeds} TFLOP/s. "
        f"{where['cpu']}, {where['cores']} cores; Python {where['python']}, {versions}.",
        "",
        LEGEND,
        "",
        f"| {' | '.join(TITLES)} |",
        "|" + "---|" * len(TITLES),
        *(_line(result, setting["matmul_flops_per_second"]) for result in results if result.failed != NOT_RUN),
    ]
    waiting = [result.cell.name for result in results if result.failed == NOT_RUN]
    if waiting:
        lines += ["", f"Not run, because the time was over ({len(waiting)}): {', '.join(waiting)}."]
    if setting["left_out"]:
        lines += ["", *(f"Left out: {line}." for line in setting["left_out"])]
    return "\n".join(lines) + "\n"


def summary(results: Sequence[Result]) -> str:
    """Return one sentence: how many cells were measured, the largest error, how many exceed the goal, and the rest."""
    errors = {result.cell.name: result.error for result in results if result.error is not None}
    parts = [f"{len(errors)} of {len(results)} cells measured"]
    if errors:
        worst = max(errors, key=lambda name: abs(errors[name]))
        above = sum(abs(error) > GOAL for error in errors.values())
        parts.append(f"largest error {100 * errors[worst]:+.1f} % ({worst})")
        parts.append(f"{above} above the goal of {100 * GOAL:.0f} %")
    endings = [result.failed for result in results if result.failed is not None]
    unforeseen = sum(end.startswith(OUT_OF_MEMORY) for end in endings) - endings.count(NOT_TRIED)
    counts = {
        "out of memory, as predicted, and not tried": endings.count(NOT_TRIED),
        "out of memory, though predicted to fit": unforeseen,
        "not run, because the time was over": endings.count(NOT_RUN),
        "ended by a fault": sum(end.startswith(FAULT) for end in endings),
    }
    rest = len(endings) - sum(counts.values())
    parts += [f"{count} {what}" for what, count in {**counts, "ended otherwise": rest}.items() if count]
    return "; ".join(parts)


def _line(result: Result, speeds: dict[str, float]) -> str:
    cell, measured, prediction = result.cell, result.measured, result.prediction
    kind = kind_name(cell.method.label, cell.quantised_name)
    names = [cell.model.name, kind, cell.batch_size, cell.sequence_length, cell.precision,
             "yes" if cell.gradient_checkpointing else "no"]  # fmt: skip
    values = [_gib(prediction.peak_memory_bytes) if prediction is not None else ""]
    if measured is None:
        # A table cell must be one line without Markdown's own marks.
        values.append((result.failed or "").splitlines()[0].replace("|", "/"))
    else:
        assert result.error is not None
        values += [
            _gib(measured.peak_memory_bytes),
            f"{100 * result.error:+.1f} %",
            _gib(measured.reserved_bytes),
            _gib(measured.beside_bytes),
            f"{1e3 * measured.step_seconds_p50:.0f}",
            f"{1e3 * measured.step_seconds_p95:.0f}",
            f"{measured.examples_per_second:.1f}",
            f"{measured.tokens_per_second:.0f}",
            f"{100 * measured.flops_per_second / speeds[cell.precision]:.0f} %",
            f"{measured.trainable_parameters:,}",
            f"{measured.module_bytes / 2**20:.1f}",
        ]
    values += [""] * (len(TITLES) - NAMES - len(values))
    return f"| {' | '.join(map(str, [*names, *values]))} |"


def _gib(size: int | None) -> str:
    return "" if size is None else f"{size / 2**30:.2f}"


def _record(result: Result) -> dict[str, Any]:
    cell = result.cell
    return {
        "cell": cell.name,
        "model": cell.model.hub_id,
        "parameters": cell.shape.parameters,
        "method": cell.method.label,
        "quantised": cell.quantised_name,
        "batch_size": cell.batch_size,
        "sequence_length": cell.sequence_length,
        "precision": cell.precision,
        "gradient_checkpointing": cell.gradient_checkpointing,
        "prediction": asdict(result.prediction) if result.prediction is not None else None,
        "measured": asdict(result.measured) if result.measured is not None else None,
        "error": result.error,
        "failed": result.failed,
    }
