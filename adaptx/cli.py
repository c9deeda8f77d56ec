"""The command line: every command, its options, and how errors are told."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from adaptx.cli_memory import bench, memory
from adaptx.errors import UserError
from adaptx.identity import inputs_read
from adaptx.opening import DEFAULT_STORE, RecipeOptions, build_options
from adaptx.plan import Plan, Status, make_plan
from adaptx.recipe_file import load_recipe
from adaptx.sources import Sources
from adaptx.specs import Resources
from adaptx.store import Store

INTERRUPTED = 130
app = typer.Typer(
    name="adaptx",
    help="Intermediate-task transfer with parameter-efficient variants: plan, run and report recipes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
# Piped output is read by programs and pagers: lines stay whole there.
out = Console(width=None if sys.stdout.isatty() else 200)
err = Console(stderr=True)

RecipeFile = Annotated[Path, typer.Argument(help="A Python file with build() -> Recipe.", show_default=False)]
StoreOption = Annotated[Path, typer.Option("--store", envvar="ADAPTX_STORE", help="Folder of finished stages.")]
DataOption = Annotated[
    str | None,
    typer.Option("--data", envvar="ADAPTX_DATA", help="Local mirror of the hub, or `sample` (rows in the package)."),
]
ModelOption = Annotated[str | None, typer.Option("--model", help="Hub id or folder, where the recipe takes one.")]
SizeOption = Annotated[str | None, typer.Option("--size", help="Size of the recipe, where it takes one.")]
SetOption = Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE for build(); may be repeated.")]
LimitOption = Annotated[int | None, typer.Option("--limit", min=1, help="Most rows a task (training) and language.")]
PrecisionOption = Annotated[str | None, typer.Option("--precision", help="fp32 or bf16, for every stage.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the same as JSON, for programs.")]
TrackingOption = Annotated[
    str | None,
    typer.Option("--tracking", envvar="MLFLOW_TRACKING_URI", help="MLflow server (default: SQLite in the store)."),
]
DeviceOption = Annotated[str | None, typer.Option("--device", help="cpu, cuda, cuda:N or mps; default: the best.")]


@app.callback()
def common(debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False) -> None:
    """Intermediate-task transfer with parameter-efficient variants."""
    if debug:
        os.environ["ADAPTX_DEBUG"] = "1"


@app.command()
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
    as_json: JsonOption = False,
) -> None:
    """List a recipe's stages once each: which are stored, and what the others will cost.

    Example: adaptx plan recipes/quickstart.py --data sample --why
    """
    from adaptx.views.plan import plan_json, show_plan

    opened = RecipeOptions(recipe, store, data, model, size, tuple(settings or ()), limit, precision).open()
    if as_json:
        typer.echo(json.dumps(plan_json(opened.plan, opened.store), indent=1))
    else:
        show_plan(opened.plan, opened.store, out, why)


@app.command()
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
    micro_batch_size: Annotated[
        int | None, typer.Option(min=1, help="Most examples in one forward pass; changes memory, not results.")
    ] = None,
    micro_batch_tokens: Annotated[
        int | None, typer.Option(min=1, help="Most tokens in one forward pass; changes memory, not results.")
    ] = None,
    checkpoint_seconds: Annotated[float, typer.Option(min=0, help="Time between two checkpoints.")] = 60.0,
) -> None:
    """Run what is not stored yet; an interrupted run continues where it stopped.

    Example: adaptx run recipes/quickstart.py --data sample
    """
    from adaptx.data.hub import resolve_commit
    from adaptx.execution.building import Workshop, choose_device
    from adaptx.execution.local import run as run_locally
    from adaptx.tracking import Tracker, default_uri
    from adaptx.views.progress import watcher

    options = RecipeOptions(recipe, store, data, model, size, tuple(settings or ()), limit, precision)
    opened = options.open(resolve_commit)
    resources = Resources(device, micro_batch_size, micro_batch_tokens, checkpoint_seconds)
    shop = Workshop(opened.store, opened.sources, opened.plan.fingerprint_of, resources, choose_device(resources))
    progress = watcher(out)
    tracker = Tracker(opened.plan, opened.store, tracking or default_uri(opened.store), progress.note)
    try:
        summary = run_locally(opened.plan, shop, progress, keep, after=tracker.record)
    finally:
        progress.close()
        tracker.record(opened.plan.nodes, insist=True)
    if not summary.complete:
        _tell_failures(opened.plan, summary.failed, summary.errors)
        raise typer.Exit(1)
    statuses = opened.plan.statuses(opened.store)
    stored = sum(status is Status.STORED for status in statuses.values())
    scores_only = sum(status is Status.SCORES_ONLY for status in statuses.values())
    extra = f" ({scores_only} full fine-tuned targets: scores only)" if scores_only else ""
    out.print(f"{len(summary.finished)} stages run, {stored} of {len(statuses)} stored{extra} in {opened.store.root}")
    out.print(f"Next: {options.command('report')}", highlight=False)


def _tell_failures(plan: Plan, failed: dict[str, str], errors: dict[str, Exception]) -> None:
    names = {node.fingerprint: node.name for node in plan.nodes}
    err.print(f"[red]{len(failed)} stages failed or were skipped:[/red]")
    for fingerprint, cause in failed.items():
        err.print(f"  {names[fingerprint]}: {cause}", markup=False, highlight=False, soft_wrap=True)
    if os.environ.get("ADAPTX_DEBUG") and errors:
        import traceback

        for error in errors.values():
            traceback.print_exception(error)


@app.command()
def report(
    recipe: RecipeFile,
    store: StoreOption = DEFAULT_STORE,
    data: DataOption = None,
    model: ModelOption = None,
    size: SizeOption = None,
    settings: SetOption = None,
    limit: LimitOption = None,
    precision: PrecisionOption = None,
    folder: Annotated[Path, typer.Option("--out", help="Folder for report.html, tables and plots.")] = Path(
        "adaptx-report"
    ),
    tracking: TrackingOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tables, plots and one self-contained report.html of what is stored; also recorded in MLflow.

    Example: adaptx report recipes/quickstart.py --data sample --out quickstart-report
    """
    from adaptx.report import write_report
    from adaptx.tracking import Tracker, default_uri

    options = RecipeOptions(recipe, store, data, model, size, tuple(settings or ()), limit, precision)
    opened = options.open()
    again = [options.command(name) for name in ("plan", "run", "report")]
    written = write_report(opened.plan, opened.store, folder, again)
    tracker = Tracker(
        opened.plan, opened.store, tracking or default_uri(opened.store), lambda text: err.print(text, markup=False)
    )
    tracker.record(opened.plan.nodes)
    tracker.record_report(opened.plan.recipe.name, written.fingerprint, written.files, written.metrics)
    if as_json:
        typer.echo(json.dumps(written.to_json(), indent=1))
        return
    written.print(out)
    out.print(f"report: {folder / 'report.html'}", highlight=False)


