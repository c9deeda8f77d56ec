"""`adaptx predict`, `evaluate` and `score`: predictions and metrics for the user's own rows."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from adaptx.api import DEFAULT_STORE
from adaptx.cli.columns import ColumnsOption, read_columns
from adaptx.cli.options import DataOption, DeviceOption, JsonOption, StoreOption, err, out, tell, telling_left_out
from adaptx.cli.paths import new_file
from adaptx.errors import UserError
from adaptx.files.standard_input import STANDARD_INPUT
from adaptx.sources.sources import Sources
from adaptx.specs import Resources
from adaptx.store.json_text import json_text
from adaptx.store.record_json import to_json
from adaptx.store.store import Store

LanguageOption = Annotated[
    str | None,
    typer.Option("--language", help="Language code of the rows; needed if a metric or the prompt depends on it."),
]


def predict(
    stage: Annotated[str, typer.Argument(help="A training's folder name, or a prefix of its fingerprint.")],
    file: Annotated[
        Path,
        typer.Argument(
            help="File of rows: .csv, .tsv, .jsonl or .parquet; for tagging also .conll or .conllu; - for standard "
            "input."
        ),
    ],
    store: StoreOption = DEFAULT_STORE,
    data: DataOption = None,
    device: DeviceOption = None,
    language: LanguageOption = None,
    columns: ColumnsOption = None,
    target: Annotated[
        Path | None,
        typer.Option(
            "--out",
            parser=new_file,
            metavar="FILE",
            help="Write to this file, which ends in .csv, .jsonl or .parquet. Without it, JSON lines are printed.",
        ),
    ] = None,
) -> None:
    """Write the rows of a file with a trained stage's predictions.

    The file's own columns are kept. `prediction` and the probabilities follow them.

    Example: adaptx predict e5-mini.nli.lora-r8-1f3a9c7e pairs.csv --columns text=premise --out answers.csv
    """
    from adaptx.data.written import check_ending, json_lines_text, write_columns
    from adaptx.execution.predicting import predict_file

    named = read_columns(columns or ())
    if target is not None:
        check_ending(target)
        _refuse_to_overwrite_rows(target, file)
    _tell_that_a_terminal_is_read(file)
    kept = Store(store)
    sources = Sources(data, kept.root / "digests.json")
    with telling_left_out(kept):
        predicted = predict_file(kept, sources, stage, file, Resources(device), language, tell, named)
    rows = predicted.with_predictions(tell)
    if target is None:
        sys.stdout.write(json_lines_text(rows))
    else:
        write_columns(target, rows)
        out.print(f"{len(predicted.records)} predictions in {target}", markup=False, highlight=False)


def _refuse_to_overwrite_rows(target: Path, file: Path) -> None:
    if target.exists() and file.exists() and target.samefile(file):
        raise UserError(f"--out {target} is the file of rows itself, which would be overwritten; name another file")


def _tell_that_a_terminal_is_read(file: Path) -> None:
    if file == STANDARD_INPUT and sys.stdin.isatty():
        tell("reading rows from the terminal: the first line names the columns; Ctrl-D ends the rows")


def evaluate(
    stage: Annotated[str, typer.Argument(help="A training's folder name, or a prefix of its fingerprint.")],
    file: Annotated[Path, typer.Option("--task", help="File of labelled rows, in the same formats as for `predict`.")],
    store: StoreOption = DEFAULT_STORE,
    data: DataOption = None,
    device: DeviceOption = None,
    language: LanguageOption = None,
    columns: ColumnsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score a trained stage on your own labelled rows.

    Prints the task's metrics with intervals. For classification, macro-F1, the scores of each class and the confusion
    matrix follow.

    Example: adaptx evaluate e5-mini.nli.lora-r8-1f3a9c7e --task my.csv
    """
    from adaptx.cli.views.scores import score_parts
    from adaptx.execution.scoring import score_file
    from adaptx.metrics.one_class import sentences

    named = read_columns(columns or ())
    _tell_that_a_terminal_is_read(file)
    kept = Store(store)
    sources = Sources(data, kept.root / "digests.json")
    with telling_left_out(kept):
        scores = score_file(kept, sources, stage, file, Resources(device), language, tell, named)
    if as_json:
        typer.echo(json_text({**scores, "one_class": to_json(scores["one_class"])}, indent=1))
        return
    for part in score_parts(scores):
        out.print(part, highlight=False)
    for sentence in sentences(scores["one_class"], scores["rows_used"]):
        err.print(sentence, markup=False, highlight=False, soft_wrap=True)


def score(
    case: Annotated[Path, typer.Argument(help="A JSON file with `metric` and `inputs`.", show_default=False)],
    check: Annotated[bool, typer.Option("--check", help="Compare the metrics with `expected` in the file.")] = False,
) -> None:
    """Compute metrics of predictions and gold answers as the official scorers do, and print them as JSON.

    With --check, print the differences from the file's `expected`; the exit status is 1 if there are any. If the
    official script stops with an error on such input, the cause is printed and the exit status is 1 (with --check: 0
    if the file expects that error).

    Example: adaptx score tests/cases/squad_v1_edge.json --check
    """
    from adaptx.metrics.cases import compare, count_values, read_case, score_case, stops

    opened = read_case(case)
    try:
        result = score_case(opened)
    except UserError as error:
        raise UserError(f"{case}: {error}; `adaptx score --help` names an example file") from error
    stopped = [f"{place}: the official script stops with {kind}: {cause}" for place, kind, cause in stops(result)]
    if check:
        wrong = compare(opened, result)
        typer.echo("\n".join(wrong) or f"{count_values(opened['expected'].value)} expected values agree")
    else:
        wrong = stopped
        typer.echo(json_text(result, indent=1))
    for line in stopped:
        err.print(line, markup=False, highlight=False, soft_wrap=True)
    if wrong:
        raise typer.Exit(1)
