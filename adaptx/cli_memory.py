"""`adaptx memory`: will a training step fit?"""

import itertools
import json
import sys
from pathlib import Path
from typing import Annotated, cast, get_args

import typer
from rich.console import Console
from rich.progress import track

from adaptx.catalog.models import find_model
from adaptx.errors import UserError
from adaptx.specs import Bottleneck, Full, Lora, Method, Precision

METHODS = ("full", "lora", "bottleneck")


def memory(
    model: Annotated[
        str, typer.Argument(help="Hub id, short name or folder; of several, with commas.", show_default=False)
    ],
    method: Annotated[str, typer.Option(help="full, lora or bottleneck; of several, with commas.")] = "lora",
    batch_size: Annotated[str, typer.Option(help="Sequences in one optimiser step.")] = "8",
    sequence_length: Annotated[str, typer.Option(help="Tokens of each sequence.")] = "512",
    micro_batch_size: Annotated[
        int | None, typer.Option(min=1, help="Sequences in one forward pass (default: all).", show_default=False)
    ] = None,
    precision: Annotated[str, typer.Option(help="fp32 or bf16.")] = "bf16",
    checkpointing: Annotated[bool, typer.Option("--checkpointing", help="Compute layers again backwards.")] = False,
    rank: Annotated[int, typer.Option(min=1, help="Rank of LoRA.")] = 8,
    reduction_factor: Annotated[float, typer.Option(help="Hidden size over bottleneck size.")] = 16,
    device: Annotated[str, typer.Option(help="cuda or cpu.")] = "cuda",
    gpu: Annotated[str | None, typer.Option(help="Memory of the device, such as 24GiB: does it fit?")] = None,
    sweep: Annotated[
        Path | None, typer.Option(help="All combinations of the values given; a CSV file and a plot go here.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the same as JSON, for programs.")] = False,
) -> None:
    """Predict the peak memory of a training step, before any weight is loaded.

    Example: adaptx memory Qwen/Qwen3-8B-Base --method lora --batch-size 8 --sequence-length 512 --gpu 24GiB
    """
    from adaptx.profiling.cell import Cell
    from adaptx.profiling.fitting import fits, remedies
    from adaptx.profiling.prediction import predict
    from adaptx.profiling.sweep import write_sweep
    from adaptx.views.memory import as_plain, parse_bytes, show, sweep_table

    if device not in ("cpu", "cuda"):
        raise UserError(f"--device {device}: memory is predicted for cpu and cuda")
    if precision not in get_args(Precision):
        raise UserError(f"--precision {precision}: choose one of {', '.join(get_args(Precision))}")
    memory_bytes = parse_bytes(gpu) if gpu is not None else None
    models = [find_model(name) for name in model.split(",")]
    methods = [_method(name, rank, reduction_factor) for name in method.split(",")]
    batches, lengths = _numbers("--batch-size", batch_size), _numbers("--sequence-length", sequence_length)
    cells = [
        Cell(each, kind, batch, length, cast(Precision, precision), checkpointing, micro_batch_size, device)
        for each, kind, batch, length in itertools.product(models, methods, batches, lengths)
    ]
    console = Console(width=None if sys.stdout.isatty() else 200)
    if sweep is not None:
        rows = [(cell, predict(cell)) for cell in track(cells, console=Console(stderr=True), transient=True)]
        write_sweep(rows, sweep, memory_bytes)
        if as_json:
            typer.echo(json.dumps([as_plain(*row, memory_bytes) for row in rows], indent=1))
        else:
            console.print(sweep_table(rows, memory_bytes))
            console.print(f"written to {sweep}", highlight=False)
        return
    if len(cells) > 1:
        raise UserError(f"these are {len(cells)} combinations: `--sweep DIR` predicts them all, and keeps them there")
    prediction = predict(cells[0])
    does_not_fit = memory_bytes is not None and not fits(prediction, memory_bytes)
    found = remedies(cells[0], memory_bytes) if memory_bytes is not None and does_not_fit else []
    if as_json:
        typer.echo(json.dumps(as_plain(cells[0], prediction, memory_bytes, found), indent=1))
    else:
        show(console, cells[0], prediction, memory_bytes, found)


def _method(name: str, rank: int, reduction_factor: float) -> Method:
    match name.strip():
        case "full":
            return Full()
        case "lora":
            return Lora(rank=rank, alpha=2.0 * rank)
        case "bottleneck":
            return Bottleneck(reduction_factor=reduction_factor)
        case _:
            raise UserError(f"--method {name}: choose among {', '.join(METHODS)}")


def _numbers(option: str, text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise UserError(f"{option} {text}: give whole numbers, with commas between several") from error
