"""Tables, which give access to the columns of one split. Only the columns that are used become Python values."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from adaptx.data.hub import load_split
from adaptx.data.origin import Origin
from adaptx.errors import MissingInput, UserError
from adaptx.files.left_out import LeftOut
from adaptx.files.text import refuse_stand_in
from adaptx.specs import Rows
from adaptx.specs.near import shown_columns

Values = Callable[[str, Sequence[int]], list[Any]]


@dataclass(frozen=True, kw_only=True)
class RowTable:
    """One split of a data set, or one file of rows.

    where: the name of the table in messages. names: the top-level column of each column, such as `answers` for the
    column `answers.text`, which is nested in `answers`. length: number of rows. values: a function that takes a
    top-level column and ascending row numbers and returns the values. own: whether the rows are the user's own; numbers
    in them may be written as strings. textual: whether all values are strings, as in CSV and TSV files; lists are then
    written as JSON. left_out: counts of the file's lines that are not rows.
    """

    where: Origin
    names: Mapping[str, str]
    length: int
    values: Values
    own: bool = False
    textual: bool = False
    left_out: tuple[LeftOut, ...] = ()

    def column(self, name: str, rows: Sequence[int]) -> list[Any]:
        """Return a column's values in the given rows (ascending). The name `a.b` means field `b` inside column `a`.

        Raises:
            UserError: there is no such column.
        """
        if name not in self.names:
            raise UserError(f"{self.where} has no column {name!r}; {self.shown_columns(name)}")
        top = self.names[name]
        parts = name[len(top) + 1 :].split(".") if name != top else []
        values = self.values(top, rows)
        return [_reach(value, parts) for value in values] if parts else values

    def leaves(self) -> list[str]:
        """Return the names of the columns that do not hold other columns."""
        inner = {name.rpartition(".")[0] for name, top in self.names.items() if name != top}
        return [name for name in self.names if name not in inner]

    def shown_columns(self, missing: str) -> str:
        """Return the phrase that lists the columns in an error message about the column `missing`."""
        return shown_columns(missing, self.leaves())


def _reach(value: Any, parts: Sequence[str]) -> Any:
    """Return `value[a][b]` if `parts` is [a, b], or None if a key is missing. A list gives one result per element."""
    if not parts:
        return value
    if isinstance(value, dict):
        return _reach(value.get(parts[0]), parts[1:])  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    if isinstance(value, list):
        return [_reach(item, parts) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return None


def python_table(
    where: Origin, columns: dict[str, list[Any]], left_out: tuple[LeftOut, ...] = (), textual: bool = False
) -> RowTable:
    """Return the table of a user's own rows that are already in memory.

    Raises:
        UserError: a column has the same name as a part of another column.
    """
    nested = [(name, top) for top, values in columns.items() for name in _with_nested_names(top, values)]
    length = len(next(iter(columns.values()), ()))
    return RowTable(
        where=where,
        names=_top_levels(where, nested),
        length=length,
        values=lambda name, rows: [columns[name][row] for row in rows],
        own=True,
        textual=textual,
        left_out=left_out,
    )


def _with_nested_names(top: str, values: Sequence[Any]) -> dict[str, None]:
    names = {top: None}
    for value in values:
        if isinstance(value, dict | list):
            names.update(dict.fromkeys(_nested_names(top, value)))  # pyright: ignore[reportUnknownArgumentType]
    return names


def _top_levels(where: object, names: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the top-level column of each name, such as `answers` for `answers.text`.

    names: pairs (name, top-level column), such as ("answers.text", "answers"). Top-level columns precede their parts.

    Raises:
        UserError: a name occurs twice.
    """
    found: dict[str, str] = {}
    places: dict[str, int] = {}
    place = 0
    for name, top in names:
        place += name == top
        if name in found:
            raise UserError(f"{where}: {_same_name_message(name, (found[name], places[name]), (top, place))}")
        found[name], places[name] = top, place
    return found


