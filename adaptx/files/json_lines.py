"""Read JSON lines as columns. Each line is an object, and its keys name the columns. Missing keys become null."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adaptx.errors import UserError
from adaptx.files.left_out import LeftOut, LineCounts
from adaptx.files.text import HEADER_BYTES, WITHOUT_MARKS, converting, python_command, read_bytes, read_text

_SURROGATE = re.compile("[\ud800-\udfff]")
_ELEMENTS = "jq -c '.[]'"
_WHOLE_CHARACTERS = (
    "import json, sys; [print(json.dumps(json.loads(line), ensure_ascii=False).encode('utf-16', 'surrogatepass')"
    ".decode('utf-16', 'replace')) for line in sys.stdin]"
)
"""A program that replaces each unpaired surrogate by U+FFFD."""


@dataclass(frozen=True)
class JsonColumns:
    """The columns of a file, which all have the same length.

    columns: JSON values by column name. lines: the line number of each row. left_out: counts of the blank lines.
    """

    columns: dict[str, list[Any]]
    lines: list[int]
    left_out: tuple[LeftOut, ...] = ()


class _RepeatedKeyError(ValueError):
    pass


def read_json_lines(path: Path) -> JsonColumns:
    """Read all rows of a file. Blank lines are skipped.

    Raises:
        UserError: a line is not a JSON object, an object has the same key twice, or a text holds half of a surrogate
            pair.
    """
    records: list[dict[str, Any]] = []
    lines: list[int] = []
    counts = LineCounts()
    blank: list[int] = []
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if not line.strip(" \t\r"):
            blank.append(number)
            continue
        for each in blank:
            counts.add("blank", each)
        blank.clear()
        records.append(_record(path, number, line))
        lines.append(number)
    names = dict.fromkeys(name for record in records for name in record)
    columns = {name: [record.get(name) for record in records] for name in names}
    return JsonColumns(columns, lines, counts.records(path))


def keys_among(path: Path, wanted: Iterable[str]) -> set[str]:
    """Return which of the wanted keys occur in any row.

    Raises:
        UserError: the file is not UTF-8 text, or a line that contains a wanted key's name is not a JSON object.
    """
    read_text(path, HEADER_BYTES)
    data = read_bytes(path)
    found: set[str] = set()
    for name in wanted:
        marked = json.dumps(name, ensure_ascii=False).encode()
        at = data.find(marked)
        while at >= 0:
            begin, end = data.rfind(b"\n", 0, at) + 1, data.find(b"\n", at)
            line = data[begin : end if end >= 0 else len(data)].decode("utf-8-sig", errors="replace")
            if name in _record(path, data.count(b"\n", 0, begin) + 1, line):
                found.add(name)
                break
            at = data.find(marked, end) if end >= 0 else -1
    return found


def json_list(cell: Any) -> list[Any] | None:
    """Parse a text cell as JSON. Return the list that it contains, or None if it contains no list."""
    try:
        found = _DECODER.decode(cell)
        # Half of a surrogate pair is not a character. Only an escape in the JSON can have produced it.
        return found if isinstance(found, list) and _half_surrogate_pair_told(found) is None else None  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    except (ValueError, TypeError, RecursionError):
        return None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))
        places = [str(place) for place, (name, _) in enumerate(pairs, 1) if name == twice]
        # Python's json would silently keep the last value.
        raise _RepeatedKeyError(f"keys {' and '.join(places)} of an object are both {twice!r}")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_object)


def _record(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        record = _DECODER.decode(line)
    except _RepeatedKeyError as error:
        raise UserError(f"{path}, line {number}: {error}; rename one of them, or remove it") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read as jsonl: line {number}: {error}; {_remedy(path, line)}") from error
    if not isinstance(record, dict):
        shown = line.strip()[:60]
        raise UserError(
            f"{path} cannot be read as jsonl: line {number} is not an object: {shown}; {_remedy(path, line)}"
        )
    if "\\u" in line and (half := _half_surrogate_pair_told(record)) is not None:  # pyright: ignore[reportUnknownArgumentType]
        raise UserError(
            f"{path}, line {number}: {half}: half of a surrogate pair, which is not a character. Write the whole "
            f"character, or replace it by U+FFFD: {converting(path, python_command(_WHOLE_CHARACTERS))}"
        )
    return record  # pyright: ignore[reportUnknownVariableType]


def _remedy(path: Path, line: str) -> str:
    if line.startswith("\ufeff"):
        return f"it begins with a byte-order mark, as if files had been joined: {converting(path, WITHOUT_MARKS)}"
    match line.strip()[:1]:
        case "{":
            return f"write one object per line; if the file is JSON, convert it: {converting(path, 'jq -c .')}"
        case "[":
            return f"write one object per line; if the file is an array, convert it: {converting(path, _ELEMENTS)}"
        case _:
            return "write one object per line"


def _half_surrogate_pair_told(value: Any, place: str = "") -> str | None:
    if isinstance(value, str):
        half = _SURROGATE.search(value)
        return f"{place} holds \\u{ord(half[0]):04x} at character {half.start()}" if half else None
    if isinstance(value, dict):
        for name, item in value.items():  # pyright: ignore[reportUnknownVariableType]
            if _SURROGATE.search(str(name)):  # pyright: ignore[reportUnknownArgumentType]
                return f"the key {name!r} holds one"
            if (found := _half_surrogate_pair_told(item, f"{place}.{name}" if place else str(name))) is not None:  # pyright: ignore[reportUnknownArgumentType]
                return found
    if isinstance(value, list):
        for number, item in enumerate(value):  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
            if (found := _half_surrogate_pair_told(item, f"{place}[{number}]")) is not None:
                return found
    return None
