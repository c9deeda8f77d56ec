"""What the commands have in common: the options that several of them take, and the consoles they write to."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from adaptx.cli.paths import folder, given
from adaptx.planning.damage import left_out_lines
from adaptx.store.store import Store

# Piped output is read by programs and pagers: lines stay whole there.
# Without emoji: `cuda:x:` is what the user typed, not a picture.
out = Console(width=None if sys.stdout.isatty() else 200, emoji=False)
err = Console(stderr=True, emoji=False)


def tell(text: str) -> None:
    """Write a line beside a command's output."""
    err.print(text, markup=False, highlight=False, soft_wrap=True)


RecipeFile = Annotated[Path, typer.Argument(help="A Python file with build() -> Recipe.", show_default=False)]
StoreOption = Annotated[
    Path,
    typer.Option("--store", envvar="ADAPTX_STORE", parser=folder, metavar="DIR", help="Folder of finished stages."),
]
DataOption = Annotated[
    str | None,
    typer.Option(
        "--data",
        envvar="ADAPTX_DATA",
        parser=given,
        metavar="DIR",
        help="Local mirror of the hub, or `sample` (rows in the package).",
    ),
]
ModelOption = Annotated[str | None, typer.Option("--model", help="Hub id or folder, where the recipe takes one.")]
SizeOption = Annotated[str | None, typer.Option("--size", help="Size of the recipe, where it takes one.")]
SetOption = Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE for build(); may be repeated.")]
LimitOption = Annotated[
    int | None,
    typer.Option("--limit", min=1, help="Maximum rows per task (training) and language (scoring), drawn by a seed."),
]
PrecisionOption = Annotated[str | None, typer.Option("--precision", help="fp32 or bf16, for every stage.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the same as JSON, for programs.")]
TrackingOption = Annotated[
    str | None,
    typer.Option("--tracking", envvar="MLFLOW_TRACKING_URI", help="MLflow server (default: SQLite in the store)."),
]
CheckpointingOption = Annotated[
    bool, typer.Option("--checkpointing", help="Compute layers again backwards: less memory, same result.")
]
DeviceOption = Annotated[str | None, typer.Option("--device", help="cpu, cuda, cuda:N or mps; default: the best.")]
GpuOption = Annotated[
    str | None, typer.Option("--gpu", help="Memory of the device, such as 24GiB: what does not fit into it?")
]


@contextmanager
def telling_left_out(store: Store) -> Generator[None]:
    """When the block ends, print a line for each stage of the store that is damaged and left out."""
    try:
        yield
    finally:
        for line in left_out_lines(store):
            err.print(line, markup=False, highlight=False, soft_wrap=True)
