"""Look at the user's own files: their task, columns, labels, languages and numbers of rows."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adaptx.data.file_tables import file_table
from adaptx.data.labels import texts_of, whole_number
from adaptx.data.tables import RowTable
from adaptx.errors import MissingInput, UserError
from adaptx.files.tagged import AUTO_ENDING, CONLL_ENDINGS
from adaptx.files.text import HEADER_BYTES, ending, read_text, refuse_folder
from adaptx.planning.own_recipe.file_names import DEVELOPMENT, EVALUATION, TRAIN, language_of, use_of
from adaptx.planning.own_recipe.roles import MOST_LABELS, TAGGING, find_roles
from adaptx.specs import Classification, Tagging

_SOME_TAGS, _SOME_LABELS = Tagging(("O", "B-X")), Classification(("a", "b"))
"""Formats with labels that do not matter: only the kind of file depends on them."""


@dataclass(frozen=True, kw_only=True)
class FileHints:
    """The user's statements about the files. Everything else is read from the files.

    task: one of `roles.TASKS`. languages, uses: by file. language: of files that are not in `languages`. columns: role
    -> column, for all files.
    """

    task: str | None = None
    language: str | None = None
    languages: Mapping[Path, str]
    uses: Mapping[Path, str]
    columns: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class OwnFile:
    """One file, with its columns and the rows of each label.

    columns: role -> column. labels: number of rows (for tagging: words) of each label, by label.
    """

    path: Path
    use: str
    language: str
    task: str
    columns: Mapping[str, str]
    labels: Mapping[str, int]
    rows: int


def look_at(paths: Sequence[Path], given: FileHints) -> tuple[OwnFile, ...]:
    """Return what is known about each file: training files first, then development and evaluation files.

    Raises:
        UserError: a file cannot be read; its language, columns or labels cannot be found out; the files are for
            different tasks; no file has training rows, or none has test rows.
    """
    uses = _uses(paths, given)
    found = [_look_at_file(path, uses[path], given) for path in paths]
    tasks = {file.task: file for file in reversed(found)}
    if len(tasks) > 1:
        told = "; ".join(f"{file.path} looks like {task}" for task, file in tasks.items())
        raise UserError(f"the files are for different tasks: {told}. Name files of one task, or say it with --task")
    having = {"pair" in file.columns for file in found}
    if len(having) > 1:
        one, other = (next(file for file in found if ("pair" in file.columns) is has) for has in (True, False))
        raise UserError(
            f"{one.path} has a second text ({one.columns['pair']!r}), and {other.path} has none; add the column "
            "to the file without it, or remove it from the other"
        )
    return tuple(sorted(found, key=lambda file: (TRAIN, DEVELOPMENT, EVALUATION).index(file.use)))


def _uses(paths: Sequence[Path], given: FileHints) -> dict[Path, str]:
    """Return the use of each file. If no file is known to be for training, the first one without a known use is."""
    known = {path: given.uses.get(path) or use_of(path) for path in paths}
    if TRAIN not in known.values():
        first = next((path for path, use in known.items() if use is None), None)
        if first is None:
            raise UserError(
                f"no file has training rows: {', '.join(f'{path} is for {use}' for path, use in known.items())}; name "
                f"a file with training rows, or say which file it is: --use {paths[0]}=train"
            )
        known[first] = TRAIN
    uses = {path: use or EVALUATION for path, use in known.items()}
    if EVALUATION not in uses.values():
        told = ", ".join(f"{path} is for {use}" for path, use in uses.items())
        raise UserError(
            f"no file has test rows, on which models are compared: {told}. Name a second file, or split one: "
            f"{_splitting(paths[0])}"
        )
    return uses


def _splitting(path: Path) -> str:
    if ending(path) != ".csv":
        return f"write a fifth of its rows, drawn at random, to {path.stem}.test{path.suffix}, and only the others here"
    program = (
        "import pandas as pd; "
        f"rows = pd.read_csv('{path}', dtype=str, keep_default_na=False).sample(frac=1, random_state=1); "
        f"n = len(rows) // 5; rows[:n].to_csv('{path.with_suffix('')}.test.csv', index=False); "
        f"rows[n:].to_csv('{path.with_suffix('')}.train.csv', index=False)"
    )
    return f'python -c "{program}"'


def _look_at_file(path: Path, use: str, given: FileHints) -> OwnFile:
    refuse_folder(path)
    if not path.is_file():
        raise MissingInput(f"{path}: there is no such file; check the path")
    language = given.languages.get(path) or language_of(path) or given.language
    if language is None:
        raise UserError(
            f"{path}: its name does not say which language its rows are in; say it with --language {path}=sw, or with "
            "--language sw for all files whose names do not say it"
        )
    tagged = given.task in (None, TAGGING) and _is_tagged(path)
    table = file_table((path,), _SOME_TAGS if tagged else _SOME_LABELS, (), labelled=True)
    if not table.length:
        raise UserError(f"{table.where} has no rows; check that it is the right file")
    roles = find_roles(table, {} if tagged else given.columns, TAGGING if tagged else given.task)
    labels: Mapping[str, int] = {}
    if (column := roles.columns.get("label") or roles.columns.get("tags")) is not None:
        labels = _labels(table, column)
    return OwnFile(
        path=path,
        use=use,
        language=language,
        task=roles.task,
        columns=roles.columns,
        labels=labels,
        rows=table.length,
    )


def _is_tagged(path: Path) -> bool:
    """Return whether a file holds one word per line. A .tsv file does if blank lines separate its sentences."""
    end = ending(path)
    if end == ".tsv":
        lines = read_text(path, HEADER_BYTES).strip().replace("\r\n", "\n").split("\n")
        return any(not line.strip() for line in lines)
    return end in (*CONLL_ENDINGS, AUTO_ENDING)


def _labels(table: RowTable, column: str) -> Mapping[str, int]:
    counts: Counter[str] = Counter()
    for row, value in enumerate(table.column(column, range(table.length))):
        values: Iterable[Any] = value if isinstance(value, list) else (value,)  # pyright: ignore[reportUnknownVariableType]
        for each in values:
            counts[_label(each, column, table, row)] += 1
    if len(counts) > MOST_LABELS or (len(counts) > table.length > MOST_LABELS):
        raise UserError(
            f"{table.where}: column {column!r} has {len(counts):,} different values in {table.length:,} rows, too many "
            "for labels; name the column of labels: --columns label=COLUMN"
        )
    return dict(counts)


def _label(value: Any, column: str, table: RowTable, row: int) -> str:
    whole = whole_number(value)
    text = str(whole) if whole is not None else next(iter(texts_of(value)), "")
    if not text.strip():
        raise UserError(f"{table.where.at(row)}: {column} is {value!r}, not a label; correct the row, or leave it out")
    return text


def label_set(files: Sequence[OwnFile]) -> tuple[str, ...]:
    """Return all labels of the files: numbers in order, otherwise `O` first and the others by name."""
    found = {label for file in files for label in file.labels}
    numbers = [whole_number(label) for label in found]
    if all(number is not None for number in numbers):
        return tuple(sorted(found, key=int))
    return tuple(sorted(found, key=lambda label: (label != "O", label)))
