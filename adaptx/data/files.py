"""The user's own rows: CSV, JSON lines or parquet with the columns of a task."""

from pathlib import Path
from typing import Any

from adaptx.data.examples import Examples, check
from adaptx.errors import MissingInput, UserError
from adaptx.specs import Task

ENDINGS = (".csv", ".tsv", ".jsonl", ".parquet")


def read_file(path: Path, task: Task, labelled: bool) -> Examples:
    """Rows of a file whose columns carry the task's column names or the format's role names.

    Integer labels are taken as ids of the task's own label names; names as they are.

    Raises:
        UserError: no such file, an unknown ending, a missing column, no rows, a text that is none, or a label outside
            the label set.
    """
    if not path.is_file():
        raise MissingInput(f"{path}: there is no such file")
    table = _read(path)
    rows = (task.train or task.evaluation)[0]
    columns: dict[str, list[Any]] = {}
    for role, column in rows.columns:
        if role == "label" and not labelled:
            continue
        found = next((name for name in (column, role) if name in table), None)
        if found is None:
            raise UserError(
                f"{path} has no column {column!r} (or {role!r}) for task {task.name}; it has: {', '.join(table)}"
            )
        columns[role] = table[found]
    length = len(next(iter(columns.values())))
    if not length:
        raise UserError(f"{path} holds no rows")
    if "label" in columns and rows.label_names:
        columns["label"] = [_label(value, rows.label_names) for value in columns["label"]]
    examples = Examples(tuple(range(length)), columns)
    check(examples, task.format, str(path))
    return examples


def _read(path: Path) -> dict[str, list[Any]]:
    import pandas

    read_json: Any = pandas.read_json
    readers: dict[str, Any] = {
        ".csv": lambda: pandas.read_csv(path, keep_default_na=False, dtype=str),
        ".tsv": lambda: pandas.read_csv(path, sep="\t", keep_default_na=False, dtype=str),
        ".jsonl": lambda: read_json(path, lines=True, dtype=False),
        ".parquet": lambda: pandas.read_parquet(path),
    }
    if path.suffix not in readers:
        raise UserError(f"{path}: files ending in {', '.join(ENDINGS)} are read, not {path.suffix or 'none'}")
    try:
        frame: Any = readers[path.suffix]()
    except ValueError as error:
        raise UserError(f"{path} cannot be read as {path.suffix[1:]}: {error}") from error
    return frame.to_dict(orient="list")


def _label(value: Any, names: tuple[str, ...]) -> Any:
    text = str(value)
    return names[int(text)] if text.isdigit() and int(text) < len(names) else value
