"""Examples: the rows of one set, by the roles of a format, checked against it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from adaptx.errors import UserError
from adaptx.specs import Classification, Rows, TaskFormat


@dataclass(frozen=True)
class Examples:
    """Columns by role, all of one length; `rows` is each example's row number in its split."""

    rows: tuple[int, ...]
    columns: dict[str, list[Any]]

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, indices: Sequence[int]) -> "Examples":
        columns = {role: [values[index] for index in indices] for role, values in self.columns.items()}
        return Examples(tuple(self.rows[index] for index in indices), columns)


def joined(parts: Sequence[Examples]) -> Examples:
    """Several sets one after the other."""
    columns = {role: [value for part in parts for value in part.columns[role]] for role in parts[0].columns}
    return Examples(tuple(row for part in parts for row in part.rows), columns)


def select(rows: Rows, table: dict[str, list[Any]], limit: int | None, where: str) -> Examples:
    """Pick the columns, drop rows with no gold label, cut the slice, name the labels.

    table: column -> values of the whole split. where: how messages call the set.

    Raises:
        UserError: a column is missing, or nothing is left.
    """
    for role, column in rows.columns:
        if column not in table:
            raise UserError(f"{where} has no column {column!r} (read as {role}); it has: {', '.join(table)}")
    length = len(next(iter(table.values())))
    label = rows.column("label")
    dropped = set(rows.dropped_labels)
    kept = [i for i in range(length) if not (label is not None and dropped and table[label][i] in dropped)]
    kept = kept[rows.first : rows.stop][:limit]
    if not kept:
        cut = f" after the slice [{rows.first}:{rows.stop}]" if rows.first or rows.stop else ""
        raise UserError(f"{where} is empty: it has {length} rows, none of them left{cut}; check the split and its file")
    columns = {role: [table[column][i] for i in kept] for role, column in rows.columns}
    if label is not None and rows.label_names:
        columns["label"] = [_name(value, rows.label_names) for value in columns["label"]]
    return Examples(tuple(kept), columns)


def check(examples: Examples, task_format: TaskFormat, where: str) -> None:
    """Hold examples against their format before any work starts.

    Raises:
        UserError: a label outside the label set, or a text that is no text; the message names the row.
    """
    if isinstance(task_format, Classification) and "label" in examples.columns:
        for row, label in zip(examples.rows, examples.columns["label"], strict=True):
            if label not in task_format.labels:
                raise UserError(
                    f"{where}, row {row}: label {label!r} is not in the label set ({', '.join(task_format.labels)}); "
                    "correct the row, or map its value with Rows(label_names=..., dropped_labels=...)"
                )
    for role in ("text", "pair", "query", "candidate"):
        for row, text in zip(examples.rows, examples.columns.get(role, ()), strict=False):
            if not isinstance(text, str):
                raise UserError(f"{where}, row {row}: {role} is {text!r}, not a text")


def _name(value: Any, names: tuple[str, ...]) -> Any:
    """The label's name; a value that is no id of the set is left for `check` to refuse."""
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else value
