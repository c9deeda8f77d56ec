"""Options that several commands share, and the consoles that commands write to."""

import logging
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

# Piped output is read by programs and pagers, so its lines are not wrapped at the width of a terminal.
# Emoji are off because rich would turn what a user typed, such as `cuda:x:`, into a picture.
out = Console(width=None if sys.stdout.isatty() else 200, emoji=False)
err = Console(stderr=True, emoji=False)


def tell(text: str) -> None:
    """Write a line to standard error, so that it stays out of a command's output."""
    err.print(text, markup=False, highlight=False, soft_wrap=True)


class _HandlerToStandardError(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        # A run's progress display already shows the other records.
        if not getattr(record, "shown", False):
            tell(record.getMessage())


@contextmanager
def showing_warnings() -> Generator[None]:
    """Within the block, write warnings of adaptx's loggers to standard error."""
    log, handler = logging.getLogger("adaptx"), _HandlerToStandardError(logging.WARNING)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


RecipeFile = Annotated[Path, typer.Argument(help="A Python file that defines build() -> Recipe.", show_default=False)]
StoreOption = Annotated[
    Path,
    typer.Option("--store", envvar="ADAPTX_STORE", parser=folder, metavar="DIR", help="Folder with finished stages."),
]
DataOption = Annotated[
    str | None,
    typer.Option(
        "--data",
        envvar="ADAPTX_DATA",
        parser=given,
        metavar="DIR",
        help="Local mirror of the hub, or `sample` for the rows in the package.",
    ),
]
ModelOption = Annotated[
    str | None, typer.Option("--model", help="Hub id or folder of a model, if the recipe's build() takes `model`.")
]
SizeOption = Annotated[
    str | None,
    typer.Option("--size", help="Size of the experiment, such as full or small, if the recipe's build() takes `size`."),
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="An argument of the recipe's build(), as KEY=VALUE; may be repeated.")
]
LimitOption = Annotated[
    int | None,
    typer.Option(
        "--limit",
        min=1,
        help="Maximum number of training rows per task and of evaluation rows per language; they are drawn with a "
        "seed, not taken from the top.",
    ),
]
PrecisionOption = Annotated[str | None, typer.Option("--precision", help="fp32 or bf16, for every stage.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for programs.")]
TrackingOption = Annotated[
    str | None,
    typer.Option("--tracking", envvar="MLFLOW_TRACKING_URI", help="MLflow server (default: SQLite in the store)."),
]
GradientCheckpointingOption = Annotated[
    bool,
    typer.Option(
        "--gradient-checkpointing", help="Recompute layers in the backward pass: less memory, more time, same result."
    ),
]
DeviceOption = Annotated[
    str | None, typer.Option("--device", help="cpu, cuda, cuda:N or mps (default: the best one available).")
]
GpuOption = Annotated[
    str | None,
    typer.Option("--gpu", help="Memory of the device, such as 24GiB, to check which trainings fit; changes no result."),
]


@contextmanager
def telling_left_out(store: Store) -> Generator[None]:
    """When the block ends, print one line per damaged stage that was found in the store and left out."""
    try:
        yield
    finally:
        for line in left_out_lines(store):
            err.print(line, markup=False, highlight=False, soft_wrap=True)
