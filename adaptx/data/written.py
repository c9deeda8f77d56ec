"""Write columns of rows as CSV, JSON lines or parquet, whichever the file name's ending says."""

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

from adaptx.errors import UserError
from adaptx.store.json_text import json_text

_SPECIAL = re.compile(r'[,"\r\n]')
ENDINGS = (".csv", ".jsonl", ".parquet")


def check_ending(path: Path) -> None:
    """Check that rows can be written to a file of that name.

    Raises:
        UserError: the name has another ending.
    """
    if path.suffix.lower() not in ENDINGS:
        raise UserError(
            f"{path}: rows are written to files that end in {', '.join(ENDINGS)}, not {path.suffix or 'none'}; "
            f"write {path.with_suffix('.csv').name}, for example"
        )


def write_columns(path: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    """Write columns of equal length to a file. The ending of its name says how.

    Raises:
        UserError: the ending is unknown, or a value cannot be written in that kind of file.
    """
    check_ending(path)
    match path.suffix.lower():
        case ".csv":
            path.write_text(csv_text(columns), encoding="utf-8", newline="")
        case ".jsonl":
            path.write_text(json_lines_text(columns), encoding="utf-8", newline="")
        case _:
            _write_parquet(path, columns)


def json_lines_text(columns: Mapping[str, Sequence[Any]]) -> str:
    """Return one JSON object per row. Dates and decimal numbers become strings.

    Raises:
        UserError: a value has no form in JSON, such as bytes.
    """
    plain = {name: [_json_value(name, value) for value in values] for name, values in columns.items()}
    rows = zip(*plain.values(), strict=True)
    return "".join(json_text(dict(zip(plain, row, strict=True))) + "\n" for row in rows)


def csv_text(columns: Mapping[str, Sequence[Any]]) -> str:
    """Return a table whose cells are texts and JSON. An object becomes one column per key: `probabilities.neg`.

    Raises:
        UserError: a value has no form in JSON, such as bytes.
    """
    flat = {name: values for top, each in columns.items() for name, values in _with_keys_as_columns(top, each).items()}
    cells = [[_cell(name, value) for value in values] for name, values in flat.items()]
    rows = (list(flat), *zip(*cells, strict=True))
    # An empty cell in the only column is quoted, because a blank line is not a row.
    return "".join((",".join(map(_quoted, row)) or '""') + "\n" for row in rows)


def _with_keys_as_columns(name: str, values: Sequence[Any]) -> dict[str, Sequence[Any]]:
    objects = [cast(Mapping[str, Any], value) for value in values if isinstance(value, Mapping)]
    if not objects or len(objects) < len(values):
        return {name: values}
    keys = dict.fromkeys(key for each in objects for key in each)
    return {f"{name}.{key}": [each.get(key) for each in objects] for key in keys}


def _cell(name: str, value: Any) -> str:
    found = _json_value(name, value)
    return "" if found is None else found if isinstance(found, str) else json_text(found)


def _quoted(cell: str) -> str:
    # With line feeds between rows, the csv module would write a cell that is a carriage return without quotes.
    return '"' + cell.replace('"', '""') + '"' if _SPECIAL.search(cell) else cell


def _json_value(name: str, value: Any) -> Any:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case datetime() | date() | time():
            return value.isoformat()
        case Decimal():
            return str(value)
        case Mapping():
            return {str(key): _json_value(name, each) for key, each in cast(Mapping[Any, Any], value).items()}
        case list() | tuple():
            return [_json_value(name, each) for each in cast(Sequence[Any], value)]
        case _:
            raise UserError(
                f"column {name!r} holds a value of type {type(value).__name__}, which CSV and JSON cannot hold; write "
                "a .parquet file, or leave the column out"
            )


def _write_parquet(path: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    arrays: dict[str, Any] = {}
    for name, values in columns.items():
        try:
            arrays[name] = arrow.array(list(values))
        except (arrow.ArrowInvalid, arrow.ArrowTypeError) as error:
            raise UserError(
                f"column {name!r} holds values of different types, which a parquet file cannot hold ({error}); write a "
                ".jsonl file"
            ) from error
    parquet.write_table(arrow.table(arrays), path)  # pyright: ignore[reportUnknownMemberType]
