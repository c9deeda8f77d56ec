"""The command line: the app with all its commands, those on one recipe, and how errors are told."""

import os
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adaptx.api import DEFAULT_STORE, RecipeOptions, build_options
from adaptx.cli.catalog import methods, models, prompts, tasks
from adaptx.cli.export import export
from adaptx.cli.memory import bench, memory
from adaptx.cli.options import (
    CheckpointingOption,
    DataOption,
    DeviceOption,
    GpuOption,
    JsonOption,
    LimitOption,
    ModelOption,
    PrecisionOption,
    RecipeFile,
    SetOption,
    SizeOption,
    StoreOption,
    TrackingOption,
    err,
    out,
    tell,
    telling_left_out,
)
from adaptx.cli.paths import new_folder
from adaptx.cli.rows import evaluate, predict, score
from adaptx.cli.store import prune, ui
from adaptx.costs import memory_check
from adaptx.errors import UserError
from adaptx.planning.identity import inputs_read, modules_read
from adaptx.planning.plan import Plan, Status, make_plan
from adaptx.planning.recipe_file import load_recipe
from adaptx.sources.sources import Sources
from adaptx.specs import Resources
from adaptx.store.json_text import json_text
from adaptx.store.store import Store

if TYPE_CHECKING:
    from adaptx.execution.building import Workshop

