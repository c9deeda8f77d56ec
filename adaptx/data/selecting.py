"""Select a set's rows and columns from a table, and convert raw values to the form that task formats read."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from adaptx.data.examples import Examples
from adaptx.data.labels import LabelReader, id_text, texts_of, whole_number
from adaptx.data.origin import Origin
from adaptx.data.tables import RowTable
from adaptx.errors import MissingInput, UserError
from adaptx.files.json_lines import json_list
from adaptx.files.left_out import LeftOut
from adaptx.specs import (
    MaskedLanguageModel,
    MultipleChoice,
    Retrieval,
    Rows,
    SpanCorruption,
    TaskFormat,
)

BLOCK_ROWS = 20_000


@dataclass(frozen=True)
class KeptRows:
    """The row numbers of a set (ascending), and counts of the rows that the set leaves out."""

    rows: Sequence[int]
    left_out: tuple[LeftOut, ...] = ()


def kept_rows(rows: Rows, task_format: TaskFormat, table: RowTable) -> KeptRows:
    """Filter the table's rows as the set says, and return the slice [`rows.first`:`rows.stop`] of those that pass.

    Rows without a gold label, and rows with a blank text if texts are to be masked, are recorded as left out. Rows
    without the prefix that `rows.starts_with` asks for belong to other sets and are not recorded.

    Raises:
        UserError: a column is missing.
        MissingInput: no row is left.
    """
    for role, column in rows.columns:
        for name in (column,) if isinstance(column, str) else column:
            if name not in table.names:
                raise UserError(
                    f"{table.where} has no column {name!r} (read as {role}); {table.shown_columns(name)}. Rename a "
                    "column, or name the right one for this role in the task's columns"
                )
    stop = rows.stop
    passing, left_out = _passing(rows, task_format, table, stop)
    kept = passing[rows.first : stop]
    if not kept:
        cut = f" in the slice [{rows.first}:{rows.stop}]" if rows.first or rows.stop else ""
        if rows.starts_with:
            cut = f" with {rows.starts_with[0]} beginning with {rows.starts_with[1]!r}{cut}"
        raise MissingInput(
            f"{table.where} is empty: it has {table.length} rows, but none is left{cut} after rows without a label or "
            "text are removed; check that the split and its file are the right ones"
        )
    # Rows outside the slice belong to another set, so they are not recorded as left out of this one.
    low = passing[rows.first - 1] if rows.first else -1
    high = passing[stop] if stop is not None and stop < len(passing) else table.length
    records: list[LeftOut] = []
    for reason, numbers in left_out.items():
        within = [number for number in numbers if low < number < high]
        if within:
            records.append(
                LeftOut(
                    reason=reason,
                    count=len(within),
                    first=within[0],
                    where=table.where.name,
                    line=table.where.line(within[0]),
                )
            )
    return KeptRows(kept, tuple(records))


def _passing(
    rows: Rows, task_format: TaskFormat, table: RowTable, stop: int | None
) -> tuple[Sequence[int], dict[str, list[int]]]:
    """Return the rows that pass every filter and, by reason, the rows that are left out.

    Reading ends when `stop` rows have passed, unless `stop` is None. Rows that are not read are in neither result.
    """
    label, text = rows.column("label"), rows.column("text")
    dropped = {*rows.dropped_labels, *(str(value) for value in rows.dropped_labels if table.own)}
    masks = isinstance(task_format, MaskedLanguageModel | SpanCorruption) and isinstance(text, str)
    if not ((dropped and isinstance(label, str)) or rows.starts_with or masks):
        return range(table.length), {}
    unlabelled = f"no gold label ({', '.join(str(value) for value in rows.dropped_labels)})"
    left_out: dict[str, list[int]] = {unlabelled: [], "no text to mask": []}
    kept: list[int] = []
    for first in range(0, table.length, BLOCK_ROWS):
        block: Sequence[int] = range(first, min(first + BLOCK_ROWS, table.length))
        if rows.starts_with:
            column, prefix = rows.starts_with
            values = table.column(column, block)
            block = [row for row, value in zip(block, values, strict=True) if str(value).startswith(prefix)]
        if dropped and isinstance(label, str):
            labelled = [not (isinstance(value, Hashable) and value in dropped) for value in table.column(label, block)]
            block = _split(block, labelled, left_out[unlabelled])
        if masks and isinstance(text, str):
            written = [value != "" and not str(value).isspace() for value in table.column(text, block)]
            block = _split(block, written, left_out["no text to mask"])
        kept += block
        if stop is not None and len(kept) >= stop:
            break
    return kept, left_out


def _split(block: Sequence[int], passes: Sequence[bool], others: list[int]) -> list[int]:
    """Return the rows of a block whose value in `passes` is true, and append the other rows to `others`."""
    others += [row for row, is_in in zip(block, passes, strict=True) if not is_in]
    return [row for row, is_in in zip(block, passes, strict=True) if is_in]


def select(rows: Rows, task_format: TaskFormat, table: RowTable, chosen: KeptRows) -> Examples:
    """Return the chosen rows as examples, with the counts of rows that the table and the set leave out.

    Raises:
        UserError: a cell of a CSV or TSV file does not hold a JSON list where it should, a label does not name a
            choice, or a file writes some labels as names and others as ids.
    """
    kept = chosen.rows
    columns: dict[str, list[Any]] = {}
    for role, column in rows.columns:
        if isinstance(column, str):
            values = table.column(column, kept)
            if table.textual and role in task_format.list_roles:
                values = [_parsed_list(cell, role, table.where, row) for row, cell in zip(kept, values, strict=True)]
        else:
            parts = [table.column(name, kept) for name in column]
            values = [list(cells) for cells in zip(*parts, strict=True)]
            if role in task_format.text_roles:
                values = [_joined_text(texts) for texts in values]
        columns[role] = _reworded(values, role, rows, table.own)
    labels = task_format.labels
    if "label" in columns and isinstance(task_format, MultipleChoice):
        columns["label"] = _choice_indices(columns["label"], rows, kept, table)
    elif "label" in columns:
        named = LabelReader(rows.label_names, labels, table.own)
        columns["label"] = [named(value) for value in columns["label"]]
        named.check_one_way(table.where, "label")
    if "tags" in columns and (rows.label_names or table.own):
        named = LabelReader(rows.label_names, labels, table.own)
        columns["tags"] = [
            [named(tag) for tag in tags] if isinstance(tags, list) else tags  # pyright: ignore[reportUnknownVariableType]
            for tags in columns["tags"]
        ]
        named.check_one_way(table.where, "tags")
    if isinstance(task_format, Retrieval) and "gold" in columns:
        columns["gold"] = [_gold_ids(value, table.textual) for value in columns["gold"]]
    left_out = (*table.left_out, *chosen.left_out)
    return Examples(rows=tuple(kept), columns=columns, left_out=left_out, languages=(rows.language,) * len(kept))


def _parsed_list(cell: Any, role: str, where: Origin, row: int) -> list[Any]:
    found = json_list(cell)
    if found is None:
        raise UserError(f'{where.at(row)}: {role} is {cell!r}, not a JSON list; write it as ["first", "second"]')
    return found


def _joined_text(texts: list[Any]) -> Any:
    """Join several texts with spaces. If a value is not a string, return that value, so that `check` refuses it."""
    wrong = [text for text in texts if not isinstance(text, str)]
    return wrong[0] if wrong else " ".join(text for text in texts if text)


def _reworded(values: list[Any], role: str, rows: Rows, own: bool) -> list[Any]:
    """Return a role's values, with strings (also inside lists) replaced as `rows.wording` says.

    In the user's own files, numbers and bools of labels and tags are replaced, too: the key "1" stands for 1, 1.0, "1"
    and "1.0".
    """
    words = dict(dict(rows.wording).get(role, ()))
    if not words:
        return values
    by_text = own and role in ("label", "tags")

    def reworded(value: Any) -> Any:
        if isinstance(value, list):
            return [reworded(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
        texts = texts_of(value) if by_text else (value,) if isinstance(value, str) else ()
        return next((words[text] for text in texts if text in words), value)

    return [reworded(value) for value in values]


def _choice_indices(labels: list[Any], rows: Rows, kept: Sequence[int], table: RowTable) -> list[Any]:
    """Return the index of each row's right choice, such as 1 for the label "B" if `choice_keys` is ("A", "B").

    If the set has no `choice_keys`, its labels must be indices. Wrong labels are returned, and `check` refuses them.

    Raises:
        UserError: the set has `choice_keys`, and a label is not one of them.
    """
    if not rows.choice_keys:
        return [whole_number(label) if table.own and whole_number(label) is not None else label for label in labels]
    places: dict[Any, int] = {key: place for place, key in enumerate(rows.choice_keys)}
    if table.own:
        places = {text: place for key, place in places.items() for text in texts_of(key)}
    found: list[int] = []
    for row, label in zip(kept, labels, strict=True):
        keys = texts_of(label) if table.own else (label,)
        place = next((places[key] for key in keys if key in places), None)
        if place is None:
            shown = ", ".join(repr(key) for key in rows.choice_keys)
            raise UserError(
                f"{table.where.at(row)}: label {label!r} does not name a choice, because the choices are called {shown}"
                "; correct the row, or the task's Rows(choice_keys=...)"
            )
        found.append(place)
    return found


def _gold_ids(value: Any, textual: bool) -> Any:
    """Return a query's gold ids as strings. `value` is one id, or a list of ids (as JSON if `textual`)."""
    if textual and value.startswith("["):
        value = json_list(value) or value
    if isinstance(value, list):
        return [id_text(item) for item in value]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return value if value is None else [id_text(value)]