@app.command()
def ui(
    store: StoreOption = DEFAULT_STORE,
    tracking: TrackingOption = None,
    port: Annotated[int, typer.Option(help="Port of the web page.")] = 5000,
) -> None:
    """Open the MLflow UI on this store's runs.

    Example: adaptx ui --store adaptx-store
    """
    from adaptx.tracking import default_uri, serve_ui, variant_links

    uri = tracking or default_uri(Store(store))
    if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).is_file():
        raise UserError(f"there are no runs in {store}: `adaptx run RECIPE --store {store}` records them")
    out.print(f"MLflow UI on {uri}: http://127.0.0.1:{port} (Ctrl-C ends it)", highlight=False)
    for experiment, link in variant_links(uri, port):
        out.print(f"  {experiment}, variants side by side: {link}", highlight=False, soft_wrap=True)
    raise typer.Exit(serve_ui(uri, port))


@app.command()
def predict(
    stage: Annotated[str, typer.Argument(help="A training's folder name, or a prefix of its fingerprint.")],
    file: Annotated[Path, typer.Argument(help="Rows: .csv, .tsv, .jsonl, .parquet; tagging also .conll.")],
    store: StoreOption = DEFAULT_STORE,
    data: DataOption = None,
    device: DeviceOption = None,
    target: Annotated[Path | None, typer.Option("--out", help="Write JSON lines here, not to the terminal.")] = None,
) -> None:
    """A trained stage's predictions for your own rows, one JSON line a row.

    Example: adaptx predict e5-mini.nli.lora-r8-1f3a9c7e pairs.csv
    """
    from adaptx.execution.serving import predict_file

    lines = predict_file(Store(store), Sources(data, store / "digests.json"), stage, file, Resources(device))
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    if target is None:
        sys.stdout.write(text)
    else:
        target.write_text(text, encoding="utf-8")
        out.print(f"{len(lines)} predictions in {target}", highlight=False)


