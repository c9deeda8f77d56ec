"""`adaptx new`: write a recipe for the user's own files."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adaptx.catalog.languages import language_name
from adaptx.cli.columns import ColumnsOption, read_columns
from adaptx.cli.options import out, tell
from adaptx.cli.paths import new_file
from adaptx.errors import UserError

if TYPE_CHECKING:
    from adaptx.planning.own_recipe.looking import FileHints


def new(
    files: Annotated[list[Path], typer.Argument(help="Your files of training and test rows.", show_default=False)],
    target: Annotated[Path, typer.Option("--out", parser=new_file, metavar="FILE", help="The recipe to write.")] = Path(
        "my_recipe.py"
    ),
    languages: Annotated[
        list[str] | None,
        typer.Option(
            "--language",
            metavar="[FILE=]CODE",
            help="Language of a file, or of all files whose names do not say it; may be repeated.",
        ),
    ] = None,
    uses: Annotated[
        list[str] | None,
        typer.Option(
            "--use",
            metavar="FILE=USE",
            help="train, development or test, if a file's name does not say it; may be repeated.",
        ),
    ] = None,
    columns: ColumnsOption = None,
    task: Annotated[
        str | None, typer.Option("--task", help="classification, tagging or question-answering, if it is not clear.")
    ] = None,
    intermediate: Annotated[
        str | None, typer.Option("--intermediate", help="Task of the catalog to train first (`adaptx tasks`).")
    ] = None,
) -> None:
    """Look at your own files and write a commented recipe for them.

    The recipe compares a baseline with the same training after an intermediate task. It plans and runs at once; change
    in it what was not found out right. Languages and uses come from the files' names, such as `train.en.csv`.

    Example: adaptx new train.en.csv test.sw.csv --columns text=tweet --out tweets.py
    """
    from adaptx.planning.own_recipe.looking import FileHints
    from adaptx.planning.own_recipe.roles import TASKS
    from adaptx.specs.near import near

    _check_target(target)
    if task is not None and task not in TASKS:
        raise UserError(f"--task {task}: near: {near(task, TASKS)}")
    given = FileHints(
        task=task,
        language=_language_of_all(languages or ()),
        languages=_by_file("--language", languages or (), files),
        uses=_uses(uses or (), files),
        columns=read_columns(columns or ()),
    )
    _write(files, given, target, intermediate)


def _write(files: Sequence[Path], given: "FileHints", target: Path, intermediate: str | None) -> None:
    """Look at the files, write the recipe, and say what was found."""
    from adaptx.planning.own_recipe.checking import check_rows
    from adaptx.planning.own_recipe.looking import look_at
    from adaptx.planning.own_recipe.writing import default_intermediate, find_intermediate, recipe_text
    from adaptx.planning.recipe_file import load_recipe

    found = look_at(files, given)
    for note in check_rows(found):
        tell(note)
    first = default_intermediate(found) if intermediate is None else find_intermediate(intermediate)
    command = shlex.join(["adaptx", *sys.argv[1:]])
    text = recipe_text(target.stem, target.absolute().parent, found, first, command)
    target.write_text(text, encoding="utf-8")
    load_recipe(target)
    labels = f", {len({label for file in found for label in file.labels})} labels" if found[0].labels else ""
    _say(f"task: {found[0].task}{labels}")
    for file in found:
        read = ", ".join(f"{role} from {column!r}" for role, column in file.columns.items())
        _say(f"{file.path}: {file.use}, {language_name(file.language)} ({file.language}), {file.rows:,} rows; {read}")
    _say(f"intermediate task: {first.name}")
    _say(f"{target} is written; next: adaptx plan {shlex.quote(str(target))}")


def _say(text: str) -> None:
    out.print(text, markup=False, highlight=False, soft_wrap=True)


def _check_target(target: Path) -> None:
    if target.suffix != ".py":
        raise UserError(f"--out {target}: a recipe is a Python file; write --out {target.with_suffix('.py')}")
    if target.exists():
        raise UserError(f"{target} exists and is not overwritten; name another file with --out, or remove it")


def _language_of_all(texts: Sequence[str]) -> str | None:
    codes = [text for text in texts if "=" not in text]
    if len(codes) > 1:
        raise UserError(f"--language {codes[1]}: {codes[0]} is given already; write --language FILE={codes[1]}")
    return codes[0] if codes else None


def _uses(texts: Sequence[str], files: Sequence[Path]) -> dict[Path, str]:
    from adaptx.planning.own_recipe.file_names import USES

    for text in texts:
        if "=" not in text or text.rpartition("=")[2] not in USES:
            raise UserError(f"--use {text}: write it as FILE={', FILE='.join(USES)}")
    return {file: USES[use] for file, use in _by_file("--use", texts, files).items()}


def _by_file(option: str, texts: Sequence[str], files: Sequence[Path]) -> dict[Path, str]:
    """Return file -> value, from the texts that are FILE=VALUE. A file may be named without its folder."""
    found: dict[Path, str] = {}
    for text in texts:
        name, equals, value = text.rpartition("=")
        if not equals:
            continue
        named = [file for file in files if Path(name) == file or name == file.name]
        if len(named) != 1 or not value:
            shown = ", ".join(map(str, files))
            raise UserError(f"{option} {text}: {name!r} names {len(named)} of the files ({shown}); write FILE=VALUE")
        found[named[0]] = value
    return found
