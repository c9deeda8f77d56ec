"""Make a task from the user's own rows: a DataFrame, a Dataset, dicts or a file.

The rows are written as JSON lines to a folder in the user's cache, from which worker processes read them. Each file's
name is derived from its content, so equal rows are the same input whether they came as a DataFrame, as dicts or in a
file.
"""

import hashlib
import json
import os
import re
import tempfile
import warnings
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from adaptx.catalog.local import local_task
from adaptx.catalog.local_file import Columns, Labels
from adaptx.data.checking import check, trainable_answers
from adaptx.data.containers import container_table
from adaptx.data.reading import open_table
from adaptx.data.selecting import KeptRows, select
from adaptx.data.tables import RowTable
from adaptx.errors import UserError
from adaptx.sources.sources import Sources
from adaptx.specs import QuestionAnswering, Retrieval, Rows, Task, TaskFormat
from adaptx.specs.task import LOCAL
from adaptx.store.writing import written_whole

FOLDER = Path("~/.cache/adaptx/rows")
USES = ("train", "development", "evaluation", "pool")


def task(
    name: str,
    task_format: TaskFormat,
    train: Any = None,
    development: Any = None,
    evaluation: Any = None,
    *,
    pool: Any = None,
    columns: Columns | None = None,
    metrics: tuple[str, ...] | None = None,
    labels: Labels | None = None,
    language: str = "en",
) -> Task:
    """Return a task whose rows are given in Python.

        news = adaptx.task("news", Classification(("sport", "politics")), train=frame, evaluation={"sw": swahili})

    Args:
        name: the name of the task in tables and folders.
        task_format: the format of the rows. The columns are named after its roles, except where `columns` says
            otherwise.
        train: rows to train on: a pandas.DataFrame, a datasets.Dataset, a list of dicts or the path of a file. A
            mapping from language codes to such rows gives one set per language.
        development: rows on which the best training state is chosen, in the same forms as `train`.
        evaluation: rows to score on, in the same forms as `train`.
        pool: candidates that a retrieval task ranks, in the same forms as `train`.
        columns: for each role whose column has another name than the role, the name of this column, or the names of
            several columns, whose texts are joined with spaces.
        metrics: names of metrics; None means the usual metrics of the format.
        labels: how the rows write labels or tags: value -> label, or the names of 0, 1, 2, ...; None means names, or
            positions in the format's labels.
        language: language code of rows that are not in a mapping.

    Raises:
        UserError: rows have another type, a column is missing, or a row does not fit the format.
    """
    sets = {
        use: _by_language(rows, language)
        for use, rows in zip(USES, (train, development, evaluation, pool), strict=True)
    }
    with tempfile.TemporaryDirectory() as folder, _errors_without_paths(folder):
        files = {
            use: {code: _file_of(rows, Path(folder) / f"{use}.{code}.jsonl", use, code) for code, rows in each.items()}
            for use, each in sets.items()
        }
        found = local_task(name, task_format, **files, columns=columns, metrics=metrics, labels=labels)
        kept = {
            use: tuple(_stored(rows, task_format, sets[use][rows.language], use) for rows in getattr(found, use))
            for use in USES
        }
    return replace(found, **kept, description="The user's own rows.")


@contextmanager
def _errors_without_paths(folder: str) -> Generator[None]:
    """Replace paths of files in `folder` in errors: `<folder>/train.sw.jsonl` becomes `train.sw`."""
    try:
        yield
    except UserError as error:
        name_of_rows = re.escape(f"{folder}{os.sep}") + r"(\S+?)\.jsonl"
        raise type(error)(re.sub(name_of_rows, r"\1", str(error))) from None


def _by_language(rows: Any, language: str) -> dict[str, Any]:
    """Return rows by language code. Rows that are not in a mapping get the code `language`."""
    if rows is None:
        return {}
    if isinstance(rows, Mapping) and type(rows).__name__ != "DatasetDict":
        return dict(cast(Mapping[str, Any], rows))
    return {language: rows}


def _is_path(rows: Any) -> bool:
    return isinstance(rows, str | os.PathLike)


def _table(rows: Any, use: str, language: str) -> RowTable:
    return container_table(rows, f"{use} rows in {language}")


def _file_of(rows: Any, path: Path, use: str, language: str) -> Path:
    """Return the file that holds the rows. Rows in memory are written to `path` first."""
    if _is_path(rows):
        return Path(rows)
    table = _table(rows, use, language)
    columns = {name: table.column(name, range(table.length)) for name in dict.fromkeys(table.names.values())}
    _write(path, columns)
    return path


def _stored(rows: Rows, task_format: TaskFormat, given: Any, use: str) -> Rows:
    """Write a set's rows to the cache, with roles as column names, and return the set that reads them from there."""
    sources = Sources()
    table = open_table(rows, task_format, sources) if _is_path(given) else _table(given, use, rows.language)
    if not table.length:
        raise UserError(f"{table.where} has no rows; give at least one row, or leave {use} out")
    examples = select(rows, task_format, table, KeptRows(range(table.length)))
    if not isinstance(task_format, Retrieval):
        check(examples, task_format, table.where)
    if use == "train" and isinstance(task_format, QuestionAnswering):
        examples = trainable_answers(examples, table.where)
    for left_out in examples.left_out:
        warnings.warn(str(left_out), stacklevel=3)
    text = _json_lines(examples.columns)
    folder, name = FOLDER.expanduser(), f"{hashlib.sha256(text).hexdigest()[:32]}.jsonl"
    if not (folder / name).is_file() or (folder / name).read_bytes() != text:
        with written_whole(folder / name) as building:
            building.write_bytes(text)
    columns = tuple((role, role) for role in examples.columns)
    return replace(rows, hub_id=f"{LOCAL}{folder}", config=name, columns=columns, wording=())


def _json_lines(columns: Mapping[str, list[Any]]) -> bytes:
    """Return rows as JSON lines.

    Raises:
        UserError: a value cannot be written as JSON.
    """
    names = list(columns)
    try:
        lines = (
            json.dumps(dict(zip(names, values, strict=True)), ensure_ascii=False, allow_nan=False)
            for values in zip(*columns.values(), strict=True)
        )
        return "".join(f"{line}\n" for line in lines).encode()
    except (TypeError, ValueError) as error:
        raise UserError(
            f"a value in the columns {', '.join(names)} cannot be written as JSON ({error}); give texts, numbers, and "
            "lists of them"
        ) from error


def _write(path: Path, columns: Mapping[str, list[Any]]) -> None:
    path.write_bytes(_json_lines(columns))
