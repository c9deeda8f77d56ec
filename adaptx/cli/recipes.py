"""`adaptx plan`, `run`, `report` and `fetch`: the commands that work on one recipe."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adaptx.api import Study
from adaptx.cli.options import (
    DeviceOption,
    GpuOption,
    GradientCheckpointingOption,
    JsonOption,
    ModelOption,
    RecipeFile,
    SetOption,
    SizeOption,
    TrackingOption,
    err,
    out,
    telling_left_out,
)
from adaptx.cli.paths import new_folder
from adaptx.cli.recipe_options import RecipeOptions, build_options, with_recipe_options
from adaptx.errors import FAULT, StagesFailed, is_fault
from adaptx.planning.identity import inputs_read, modules_read
from adaptx.planning.plan import Status, make_plan
from adaptx.planning.recipe_file import load_recipe
from adaptx.sources.sources import Sources
from adaptx.specs import Resources
from adaptx.store.json_text import json_text

if TYPE_CHECKING:
    from adaptx.display.plan import Placement
    from adaptx.execution.schedule import Summary


@with_recipe_options
def plan(
    options: RecipeOptions,
    why: Annotated[
        bool,
        typer.Option(
            "--why",
            help="For each stage that must run, say why: for example, the field of its spec that differs from a stored "
            "stage.",
        ),
    ] = False,
    every: Annotated[
        bool, typer.Option("--all", help="Print a line per stage, with its folder's name, instead of one per variant.")
    ] = False,
    gpu: GpuOption = None,
    device: Annotated[
        str | None,
        typer.Option("--device", help="Device whose memory is predicted (default: cuda with --gpu, otherwise cpu)."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List a recipe's variants: which stages are stored, what the others will cost, and whether they fit on a GPU.

    Example: adaptx plan recipes/quickstart.py --data sample --why --gpu 24GiB
    """
    from adaptx.display.plan import Placement, show_plan
    from adaptx.display.sizes import parse_bytes

    memory_bytes = parse_bytes(gpu) if gpu is not None else None
    usual = "cuda" if gpu is not None else "cpu"
    place = Placement(Resources(usual if device is None else device), memory_bytes)
    study = options.open()
    with telling_left_out(study.store):
        if as_json:
            _print_plan_json(study, place)
        else:
            show_plan(study.dag, study.store, out, why, place, every)
            _tell_power(study)


def _print_plan_json(study: Study, place: "Placement") -> None:
    from adaptx.display.plan import plan_json
    from adaptx.report.power.power import planned_power
    from adaptx.report.power.tables import power_records

    power = {"power": power_records(planned_power(study.dag))}
    typer.echo(json_text(plan_json(study.dag, study.store, place) | power, indent=1))


def _tell_power(study: Study) -> None:
    """Print the gain that the plan detects, if it compares anything."""
    from adaptx.report.power.power import planned_power
    from adaptx.report.power.tables import power_sentence

    if found := planned_power(study.dag):
        out.print(power_sentence(found), markup=False, highlight=False, soft_wrap=True)


