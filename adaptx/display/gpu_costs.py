"""The cost of a plan's remaining stages on each type of GPU, as a table and as JSON."""

from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from adaptx.catalog.gpus import UTILISATION
from adaptx.costs.gpus import GpuCost, GpuCosts
from adaptx.display.durations import HOUR, duration
from adaptx.display.sizes import gib


def show_gpus(costs: GpuCosts, console: Console) -> None:
    """Print one line per GPU type, then notes on what the numbers do not include."""
    table = Table(box=None, padding=(0, 1))
    for heading in ("on one GPU", "time", "peak memory", "trainings that do not fit"):
        table.add_column(heading, justify="right" if heading in ("time", "peak memory") else "left", no_wrap=True)
    for each in costs.each:
        peak = gib(each.peak_memory_bytes) if each.peak_memory_bytes is not None else ""
        table.add_row(each.gpu.name, duration(each.hours * HOUR), peak, _fitting(each))
    console.print(table)
    console.print(
        f"time: for all stages one after the other, at an assumed {UTILISATION:.0%} of the data sheet's bf16 peak; "
        "peak memory: that of the largest training, if all its texts have the maximum length",
        highlight=False,
        soft_wrap=True,
    )
    if costs.uncounted:
        console.print(
            f"not counted: {costs.uncounted} stages, because the number of rows or the checkpoint's shape is unknown",
            highlight=False,
            soft_wrap=True,
        )
    if costs.unpredicted:
        console.print(
            f"memory is not predicted for {', '.join(costs.unpredicted)}, so the table leaves it out; use `adaptx "
            "memory MODEL` to trace a training step",
            highlight=False,
            soft_wrap=True,
        )


def gpus_json(costs: GpuCosts) -> list[dict[str, Any]]:
    """Return one object per GPU type. Architectures in `unpredicted` are not part of its `peak_memory_bytes`."""
    return [
        {
            **asdict(each.gpu),
            **{name: value for name, value in asdict(each).items() if name != "gpu"},
            "uncounted_stages": costs.uncounted,
            "unpredicted": list(costs.unpredicted),
        }
        for each in costs.each
    ]


def _fitting(cost: GpuCost) -> str:
    parts = [
        f"{cost.too_large} at any micro-batch size" if cost.too_large else "",
        f"{cost.with_gradient_checkpointing} without --gradient-checkpointing or smaller micro-batches"
        if cost.with_gradient_checkpointing
        else "",
    ]
    if cost.peak_memory_bytes is None:
        return "not predicted"
    return "; ".join(filter(None, parts)) or "none"
