"""`adaptx memory` and `adaptx bench`: the memory and speed of a training step, predicted and measured."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.progress import track

from adaptx.api import DEFAULT_STORE
from adaptx.catalog.methods import METHODS
from adaptx.catalog.models import find_model
from adaptx.cli.options import GradientCheckpointingOption, JsonOption, StoreOption, TrackingOption, err, out, tell
from adaptx.cli.paths import new_folder
from adaptx.errors import UserError
from adaptx.planning.support_methods import quantised_refusal
from adaptx.specs import Method, Precision
from adaptx.specs.quantisation import Quantisation
from adaptx.specs.training import precision_refusal
from adaptx.store.json_text import json_text
from adaptx.store.store import Store

if TYPE_CHECKING:
    from adaptx.profiling.cell import Cell

Models = Annotated[
    str, typer.Argument(help="Models, separated by commas: hub ids, short names or folders.", show_default=False)
]
MethodsOption = Annotated[str, typer.Option("--method", help=f"Methods, separated by commas: {', '.join(METHODS)}.")]
BatchSizes = Annotated[
    str, typer.Option("--batch-size", help="Numbers of sequences per optimiser step, separated by commas.")
]
Lengths = Annotated[str, typer.Option("--sequence-length", help="Numbers of tokens per sequence, separated by commas.")]
MicroBatch = Annotated[
    int | None, typer.Option(min=1, help="Sequences per forward pass (default: all).", show_default=False)
]
Precisions = Annotated[str, typer.Option("--precision", help="fp32 or bf16; for both, fp32,bf16.")]
Quantised = Annotated[
    str,
    typer.Option(
        "--quantised", help="How frozen weights below LoRA are quantised, separated by commas: none, nf4, int8."
    ),
]
Rank = Annotated[int, typer.Option(min=1, help="Rank of LoRA.")]
Reduction = Annotated[float, typer.Option(min=1, help="Hidden size divided by the size of a bottleneck adapter.")]


def memory(
    model: Models,
    method: MethodsOption = "lora",
    batch_size: BatchSizes = "8",
    sequence_length: Lengths = "512",
    micro_batch_size: MicroBatch = None,
    precision: Precisions = "bf16",
    quantised: Quantised = "none",
    gradient_checkpointing: GradientCheckpointingOption = False,
    rank: Rank = 8,
    reduction_factor: Reduction = 16,
    device: Annotated[str, typer.Option(help="cuda or cpu.")] = "cuda",
    gpu: Annotated[
        str | None, typer.Option(help="Memory of the device, such as 24GiB, to check whether the step fits.")
    ] = None,
    sweep: Annotated[
        Path | None,
        typer.Option(
            parser=new_folder,
            metavar="DIR",
            help="Predict the memory for all combinations of the values, and write a table and a plot to this folder.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Predict the peak memory of a training step without loading any weights.

    Example: adaptx memory Qwen/Qwen3-8B-Base --method lora --batch-size 8 --sequence-length 512 --gpu 24GiB
    """
    from adaptx.cli.views.memory import as_plain, show
    from adaptx.costs.room import fits
    from adaptx.display.sizes import parse_bytes
    from adaptx.profiling.fitting import remedies
    from adaptx.profiling.prediction import predict

    memory_bytes = parse_bytes(gpu) if gpu is not None else None
    cells = combinations(model, _methods(method, rank, reduction_factor), batch_size, sequence_length, precision,
                         quantised, gradient_checkpointing, micro_batch_size, device)  # fmt: skip
    if sweep is not None:
        _predict_write_and_print(cells, sweep, memory_bytes, as_json)
        return
    if len(cells) > 1:
        raise UserError(
            f"the values make {len(cells)} combinations, but only one can be shown; add `--sweep DIR` to predict all "
            "of them and write the results to a folder"
        )
    prediction = predict(cells[0])
    does_not_fit = memory_bytes is not None and not fits(prediction.needed_bytes, memory_bytes)
    found = remedies(cells[0], memory_bytes) if memory_bytes is not None and does_not_fit else []
    if as_json:
        typer.echo(json_text(as_plain(cells[0], prediction, memory_bytes, found), indent=1))
    else:
        show(out, cells[0], prediction, memory_bytes, found)


def _predict_write_and_print(cells: Sequence["Cell"], folder: Path, memory_bytes: int | None, as_json: bool) -> None:
    from adaptx.cli.views.memory import as_plain, sweep_table
    from adaptx.profiling.prediction import predict
    from adaptx.profiling.sweep import write_sweep

    rows = [(cell, predict(cell)) for cell in track(cells, console=err, transient=True)]
    write_sweep(rows, folder, memory_bytes)
    if as_json:
        typer.echo(json_text([as_plain(*row, memory_bytes) for row in rows], indent=1))
    else:
        out.print(sweep_table(rows, memory_bytes))
        out.print(f"written to {folder}", highlight=False)


