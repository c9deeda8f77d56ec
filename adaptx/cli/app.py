"""The command line's app, which has all commands and shows their errors."""

import os
import shlex
import sys
from typing import Annotated

import typer

from adaptx import __version__
from adaptx.cli.catalog import methods, models, prompts, tasks
from adaptx.cli.export import export
from adaptx.cli.memory import bench, memory
from adaptx.cli.new import new
from adaptx.cli.options import err, showing_warnings, tell
from adaptx.cli.power import power
from adaptx.cli.published import published
from adaptx.cli.recipes import fetch, plan, report, run
from adaptx.cli.rows import evaluate, predict, score
from adaptx.cli.store import prune, ui
from adaptx.errors import FAULT, UserError, is_fault, told

INTERRUPTED = 130
app = typer.Typer(
    name="adaptx",
    help="Intermediate-task transfer with parameter-efficient variants: plan, run and report recipes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"adaptx {__version__}")
        raise typer.Exit


@app.callback()
def common(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Intermediate-task transfer with parameter-efficient variants."""
    if debug:
        os.environ["ADAPTX_DEBUG"] = "1"


# In the order in which `adaptx --help` lists them.
COMMANDS = (
    *(new, plan, power, run, report, ui, predict, evaluate, export, published, prune, fetch, score, memory, bench),
    *(tasks, models, methods, prompts),
)
for command in COMMANDS:
    app.command()(command)


def main() -> None:
    """Run the command line.

    A user's error is shown as one message, and the exit status is 2. A traceback is shown only with --debug.
    """
    # OpenMP's threads spin for milliseconds after each kernel, which slows other work on the machine many times over.
    # A short spin is as fast on an idle machine. The variable is read when torch is imported, which happens later.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    try:
        with showing_warnings():
            app()
    except UserError as error:
        _fail(error, 2)
    except SystemExit as error:
        # Typer has turned Ctrl-C into this exit status by now.
        if error.code == INTERRUPTED:
            err.print(
                "interrupted: finished stages are kept; the next run continues the current one from its saved state"
            )
        elif error.code == 2:
            # Typer names the option that is wrong, but does not show what the user typed.
            tell(f"typed: adaptx {shlex.join(sys.argv[1:])}")
        raise
    except Exception as error:
        if is_fault(error) and not os.environ.get("ADAPTX_DEBUG"):
            error.add_note(f"{FAULT}: `adaptx --debug ...` shows where.")
        _fail(error, 1)


def _fail(error: Exception, status: int) -> None:
    if os.environ.get("ADAPTX_DEBUG"):
        raise error
    err.print("[red]error:[/red] ", end="")
    text = "\n".join((told(error), *getattr(error, "__notes__", ())))
    err.print(text, markup=False, highlight=False, soft_wrap=True)
    raise SystemExit(status)
