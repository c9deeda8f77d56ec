"""Write memory predictions of many cells as a CSV file and a plot."""

import csv
from collections.abc import Sequence
from pathlib import Path

from adaptx.profiling.cell import Cell, kind_name
from adaptx.profiling.prediction import Prediction

Row = tuple[Cell, Prediction]


def write_sweep(rows: Sequence[Row], folder: Path, memory_bytes: int | None) -> None:
    """Write `memory.csv` and `memory.png` to a folder. memory_bytes: a line in the plot (None: no line)."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_csv(rows, folder / "memory.csv")
    _plot_against_parameters(rows, folder / "memory.png", memory_bytes)


def _write_csv(rows: Sequence[Row], path: Path) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        parts = list(rows[0][1].parts)
        writer.writerow(
            ["model", "parameters", "method", "quantised", "batch_size", "micro_batch_size", "sequence_length",
             "precision", "gradient_checkpointing", "device", "trainable_parameters", "peak_memory_bytes",
             "context_bytes", "moment", *parts]
        )  # fmt: skip
        for cell, found in rows:
            writer.writerow(
                [cell.model.hub_id, cell.shape.parameters, cell.method.label, cell.quantised_name,
                 cell.batch_size, cell.micro_batch, cell.sequence_length, cell.precision, cell.gradient_checkpointing,
                 cell.device, found.trainable_parameters, found.peak_memory_bytes, found.context_bytes, found.moment,
                 *found.parts.values()]
            )  # fmt: skip


def _plot_against_parameters(rows: Sequence[Row], path: Path, memory_bytes: int | None) -> None:
    from matplotlib.figure import Figure

    lines: dict[str, list[tuple[int, float]]] = {}
    several = {
        "batch": len({cell.batch_size for cell, _ in rows}) > 1,
        "length": len({cell.sequence_length for cell, _ in rows}) > 1,
    }
    for cell, found in rows:
        parts = [kind_name(cell.method.label, cell.quantised_name)]
        parts += [f"batch {cell.batch_size}"] if several["batch"] else []
        parts += [f"{cell.sequence_length} tokens"] if several["length"] else []
        lines.setdefault(", ".join(parts), []).append((cell.shape.parameters, found.needed_bytes / 2**30))
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    for label, points in lines.items():
        points.sort()
        axes.plot([x for x, _ in points], [y for _, y in points], marker="o", label=label)
    if memory_bytes is not None:
        axes.axhline(memory_bytes / 2**30, color="black", linestyle="--", linewidth=1, label="the device's memory")
    axes.set(xscale="log", yscale="log", xlabel="parameters", ylabel="memory of a training step [GiB]",
             title="Predicted memory against model size")  # fmt: skip
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend(fontsize="small")
    figure.savefig(path, dpi=120)