INTERRUPTED = 130
app = typer.Typer(
    name="adaptx",
    help="Intermediate-task transfer with parameter-efficient variants: plan, run and report recipes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


@app.callback()
def common(debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False) -> None:
    """Intermediate-task transfer with parameter-efficient variants."""
    if debug:
        os.environ["ADAPTX_DEBUG"] = "1"


def plan(
    recipe: RecipeFile,
    store: StoreOption = DEFAULT_STORE,
    data: DataOption = None,
    model: ModelOption = None,
    size: SizeOption = None,
    settings: SetOption = None,
    limit: LimitOption = None,
    precision: PrecisionOption = None,
    why: Annotated[bool, typer.Option("--why", help="For each stage to do: which field changed.")] = False,
    gpu: GpuOption = None,
    device: Annotated[
        str | None, typer.Option("--device", help="Where it will run, for memory (cuda with --gpu, else cpu).")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List a recipe's stages once each: which are stored, what the others will cost, and whether they fit a GPU.

    Example: adaptx plan recipes/quickstart.py --data sample --why --gpu 24GiB
    """
    from adaptx.cli.views.plan import Place, plan_json, show_plan
    from adaptx.cli.views.sizes import parse_bytes

    memory_bytes = parse_bytes(gpu) if gpu is not None else None
    usual = "cuda" if gpu is not None else "cpu"
    place = Place(Resources(usual if device is None else device), memory_bytes)
    opened = RecipeOptions(recipe, store, data, model, size, tuple(settings or ()), limit, precision).open()
    with telling_left_out(opened.store):
        if as_json:
            typer.echo(json_text(plan_json(opened.plan, opened.store, place), indent=1))
        else:
            show_plan(opened.plan, opened.store, out, why, place)


def run(
    recipe: RecipeFile,
    store: StoreOption = DEFAULT_STORE,
    data: DataOption = None,
    model: ModelOption = None,
    size: SizeOption = None,
    settings: SetOption = None,
    limit: LimitOption = None,
    precision: PrecisionOption = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the weights of full fine-tuned targets.")] = False,
    tracking: TrackingOption = None,
    device: DeviceOption = None,
    workers: Annotated[
        int,
        typer.Option("--workers", min=1, help="Stages run at once, each in a process: one a GPU, or a CPU's share."),
    ] = 1,
    micro_batch_size: Annotated[
        int | None, typer.Option(min=1, help="Most examples in one forward pass; changes memory, not results.")
    ] = None,
    micro_batch_tokens: Annotated[
        int | None, typer.Option(min=1, help="Most tokens in one forward pass; changes memory, not results.")
    ] = None,
    checkpointing: CheckpointingOption = False,
    checkpoint_seconds: Annotated[float, typer.Option(min=0, help="Time between two checkpoints.")] = 60.0,
    gpu: GpuOption = None,
    too_large: Annotated[bool, typer.Option("--too-large", help="Run what is predicted not to fit, too.")] = False,
) -> None:
    """Run what is not stored yet; an interrupted run continues where it stopped.

    Example: adaptx run recipes/quickstart.py --data sample --workers 2
    """
    from adaptx.cli.views.plan import tell_unread, tell_weights_that_go
    from adaptx.cli.views.progress import watcher
    from adaptx.data.hub import resolve_commit
    from adaptx.execution.building import Workshop, choose_device
    from adaptx.execution.local import run as run_locally
    from adaptx.tracking.address import address_of
    from adaptx.tracking.recorder import Recorder

    address = address_of(tracking, Store(store)).check()
    options = RecipeOptions(recipe, store, data, model, size, tuple(settings or ()), limit, precision)
    opened = options.open(resolve_commit)
    tell_unread(opened.plan, out)
    resources = Resources(device, micro_batch_size, micro_batch_tokens, checkpoint_seconds, checkpointing)
    shop = Workshop(opened.store, opened.sources, opened.plan.fingerprint_of, resources, choose_device(resources))
    if not too_large:
        _refuse_too_large(opened.plan, opened.plan.statuses(opened.store, keep), shop, gpu, workers)
    for line in tell_weights_that_go(opened.plan, opened.store) if not keep else ():
        out.print(line, markup=False, highlight=False, soft_wrap=True)
    progress = watcher(out)
    with Recorder(address, opened.store, progress.note, opened.plan) as recorder:
        try:
            with telling_left_out(opened.store):
                summary = run_locally(opened.plan, shop, progress, keep, after=recorder.look, workers=workers)
        finally:
            progress.close()
    if not summary.complete:
        _tell_failures(opened.plan, summary.failed, summary.errors)
        raise typer.Exit(1)
    statuses = opened.plan.statuses(opened.store)
    stored = sum(status is Status.STORED for status in statuses.values())
    scores_only = sum(status is Status.SCORES_ONLY for status in statuses.values())
    extra = f" ({scores_only} without weights: scores only)" if scores_only else ""
    others = f" ({len(summary.elsewhere)} by another run)" if summary.elsewhere else ""
    done = f"{len(summary.finished)} stages run{others}, {stored} of {len(statuses)} stored{extra}"
    out.print(f"{done} in {opened.store.root}", markup=False)
    out.print(f"Next: {options.command('report')}", markup=False, highlight=False)


def _refuse_too_large(plan: Plan, statuses: dict[str, Status], shop: "Workshop", gpu: str | None, workers: int) -> None:
    """Raises:
    UserError: a training that is to do is predicted not to fit into the device's memory, or into `gpu`; of a CPU's,
        into the share of one worker.
    """
    from adaptx.cli.views.plan import tell_too_large
    from adaptx.cli.views.sizes import gib, parse_bytes
    from adaptx.execution.workers import worker_devices
    from adaptx.profiling.device_memory import device_memory_bytes

    each, fewer = "", ""
    memory_bytes = min(map(device_memory_bytes, worker_devices(shop, workers)))
    if gpu is not None:
        memory_bytes = parse_bytes(gpu)
    elif shop.device.type == "cpu" and workers > 1:
        memory_bytes //= workers
        each, fewer = f", which each of {workers} workers has", "With fewer --workers each has more. "
    to_do = [node for node in plan.nodes if statuses[node.fingerprint] is Status.TO_DO]
    resources = replace(shop.resources, device=str(shop.device))
    if found := memory_check.too_large(to_do, resources, memory_bytes):
        lines = "\n".join(f"  {line}" for line in tell_too_large(found))
        raise UserError(
            f"{len(found)} trainings are predicted not to fit into {gib(memory_bytes)} of {shop.device}{each}:\n"
            f"{lines}\nNothing was loaded. {fewer}To run them all the same: --too-large"
        )


def _tell_failures(plan: Plan, failed: dict[str, str], errors: dict[str, Exception]) -> None:
    names = {node.fingerprint: node.name for node in plan.nodes}
    err.print(f"[red]{len(failed)} stages failed or were skipped:[/red]")
    for fingerprint, cause in failed.items():
        err.print(f"  {names[fingerprint]}: {cause}", markup=False, highlight=False, soft_wrap=True)
    if os.environ.get("ADAPTX_DEBUG") and errors:
        import traceback

        for error in errors.values():
            traceback.print_exception(error)
    elif any(not isinstance(error, UserError | OSError) for error in errors.values()):
        err.print("`adaptx --debug run ...` shows where in the code each error arose", markup=False, highlight=False)


def report(
    recipe: RecipeFile,
    store: StoreOption = DEFAULT_STORE,
    data: DataOption = None,
    model: ModelOption = None,
    size: SizeOption = None,
    settings: SetOption = None,
    limit: LimitOption = None,
    precision: PrecisionOption = None,
    folder: Annotated[
        Path, typer.Option("--out", parser=new_folder, metavar="DIR", help="Folder for report.html, tables and plots.")
    ] = Path("adaptx-report"),
    tracking: TrackingOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tables, plots and one self-contained report.html of what is stored; also recorded in MLflow.

    Example: adaptx report recipes/quickstart.py --data sample --out quickstart-report
    """
    from adaptx.report import write_report
    from adaptx.tracking.address import address_of
    from adaptx.tracking.recorder import Recorder
    from adaptx.tracking.records import report_record

    kept = Store(store)
    address = address_of(tracking, kept)
    # Who may only read a store, such as a colleague's, can report on it.
    reads_only = address.own and kept.root.is_dir() and not os.access(kept.root, os.W_OK)
    if not reads_only:
        address.check()
    options = RecipeOptions(recipe, store, data, model, size, tuple(settings or ()), limit, precision)
    opened = options.open()
    again = [options.command(name) for name in ("plan", "run", "report")]
    with telling_left_out(opened.store):
        written = write_report(opened.plan, opened.store, folder, again)
    run = report_record(opened.plan.recipe.name, written.fingerprint, written.files, written.metrics)
    if reads_only:
        tell(f"{kept.root} cannot be written to, so this report is not recorded in MLflow; name a database: --tracking")
    else:
        with Recorder(address, opened.store, tell, opened.plan) as recorder:
            recorder.add(run)
    if as_json:
        typer.echo(json_text(written.to_json(), indent=1))
        return
    written.print(out)
    out.print(f"report: {folder / 'report.html'}", markup=False, highlight=False)


def fetch(
    recipe: RecipeFile,
    folder: Annotated[Path, typer.Option("--to", parser=new_folder, metavar="DIR", help="Folder of the mirror.")],
    model: ModelOption = None,
    size: SizeOption = None,
    settings: SetOption = None,
) -> None:
    """Mirror the data, models and published modules a recipe needs, for machines with no network.

    Example: adaptx fetch recipes/quickstart.py --model FacebookAI/xlm-roberta-base --to mirror
    """
    from adaptx.data.mirror import fetch as fetch_all

    opened = make_plan(load_recipe(recipe, build_options(model, size, tuple(settings or ()))), Sources(None))
    items = [item for node in opened.nodes for item in (*inputs_read(node.stage), *modules_read(node.stage))]
    written = fetch_all(items, folder, lambda text: out.print(text, markup=False, highlight=False))
    out.print(f"{len(written)} files written to {folder}; use them with --data {folder}", markup=False, highlight=False)


# In the order in which `adaptx --help` lists them.
COMMANDS = (
    *(plan, run, report, ui, predict, evaluate, export, prune, fetch, score, memory, bench),
    *(tasks, models, methods, prompts),
)
for command in COMMANDS:
    app.command()(command)


def main() -> None:
    """Run the command line; a user's error is one message and exit status 2, never a traceback (but for --debug)."""
    # OpenMP's threads spin for milliseconds after each kernel, which slows everything beside them many times over;
    # a short spin keeps the speed of an idle machine. It is read when torch is imported, which is later.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    try:
        app()
    except UserError as error:
        _fail(error, 2)
    except ValueError as error:
        _fail(error, 2)
    except SystemExit as error:
        # Typer has made Ctrl-C into its exit status by now.
        if error.code == INTERRUPTED:
            err.print("interrupted: finished stages stay, the running one continues from its checkpoint next time")
        elif error.code == 2:
            # Typer names the option that is wrong, not what was given for it.
            tell(f"typed: adaptx {shlex.join(sys.argv[1:])}")
        raise
    except OSError as error:
        _fail(error, 1)
    except Exception as error:
        if not os.environ.get("ADAPTX_DEBUG"):
            error.add_note("This is a fault in adaptx, not in your input: `adaptx --debug ...` shows where.")
        _fail(error, 1)


def _fail(error: Exception, status: int) -> None:
    if os.environ.get("ADAPTX_DEBUG"):
        raise error
    err.print("[red]error:[/red] ", end="")
    named = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
    text = "\n".join((named, *getattr(error, "__notes__", ())))
    err.print(text, markup=False, highlight=False, soft_wrap=True)
    raise SystemExit(status)