@with_recipe_options
def run(
    options: RecipeOptions,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the weights of fully fine-tuned target tasks.")] = False,
    tracking: TrackingOption = None,
    device: DeviceOption = None,
    workers: Annotated[
        int,
        typer.Option(
            "--workers",
            min=1,
            help="Number of stages run at once, each in a process with its own GPU or a share of the CPU.",
        ),
    ] = 1,
    micro_batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Maximum number of examples per forward pass; changes memory, not results."),
    ] = None,
    micro_batch_tokens: Annotated[
        int | None, typer.Option(min=1, help="Maximum number of tokens per forward pass; changes memory, not results.")
    ] = None,
    gradient_checkpointing: GradientCheckpointingOption = False,
    saved_state_seconds: Annotated[
        float, typer.Option(min=0, help="Seconds between two saved states of a training.")
    ] = 60.0,
    gpu: GpuOption = None,
    too_large: Annotated[
        bool, typer.Option("--too-large", help="Also run trainings that are predicted not to fit into memory.")
    ] = False,
) -> None:
    """Run the stages that are not stored yet, and say what gained. An interrupted run continues where it stopped.

    Example: adaptx run recipes/quickstart.py --data sample --workers 2
    """
    from adaptx.display.progress import watcher

    resources = Resources(device, micro_batch_size, micro_batch_tokens, saved_state_seconds, gradient_checkpointing)
    study = options.open()
    try:
        summary = study.run(
            workers=workers, keep=keep, resources=resources, gpu=gpu, too_large=too_large, tracking=tracking,
            progress=watcher(out),
        )  # fmt: skip
    except StagesFailed as failed:
        _tell_failures(failed)
        raise typer.Exit(1) from None
    out.print(f"{_stages_run_and_stored(study, summary)} in {study.store.root}", markup=False)
    # A run that found everything stored answers at once.
    for line in summary.verdicts() if summary.finished or summary.elsewhere else ():
        out.print(line, markup=False, highlight=False, soft_wrap=True)
    out.print(f"Next, to write the report: {options.command('report')}", markup=False, highlight=False, soft_wrap=True)


def _stages_run_and_stored(study: Study, summary: "Summary") -> str:
    statuses = study.dag.statuses(study.store)
    stored = sum(status is Status.STORED for status in statuses.values())
    scores_only = sum(status is Status.SCORES_ONLY for status in statuses.values())
    extra = f" ({scores_only} without weights: scores only)" if scores_only else ""
    return f"{summary.text}, {stored} of {len(statuses)} stored{extra}"


def _tell_failures(failed: StagesFailed) -> None:
    heading, *lines = str(failed).splitlines()
    err.print(f"[red]{heading}[/red]")
    for line in lines:
        err.print(line, markup=False, highlight=False, soft_wrap=True)
    if os.environ.get("ADAPTX_DEBUG") and failed.errors:
        import traceback

        for error in failed.errors.values():
            traceback.print_exception(error)
    elif faulty := [name for name, error in failed.errors.items() if is_fault(error)]:
        where = "`adaptx --debug run ...` shows where"
        err.print(f"{', '.join(faulty)}: {FAULT}: {where}.", markup=False, highlight=False, soft_wrap=True)


@with_recipe_options
def report(
    options: RecipeOptions,
    folder: Annotated[
        Path, typer.Option("--out", parser=new_folder, metavar="DIR", help="Folder for report.html, tables and plots.")
    ] = Path("adaptx-report"),
    tracking: TrackingOption = None,
    wide_table: Annotated[
        bool,
        typer.Option(
            "--wide-table",
            help="Write table-main.tex for both columns of a two-column paper (table*), with p-values and the source "
            "languages.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write tables, plots and one self-contained report.html about the stored stages, and record them in MLflow.

    Example: adaptx report recipes/quickstart.py --data sample --out quickstart-report
    """
    study = options.open()
    again = [options.command(name) for name in ("plan", "run", "report")]
    written = study.report(folder, tracking=tracking, commands=again, wide_table=wide_table)
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
    """Copy all data, models and published modules of a recipe to a folder, for machines without a network.

    Example: adaptx fetch recipes/quickstart.py --model FacebookAI/xlm-roberta-base --to mirror
    """
    from adaptx.data.mirror import fetch as fetch_all

    opened = make_plan(load_recipe(recipe, build_options(model, size, tuple(settings or ()))), Sources(None))
    stages = [node.stage for node in (*opened.nodes, *opened.later)]
    items = [item for stage in stages for item in (*inputs_read(stage), *modules_read(stage))]
    written = fetch_all(items, folder, lambda text: out.print(text, markup=False, highlight=False))
    out.print(f"{len(written)} files written to {folder}; use them with --data {folder}", markup=False, highlight=False)
