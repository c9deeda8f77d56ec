"""Memory predictions and measurements, as tables and as JSON."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from adaptx.costs.room import fits
from adaptx.display.sizes import gib
from adaptx.profiling.cell import Cell
from adaptx.profiling.fitting import Remedy
from adaptx.profiling.prediction import Prediction


def as_plain(
    cell: Cell, prediction: Prediction, memory_bytes: int | None, found: Sequence[Remedy] = ()
) -> dict[str, Any]:
    """Return a prediction as plain values for JSON. `fits` is None if `memory_bytes` is None."""
    return {
        "cell": cell.name,
        "model": cell.model.hub_id,
        "quantised": cell.quantised_name,
        "device": cell.device,
        "peak_memory_bytes": prediction.peak_memory_bytes,
        "context_bytes": prediction.context_bytes,
        "parts": prediction.parts,
        "moment": prediction.moment,
        "trainable_parameters": prediction.trainable_parameters,
        "parameters": cell.shape.parameters,
        "memory_bytes": memory_bytes,
        "fits": None if memory_bytes is None else fits(prediction.needed_bytes, memory_bytes),
        "remedies": [
            {"change": each.what, "price": each.price, "peak_memory_bytes": each.prediction.peak_memory_bytes}
            for each in found
        ],
        "seconds": prediction.seconds,
    }


def show(
    console: Console,
    cell: Cell,
    prediction: Prediction,
    memory_bytes: int | None,
    found: Sequence[Remedy],
) -> None:
    """Print the peak memory by purpose, whether the step fits, and which changes would make it fit."""
    table = Table(title=f"One training step of {cell.name} on {cell.device}", title_justify="left")
    table.add_column("at its peak")
    table.add_column("memory", justify="right")
    table.add_column("share", justify="right")
    for part, size in prediction.parts.items():
        table.add_row(part, gib(size), f"{size / prediction.peak_memory_bytes:.0%}")
    table.add_section()
    table.add_row("allocated by torch", gib(prediction.peak_memory_bytes), "100%")
    if prediction.context_bytes:
        table.add_row("CUDA context (assumed)", gib(prediction.context_bytes), "")
        table.add_row("needed", gib(prediction.needed_bytes), "")
    console.print(table)
    console.print(
        f"Phase of the peak: {prediction.moment}. {prediction.trainable_parameters:,} of {cell.shape.parameters:,} "
        "parameters train."
    )
    if memory_bytes is None:
        return
    if fits(prediction.needed_bytes, memory_bytes):
        console.print(f"[green]fits[/] into {gib(memory_bytes)}")
        return
    console.print(f"[red]does not fit[/] into {gib(memory_bytes)}")
    if not found:
        console.print("No option of adaptx makes it fit: use a smaller model or shorter sequences.")
    for number, each in enumerate(found, 1):
        needed = gib(each.prediction.needed_bytes)
        console.print(f"  {number}. {each.what}: {needed} ({each.price})", highlight=False)


def sweep_table(rows: Sequence[tuple[Cell, Prediction]], memory_bytes: int | None) -> Table:
    """Return a table of predictions, one line per cell."""
    table = Table()
    for name in ("model", "method", "quantised", "batch", "length", "precision"):
        table.add_column(name)
    for name in ("weights", "gradients + optimiser", "activations", "peak"):
        table.add_column(name, justify="right")
    if memory_bytes is not None:
        table.add_column(f"fits {gib(memory_bytes)}")
    for cell, found in rows:
        parts = found.parts
        values = [
            cell.model.name, cell.method.label, cell.quantised_name, str(cell.batch_size),
            str(cell.sequence_length), cell.precision, gib(parts["weights"]),
            gib(parts["gradients"] + parts["optimiser"]),
            gib(parts["activations"] + parts["loss and logits"] + parts["temporary buffers"]), gib(found.needed_bytes),
        ]  # fmt: skip
        if memory_bytes is not None:
            values.append("yes" if fits(found.needed_bytes, memory_bytes) else "no")
        table.add_row(*values)
    return table


def bench_table(rows: Sequence[dict[str, Any]]) -> Table:
    """Return a table of predicted and measured values, one line per cell."""
    table = Table()
    for name in ("model", "method", "quantised", "batch", "length", "precision"):
        table.add_column(name)
    for name in ("predicted", "measured", "error", "examples/s", "tokens/s", "step p50", "p95", "trains", "module",
                 "of matmul"):  # fmt: skip
        table.add_column(name, justify="right")
    for row in rows:
        names = [row["model"], row["method"], row["quantised"], str(row["batch_size"]), str(row["sequence_length"]),
                 row["precision"], gib(row["predicted_memory_bytes"])]  # fmt: skip
        if row["failed"] is not None:
            table.add_row(*names, row["failed"])
            continue
        table.add_row(
            *names,
            gib(row["peak_memory_bytes"]),
            f"{row['prediction_error']:+.1%}",
            f"{row['examples_per_second']:.1f}",
            f"{row['tokens_per_second']:,.0f}",
            f"{row['step_seconds_p50']:.2f} s",
            f"{row['step_seconds_p95']:.2f} s",
            f"{row['trainable_parameters']:,}",
            gib(row["module_bytes"]),
            f"{row['matmul_share']:.0%}",
        )
    return table