def bench(
    model: Models,
    method: MethodsOption = "full,lora,bottleneck",
    batch_size: BatchSizes = "8",
    sequence_length: Lengths = "128",
    micro_batch_size: MicroBatch = None,
    precision: Precisions = "bf16",
    quantised: Quantised = "none",
    gradient_checkpointing: GradientCheckpointingOption = False,
    rank: Rank = 8,
    reduction_factor: Reduction = 16,
    steps: Annotated[int, typer.Option(min=1, help="Number of timed steps per combination.")] = 5,
    device: Annotated[str | None, typer.Option(help="cuda or cpu (default: cuda if there is one).")] = None,
    store: StoreOption = DEFAULT_STORE,
    tracking: TrackingOption = None,
    to: Annotated[
        Path, typer.Option("--out", parser=new_folder, metavar="DIR", help="Folder for the table and the plots.")
    ] = Path("adaptx-bench"),
    as_json: JsonOption = False,
) -> None:
    """Measure memory and throughput of every combination of models, methods, batch sizes and lengths.

    Networks have random weights, so nothing is downloaded. The measurements are also recorded in MLflow.

    Example: adaptx bench xlm-roberta-base,xlm-roberta-large --method full,lora --sequence-length 128,512
    """
    from adaptx.cli.views.memory import bench_table
    from adaptx.profiling.bench_files import write_bench
    from adaptx.tracking.address import address_of
    from adaptx.tracking.bench import EXPERIMENT, bench_records
    from adaptx.tracking.recorder import Recorder

    address = address_of(tracking, Store(store)).check()
    place = device or ("cuda" if _cuda() else "cpu")
    cells = combinations(model, _methods(method, rank, reduction_factor), batch_size, sequence_length, precision,
                         quantised, gradient_checkpointing, micro_batch_size, place)  # fmt: skip
    if any(cell.quantised is not None for cell in cells) and (reason := quantised_refusal()) is not None:
        raise UserError(f"--quantised {quantised}: {reason} (predictions by `adaptx memory` do not need it)")
    rows = _measure_all(cells, place, steps)
    files = write_bench(rows, to)
    safe = f"the table and the plots are in {to}"
    with Recorder(address, Store(store), tell, experiment=EXPERIMENT, safe=safe) as recorder:
        for record in bench_records(rows, files):
            recorder.add(record)
    if as_json:
        typer.echo(json_text(rows, indent=1))
    else:
        out.print(bench_table(rows))
        out.print(f"written to {to}; `adaptx ui --store {store}` shows the runs side by side", highlight=False)


def _measure_all(cells: Sequence["Cell"], device: str, steps: int) -> list[dict[str, Any]]:
    from adaptx.profiling.bench import bench as measured
    from adaptx.profiling.bench_files import as_row, measured_columns
    from adaptx.profiling.device import look_at

    precisions: dict[Precision, None] = dict.fromkeys(cell.precision for cell in cells)
    found = look_at(device, list(precisions))
    measuring = measured(cells, found.memory_bytes, steps)
    results = list(track(measuring, total=len(cells), description="cells", console=err, transient=True))
    return measured_columns(
        [as_row(result, found.matmul_flops_per_second[result.cell.precision]) for result in results]
    )


def combinations(
    model: str,
    methods: list[Method],
    batch_size: str,
    sequence_length: str,
    precision: str,
    quantised: str,
    gradient_checkpointing: bool,
    micro_batch_size: int | None,
    device: str,
) -> list["Cell"]:
    """Return a cell for every combination of the values. A string may hold several values, separated by commas.

    Raises:
        UserError: a value is out of range, or cannot be combined with another one.
    """
    from adaptx.profiling.cell import Cell

    if device not in ("cpu", "cuda"):
        raise UserError(f"--device {device}: choose cpu or cuda")
    precisions = precision.split(",")
    for each in precisions:
        if reason := precision_refusal(each):
            raise UserError(f"--precision {each}: {reason}")
    models = [find_model(name) for name in model.split(",")]
    for each in models:
        if each.quantised is not None:
            asked = f"--quantised {each.quantised.value}"
            raise UserError(f"--model {each.name}: choose quantised weights here with {asked}, not in the model's name")
    batches, lengths = _numbers("--batch-size", batch_size), _numbers("--sequence-length", sequence_length)
    kinds = _methods_and_quantisations(methods, [_quantisation(name) for name in quantised.split(",")])
    return [
        Cell(
            each, kind, batch, length, cast(Precision, digits), gradient_checkpointing, micro_batch_size, device, stored
        )
        for each, (kind, stored), batch, length, digits in itertools.product(
            models, kinds, batches, lengths, precisions
        )
    ]


def _cuda() -> bool:
    import torch

    return torch.cuda.is_available()


def _methods(names: str, rank: int, reduction_factor: float) -> list[Method]:
    found: list[Method] = []
    for name in names.split(","):
        if name.strip() not in METHODS:
            raise UserError(f"--method {name}: choose among {', '.join(METHODS)}")
        found.append(METHODS[name.strip()].of_size(rank, reduction_factor))
    return found


def _methods_and_quantisations(
    methods: list[Method], stored: list[Quantisation | None]
) -> list[tuple[Method, Quantisation | None]]:
    """Pair each method with the ways of storing the frozen weights below it. None: not quantised.

    Only LoRA can train over quantised weights, so other methods are paired with None alone. Without None in `stored`,
    they are paired with quantised weights as well, and a later check refuses these pairs.
    """
    return [
        (method, each)
        for method, each in itertools.product(methods, stored)
        if each is None or method.over_quantised or None not in stored
    ]


def _quantisation(name: str) -> Quantisation | None:
    if name.strip() == "none":
        return None
    try:
        return Quantisation(name.strip())
    except ValueError as error:
        known = ", ".join(each.value for each in Quantisation)
        raise UserError(f"--quantised {name}: choose among none, {known}") from error


def _numbers(option: str, text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise UserError(f"{option} {text}: give whole numbers, separated by commas") from error