@app.command()
def evaluate(
    stage: Annotated[str, typer.Argument(help="A training's folder name, or a prefix of its fingerprint.")],
    file: Annotated[Path, typer.Option("--task", help="Labelled: .csv, .tsv, .jsonl, .parquet; tagging also .conll.")],
    store: StoreOption = DEFAULT_STORE,
    data: DataOption = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """A trained stage's score on your own labelled rows.

    Example: adaptx evaluate e5-mini.nli.lora-r8-1f3a9c7e --task my.csv
    """
    from adaptx.execution.serving import score_file

    scores = score_file(Store(store), Sources(data, store / "digests.json"), stage, file, Resources(device))
    if as_json:
        typer.echo(json.dumps(scores, indent=1))
        return
    for name, value in scores["metrics"].items():
        low, high = scores["intervals"][name]
        shown = f"{100 * value:.1f} % (95 % interval over rows {100 * low:.1f} to {100 * high:.1f})"
        out.print(f"{name}: {shown}, {scores['rows_used']} rows", highlight=False)


@app.command()
def prune(
    recipes: Annotated[list[Path], typer.Argument(help="Recipes whose stages stay.")],
    store: StoreOption = DEFAULT_STORE,
    data: DataOption = None,
    model: ModelOption = None,
    size: SizeOption = None,
    settings: SetOption = None,
    limit: LimitOption = None,
    precision: PrecisionOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Remove without asking.")] = False,
) -> None:
    """Remove from the store what these recipes do not reach, after showing it.

    Example: adaptx prune recipes/quickstart.py --data sample
    """
    from adaptx.pruning import leftovers, remove, size_bytes, unreached

    plans = [
        RecipeOptions(each, store, data, model, size, tuple(settings or ()), limit, precision).open().plan
        for each in recipes
    ]
    kept = Store(store)
    entries = unreached(kept, plans)
    loose = leftovers(kept, plans, entries)
    if not entries and not loose:
        out.print("nothing to remove: these recipes reach every stage in the store")
        return
    for path in [*(entry.folder for entry in entries), *loose]:
        out.print(f"  {path.relative_to(kept.root)}  {size_bytes(path) / 1e6:.1f} MB", highlight=False)
    if not yes:
        typer.confirm(f"Remove these {len(entries)} stages and {len(loose)} leftovers from {kept.root}?", abort=True)
    for entry in entries:
        kept.remove(entry)
    for path in loose:
        remove(path)
    extra = f" and {len(loose)} leftovers" if loose else ""
    out.print(f"{len(entries)} stages{extra} removed")


@app.command()
def fetch(
    recipe: RecipeFile,
    folder: Annotated[Path, typer.Option("--to", help="Folder of the mirror.")],
    model: ModelOption = None,
    size: SizeOption = None,
    settings: SetOption = None,
) -> None:
    """Mirror the data and models a recipe needs, for machines with no network.

    Example: adaptx fetch recipes/quickstart.py --model FacebookAI/xlm-roberta-base --to mirror
    """
    from adaptx.data.mirror import fetch as fetch_all

    opened = make_plan(load_recipe(recipe, build_options(model, size, tuple(settings or ()))), Sources(None))
    items = [item for node in opened.nodes for item in inputs_read(node.stage)]
    written = fetch_all(items, folder, lambda text: out.print(text, highlight=False))
    out.print(f"{len(written)} files written to {folder}; use them with --data {folder}", highlight=False)


@app.command()
def score(
    case: Annotated[Path, typer.Argument(help="A JSON file with `metric` and `inputs`.", show_default=False)],
    check: Annotated[bool, typer.Option("--check", help="Compare with the file's `expected`.")] = False,
) -> None:
    """Metrics of given predictions and golds, equal to the official scorers', as JSON.

    With --check: the differences to what the file expects, and exit status 1 if there is one. Where an official script
    stops on such input, the cause is told and the exit status is 1, or with --check 0 if that was expected.

    Example: adaptx score tests/cases/squad_v1_edge.json --check
    """
    from adaptx.scoring import compare, count_values, read_case, score_case, stops

    opened = read_case(case)
    result = score_case(opened)
    stopped = [f"{place}: the official script stops with {kind}: {cause}" for place, kind, cause in stops(result)]
    if check:
        wrong = compare(opened, result)
        typer.echo("\n".join(wrong) or f"{count_values(opened['expected'].value)} expected values agree")
    else:
        wrong = stopped
        typer.echo(json.dumps(result, indent=1, ensure_ascii=False))
    for line in stopped:
        err.print(line, markup=False, highlight=False, soft_wrap=True)
    if wrong:
        raise typer.Exit(1)


app.command()(memory)
app.command()(bench)


@app.command()
def tasks(
    name: Annotated[str | None, typer.Argument(help="One task, in full.")] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """The tasks in the catalog; one by name with an example in each language found in --data (else in the package).

    Example: adaptx tasks nli --data sample
    """
    from adaptx.catalog import TASKS, find_task
    from adaptx.sources import SAMPLE_NAME
    from adaptx.views.catalog import show_examples, show_task, show_tasks, task_json
    from adaptx.views.examples import found_examples

    chosen = [find_task(name)] if name else list(TASKS.values())
    found = found_examples(chosen[0], Sources(data or SAMPLE_NAME)) if name else None
    if as_json:
        more = {"examples": [vars(each) for each in found.examples], "without_example": found.without} if found else {}
        typer.echo(json.dumps([{**task_json(task), **more} for task in chosen], indent=1, ensure_ascii=False))
    elif found:
        show_task(chosen[0], out)
        show_examples(found, data or "the packaged sample", out)
    else:
        show_tasks(chosen, out)


@app.command()
def models(as_json: JsonOption = False) -> None:
    """The models in the catalog; any checkpoint of a supported architecture works, too.

    Example: adaptx models --json
    """
    from adaptx.catalog import MODELS
    from adaptx.views.catalog import model_json, show_models

    if as_json:
        typer.echo(json.dumps([model_json(model) for model in MODELS.values()], indent=1))
    else:
        show_models(list(MODELS.values()), out)


@app.command()
def methods(
    name: Annotated[str | None, typer.Argument(help="One method, with its settings.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Methods and starts: what trains, and what can be combined.

    Example: adaptx methods lora
    """
    from adaptx.catalog import METHODS, find_method
    from adaptx.views.catalog import methods_json, show_method, show_methods

    chosen = {name.lower(): find_method(name)} if name else METHODS
    if as_json:
        typer.echo(json.dumps(methods_json(chosen), indent=1))
    elif name:
        show_method(chosen[name.lower()], out)
    else:
        show_methods(out)


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
