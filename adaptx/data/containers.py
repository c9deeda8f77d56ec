"""Read rows in memory as a table: texts, pairs, dicts, a pandas.DataFrame or a datasets.Dataset."""

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any, cast

from adaptx.data.files import unlabelled_roles
from adaptx.data.origin import Origin
from adaptx.data.tables import RowTable, python_table
from adaptx.errors import UserError
from adaptx.specs import Task

TAKEN = "a pandas.DataFrame, a datasets.Dataset, or a list of dicts"


def container_table(rows: Any, where: str, task: Task | None = None) -> RowTable:
    """Return rows in memory as a table.

    Args:
        rows: a DataFrame, a Dataset or a list of dicts; if `task` is given, also a list of texts or of tuples of texts.
        where: the name of the rows in messages.
        task: the task whose roles, in order, become the column names of bare texts and tuples, such as `text`, `pair`.

    Raises:
        UserError: the rows have another type.
    """
    columns = _columns(rows, where, task)
    lengths = {len(values) for values in columns.values()}
    assert len(lengths) <= 1, f"{where}: columns of unequal length"
    return python_table(Origin(where), columns)


def index_of(rows: Any, numbers: Sequence[int]) -> Any:
    """Return the part of a DataFrame's index for the rows `numbers`, or `numbers` itself for other kinds of rows."""
    return rows.index[list(numbers)] if _is_frame(rows) else list(numbers)


def _columns(rows: Any, where: str, task: Task | None) -> dict[str, list[Any]]:
    if _is_frame(rows):
        return {str(name): [_json_value(value) for value in rows[name].tolist()] for name in rows.columns}
    datasets = sys.modules.get("datasets")
    if datasets is not None and isinstance(rows, datasets.Dataset):
        return _dataset_columns(rows)
    if isinstance(rows, Sequence) and not isinstance(rows, str | bytes):
        return _sequence_columns(cast(Sequence[Any], rows), where, task)
    texts = "" if task is None else ", or a list of texts or pairs"
    hint = ", for example one split of the DatasetDict" if type(rows).__name__ == "DatasetDict" else ""
    raise UserError(f"{where}: a value of type {type(rows).__name__} cannot be read as rows; give {TAKEN}{texts}{hint}")


def _is_frame(rows: Any) -> bool:
    # A caller with a DataFrame has loaded pandas already. This check must not load pandas for other callers.
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(rows, pandas.DataFrame)


def _dataset_columns(rows: Any) -> dict[str, list[Any]]:
    """Return a Dataset's columns, with class labels as names."""
    plain = rows.with_format(None)
    columns: dict[str, list[Any]] = plain.to_dict()
    for name, feature in plain.features.items():
        inner = feature
        while (below := getattr(inner, "feature", None)) is not None:
            inner = below
        if hasattr(inner, "int2str"):
            # A label's id is its place in the Dataset's order of labels, which need not be the task's order.
            columns[name] = [_label_names(value, inner) for value in columns[name]]
    return columns


def _label_names(value: Any, labels: Any) -> Any:
    if isinstance(value, list):
        return [_label_names(each, labels) for each in cast(list[Any], value)]
    # Hub datasets write -1 where a row has no label.
    return labels.int2str(value) if isinstance(value, int) and value >= 0 else value


def _sequence_columns(rows: Sequence[Any], where: str, task: Task | None) -> dict[str, list[Any]]:
    """Return the columns of a list of dicts, texts or tuples of texts. Dicts have their keys as columns, and texts have
    roles of `task`.

    Raises:
        UserError: a row is something else, or rows have different numbers of texts.
    """
    if all(isinstance(row, Mapping) for row in rows):
        records = cast(Sequence[Mapping[str, Any]], rows)
        names = dict.fromkeys(name for record in records for name in record)
        return {str(name): [_json_value(record.get(name)) for record in records] for name in names}
    roles = [] if task is None else unlabelled_roles(task)
    for number, row in enumerate(rows):
        parts: Sequence[Any] = (row,) if isinstance(row, str) else row if isinstance(row, tuple | list) else ()
        if not roles or not 0 < len(parts) <= len(roles):
            meant = f"dicts, texts, or tuples of {', '.join(roles)}" if roles else "dicts"
            raise UserError(
                f"{where}, row {number}: {row!r:.40} ({type(row).__name__}) is not a row; give a list of {meant}"
            )
    lengths = {1 if isinstance(row, str) else len(row) for row in rows}
    if len(lengths) > 1:
        raise UserError(
            f"{where}: rows differ in how many texts they have (some are single texts, others pairs); give every row "
            "the same number of texts"
        )
    cells = [(row,) if isinstance(row, str) else tuple(row) for row in rows]
    used = roles[: lengths.pop() if lengths else 0]
    return {role: [_json_value(row[place]) for row in cells] for place, role in enumerate(used)}


def _json_value(value: Any) -> Any:
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, str | int | float | bool | None):
        return value
    if isinstance(value, Mapping):
        return {str(key): _json_value(each) for key, each in cast(Mapping[Any, Any], value).items()}
    if isinstance(value, list | tuple):
        return [_json_value(each) for each in cast(Sequence[Any], value)]
    if hasattr(value, "tolist"):
        return _json_value(value.tolist())
    # NAType and NaTType are the types of pandas' marks for missing values.
    return None if type(value).__name__ in ("NAType", "NaTType") else value