def _same_name_message(name: str, first: tuple[str, int], second: tuple[str, int]) -> str:
    """Return the error message for two columns with the same name.

    first, second: the top-level column of each of the two, with its number (from 1), such as ("answers", 3).
    """
    both = [
        f"column {place}" if top == name else f"a part of column {place}, {top!r}," for top, place in (first, second)
    ]
    return (
        f"{both[0]} and {both[1]} are both called {name!r}; give them different names, or remove the one that is not "
        "meant"
    )


def _nested_names(name: str, value: Any) -> Iterable[str]:
    if isinstance(value, list):
        # Lists of words and tags are long and hold no further columns, so the first value decides.
        inner = value if value and isinstance(value[0], dict | list) else ()  # pyright: ignore[reportUnknownVariableType]
        for item in inner:  # pyright: ignore[reportUnknownVariableType]
            yield from _nested_names(name, item)
    elif isinstance(value, dict):
        for key, item in value.items():  # pyright: ignore[reportUnknownVariableType]
            yield f"{name}.{key}"
            yield from _nested_names(f"{name}.{key}", item)


def parquet_table(path: str, own: bool = False) -> RowTable:
    """Return the table of a parquet file. A column is read when it is first used.

    Raises:
        UserError: the file cannot be read as parquet.
    """
    import pyarrow.parquet as parquet

    try:
        file: Any = parquet.ParquetFile(path)
        schema = file.schema_arrow
    except (ValueError, OSError) as error:
        refuse_stand_in(Path(path))
        raise UserError(
            f"{path} cannot be read as parquet: {_as_one_line(error)}; write the file again, or copy it again"
        ) from error
    names = _schema_names(path, schema)

    @cache
    def column(name: str) -> Any:
        try:
            return file.read(columns=[name]).column(name)
        except (ValueError, OSError) as error:
            raise UserError(
                f"{path}: column {name!r} cannot be read: {_as_one_line(error)}; write the file again, or copy it again"
            ) from error

    return RowTable(
        where=Origin(path), names=names, length=file.metadata.num_rows, values=_arrow_values(column), own=own
    )


def _as_one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def hub_table(rows: Rows, commit: str | None) -> RowTable:
    """Return the table of a split on the hub, read through the cache of `datasets`.

    Raises:
        MissingInput: the hub does not answer, or does not have the split.
    """
    try:
        loaded = load_split(rows, commit)
    except Exception as error:
        raise MissingInput(
            f"{rows.address} cannot be read from the hub ({type(error).__name__}: {error}); check the network, "
            "give a local mirror with --data DIR, or use the packaged rows with --data sample"
        ) from error
    # In the cache's Arrow table class labels are ids, as they are in a mirror's parquet file.
    table = loaded.with_format("arrow")[:]
    where = f"{rows.address} on the hub"
    return RowTable(
        where=Origin(where),
        names=_schema_names(where, table.schema),
        length=table.num_rows,
        values=_arrow_values(table.column),
    )


def _arrow_values(column: Callable[[str], Any]) -> Values:
    """Return a function that reads rows of an Arrow column as Python values, without converting the whole column."""

    def values(name: str, rows: Sequence[int]) -> list[Any]:
        if not rows:
            return []
        first, last = rows[0], rows[-1]
        found = column(name).slice(first, last + 1 - first).to_pylist()
        return found if len(rows) == len(found) else [found[row - first] for row in rows]

    return values


def _schema_names(where: str, schema: Any) -> dict[str, str]:
    return _top_levels(
        where, [(name, field.name) for field in schema for name in _with_field_names(field.name, field.type)]
    )


def _with_field_names(name: str, kind: Any) -> list[str]:
    import pyarrow.types as types

    while types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        kind = kind.value_type
    if not types.is_struct(kind):
        return [name]
    fields = [kind.field(number) for number in range(kind.num_fields)]
    return [name, *(inner for field in fields for inner in _with_field_names(f"{name}.{field.name}", field.type))]
