"""Tables: the columns of one split, of which only those asked for are read and turned into Python values."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from adaptx.data.examples import LeftOut
from adaptx.data.hub import load_split
from adaptx.errors import MissingInput, UserError
from adaptx.specs import Rows

Values = Callable[[str, Sequence[int]], list[Any]]


@dataclass(frozen=True)
class Table:
    """One split. `where` is how messages call it; `values(column, rows)` reads a column that is not nested.

    names: all columns, nested ones with dots (`answers.text`). own: a file of the user's own, whose numbers may be
    texts. textual: all values are texts (CSV), so that lists in them are JSON. left_out: what of a file is no row.
    """

    where: str
    names: tuple[str, ...]
    length: int
    values: Values
    own: bool = False
    textual: bool = False
    left_out: tuple[LeftOut, ...] = ()

    def column(self, name: str, rows: Sequence[int]) -> list[Any]:
        """A column's values in those rows (ascending); `a.b` reaches into structs and into lists of structs.

        Raises:
            UserError: there is no such column.
        """
        if name not in self.names:
            raise UserError(f"{self.where} has no column {name!r}; it has: {', '.join(self.leaves())}")
        top = next(known for known in self.names if name == known or name.startswith(f"{known}."))
        parts = name[len(top) + 1 :].split(".") if name != top else []
        values = self.values(top, rows)
        return [_reach(value, parts) for value in values] if parts else values

    def leaves(self) -> list[str]:
        """Columns that hold no further ones."""
        return [name for name in self.names if not any(other.startswith(f"{name}.") for other in self.names)]


def _reach(value: Any, parts: Sequence[str]) -> Any:
    if not parts:
        return value
    if isinstance(value, dict):
        return _reach(value.get(parts[0]), parts[1:])  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
    if isinstance(value, list):
        return [_reach(item, parts) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return None


def python_table(where: str, columns: dict[str, list[Any]], textual: bool = False) -> Table:
    """A table of the user's own rows that are in memory already."""
    names: dict[str, None] = {}
    for name, values in columns.items():
        names[name] = None
        for value in values[:100]:
            names.update(dict.fromkeys(_nested_names(name, value)))
    length = len(next(iter(columns.values()), ()))
    return Table(
        where, tuple(names), length, lambda name, rows: [columns[name][row] for row in rows], True, textual
    )  # fmt: skip


def _nested_names(name: str, value: Any) -> Iterable[str]:
    if isinstance(value, list):
        for item in value:  # pyright: ignore[reportUnknownVariableType]
            yield from _nested_names(name, item)
    elif isinstance(value, dict):
        for key, item in value.items():  # pyright: ignore[reportUnknownVariableType]
            yield f"{name}.{key}"
            yield from _nested_names(f"{name}.{key}", item)


def parquet_table(path: str, own: bool = False) -> Table:
    """A parquet file; columns that nobody asks for are not read.

    Raises:
        UserError: it is no parquet file.
    """
    import pyarrow.parquet as parquet

    try:
        file: Any = parquet.ParquetFile(path)
    except ValueError as error:
        raise UserError(f"{path} cannot be read as parquet: {error}") from error
    schema = file.schema_arrow

    @cache
    def column(name: str) -> Any:
        return file.read(columns=[name]).column(name)

    return Table(path, _schema_names(schema), file.metadata.num_rows, _arrow_values(column), own)


def hub_table(rows: Rows, commit: str | None) -> Table:
    """A split on the hub, through the cache of `datasets`.

    Raises:
        MissingInput: the hub does not answer, or does not have it.
    """
    try:
        loaded = load_split(rows, commit)
    except Exception as error:
        raise MissingInput(
            f"{rows.address} cannot be read from the hub ({type(error).__name__}: {error}). Remedy: check the network, "
            "give a local mirror with --data DIR, or use the packaged rows with --data sample"
        ) from error
    # The cache's own Arrow table: class labels are their ids there, as in a mirror's file.
    table = loaded.with_format("arrow")[:]
    where = f"{rows.address} on the hub"
    return Table(where, _schema_names(table.schema), table.num_rows, _arrow_values(table.column))


def _arrow_values(column: Callable[[str], Any]) -> Values:
    def values(name: str, rows: Sequence[int]) -> list[Any]:
        if not rows:
            return []
        first, last = rows[0], rows[-1]
        found = column(name).slice(first, last + 1 - first).to_pylist()
        return found if len(rows) == len(found) else [found[row - first] for row in rows]

    return values


def _schema_names(schema: Any) -> tuple[str, ...]:
    names: list[str] = []
    for field in schema:
        names += _field_names(field.name, field.type)
    return tuple(names)


def _field_names(name: str, kind: Any) -> list[str]:
    import pyarrow.types as types

    while types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        kind = kind.value_type
    if not types.is_struct(kind):
        return [name]
    fields = [kind.field(number) for number in range(kind.num_fields)]
    return [name, *(inner for field in fields for inner in _field_names(f"{name}.{field.name}", field.type))]
