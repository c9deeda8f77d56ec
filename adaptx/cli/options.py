"""Options that several commands share, and the consoles that commands write to."""

import itertools
import logging
import shlex
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from adaptx.api import DEFAULT_STORE, Study
from adaptx.api import open as open_study
from adaptx.cli.paths import folder, given
from adaptx.errors import UserError
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


@dataclass(frozen=True, kw_only=True)
class RecipeOptions:
    """The options of plan, run, report and prune that determine which stages a plan has.

    settings: the values of --set, each KEY=VALUE.
    """

    recipe: Path
    store: Path
    data: str | None
    model: str | None
    size: str | None
    settings: tuple[str, ...]
    limit: int | None
    precision: str | None

    def open(self) -> Study:
        """Load and plan the recipe.

        Raises:
            UserError: an option or the recipe is wrong, or rows or weights are missing.
        """
        return open_study(
            self.recipe,
            store=self.store,
            data=self.data,
            limit=self.limit,
            precision=self.precision,
            settings=build_options(self.model, self.size, self.settings),
            tell=tell,
        )

    def command(self, name: str) -> str:
        """Return the command line that runs another command, such as `report`, on the same plan."""
        given = {
            "--data": self.data,
            "--model": self.model,
            "--size": self.size,
            "--limit": self.limit,
            "--precision": self.precision,
            "--store": self.store if self.store != DEFAULT_STORE else None,
        }
        options = [(option, str(value)) for option, value in given.items() if value is not None]
        options += [("--set", text) for text in self.settings]
        return shlex.join(["adaptx", name, str(self.recipe), *itertools.chain.from_iterable(options)])


def build_options(model: str | None, size: str | None, settings: tuple[str, ...]) -> dict[str, str]:
    """Return the arguments for the recipe's build(), as given by --set, --model and --size.

    Raises:
        UserError: a --set is not KEY=VALUE, or a key has two different values.
    """
    options: dict[str, str] = {}
    given = [(f"--set {text}", *_setting(text)) for text in settings]
    given += [
        (f"--{key} {value}", key, value) for key, value in (("model", model), ("size", size)) if value is not None
    ]
    for shown, key, value in given:
        if options.get(key, value) != value:
            raise UserError(f"{shown}: {key} is already given as {options[key]!r}; give it once")
        options[key] = value
    return options


def _setting(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UserError(f"--set {text}: write it as KEY=VALUE")
    return key.strip(), value.strip()
