"""Write benchmark results as a CSV file, plots and an HTML page: memory and speed, predicted and measured."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from adaptx.profiling.bench import Result
from adaptx.profiling.bench_page import write_page
from adaptx.profiling.cell import kind_name
from adaptx.profiling.measurement import Measurement

Row = dict[str, Any]
FACTORS = ("model", "parameters", "method", "quantised", "batch_size", "micro_batch_size", "sequence_length",
           "precision", "gradient_checkpointing", "device")  # fmt: skip
"""Columns that describe a cell. All other columns are results."""


def as_row(result: Result, matmul_flops_per_second: float) -> Row:
    """Return a cell's settings, prediction and measurements as one row. Values that were not measured are None."""
    cell, measured = result.cell, result.measured
    assert result.prediction is not None
    row: Row = {
        "model": cell.model.name,
        "parameters": cell.shape.parameters,
        "method": cell.method.label,
        "quantised": cell.quantised_name,
        "batch_size": cell.batch_size,
        "micro_batch_size": cell.micro_batch,
        "sequence_length": cell.sequence_length,
        "precision": cell.precision,
        "gradient_checkpointing": cell.gradient_checkpointing,
        "device": cell.device,
        "predicted_memory_bytes": result.prediction.peak_memory_bytes,
        "failed": result.failed,
        "prediction_error": result.error,
        "matmul_share": measured and measured.flops_per_second / matmul_flops_per_second,
    }
    return {**row, **(asdict(measured) if measured is not None else {})}


def measured_columns(rows: Sequence[Row]) -> list[Row]:
    """Remove the measurements that are None in all rows, such as reserved memory on a CPU."""
    optional = {field.name for field in fields(Measurement)}
    empty = {name for name in optional if all(row.get(name) is None for row in rows)}
    return [{name: value for name, value in row.items() if name not in empty} for row in rows]


def write_bench(rows: Sequence[Row], folder: Path) -> list[Path]:
    """Write `bench.csv`, plots of the measured rows, and `bench.html` with both. Return the paths of the files."""
    folder.mkdir(parents=True, exist_ok=True)
    names = list(dict.fromkeys(name for row in rows for name in row))
    with (folder / "bench.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
    plots = _plots([row for row in rows if row["failed"] is None], folder)
    write_page(rows, plots, folder / "bench.html")
    return [folder / "bench.csv", folder / "bench.html", *plots]


def _plots(found: Sequence[Row], folder: Path) -> list[Path]:
    if not found:
        return []
    _plot_against_parameters(found, "memory of a training step [GiB]", lambda row: row["peak_memory_bytes"] / 2**30,
                  folder / "memory_by_size.png")  # fmt: skip
    _plot_against_parameters(
        found, "tokens per second", lambda row: row["tokens_per_second"], folder / "speed_by_size.png"
    )
    _predicted(found, folder / "predicted_and_measured.png")
    return [folder / name for name in ("memory_by_size.png", "speed_by_size.png", "predicted_and_measured.png")]


def _plot_against_parameters(rows: Sequence[Row], label: str, value: Callable[[Row], float], path: Path) -> None:
    from matplotlib.figure import Figure

    differing = [name for name in FACTORS[2:] if len({row[name] for row in rows}) > 1]
    lines: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
        words = [f"{name.replace('_', ' ')} {row[name]}" if name != "method" else row[name] for name in differing]
        lines.setdefault(", ".join(words) or row["method"], []).append((row["parameters"], value(row)))
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    for name, points in lines.items():
        points.sort()
        axes.plot([x for x, _ in points], [y for _, y in points], marker="o", label=name)
    axes.set(xscale="log", yscale="log", xlabel="parameters", ylabel=label)
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend(fontsize="small")
    figure.savefig(path, dpi=120)


def _predicted(rows: Sequence[Row], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 6), layout="constrained")
    axes = figure.add_subplot()
    for kind in dict.fromkeys((row["method"], row["quantised"]) for row in rows):
        mine = [row for row in rows if (row["method"], row["quantised"]) == kind]
        axes.scatter([row["peak_memory_bytes"] / 2**30 for row in mine],
                     [row["predicted_memory_bytes"] / 2**30 for row in mine], label=kind_name(*kind))  # fmt: skip
    sizes = sorted(row["peak_memory_bytes"] / 2**30 for row in rows)
    ends = [sizes[0], sizes[-1]]
    axes.plot(ends, ends, color="black", linewidth=1, label="as predicted")
    axes.fill_between(ends, [0.9 * end for end in ends], [1.1 * end for end in ends], color="grey", alpha=0.2,
                      label="within 10 %")  # fmt: skip
    axes.set(xscale="log", yscale="log", xlabel="measured [GiB]", ylabel="predicted [GiB]")
    axes.legend(fontsize="small")
    figure.savefig(path, dpi=120)
