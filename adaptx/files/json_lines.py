"""JSON lines as columns: one object a line, whose keys name the columns; a key that a row lacks is null there."""

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
"""A program that puts U+FFFD in the place of each half of a pair."""


@dataclass(frozen=True)
class JsonColumns:
    """Columns of JSON values, all of one length, the line of each row, and the lines that are no rows."""

    columns: dict[str, list[Any]]
    lines: list[int]
    left_out: tuple[LeftOut, ...] = ()


class _TwiceError(ValueError):
    """An object with two values under one key, of which Python's json would keep the last."""


def read_json_lines(path: Path) -> JsonColumns:
    """All rows of a file. Blank lines are no rows.

    Raises:
        UserError: a line that is no JSON object, an object with one key twice, or half of a surrogate pair.
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
    """Which of these keys any row has, found without reading all rows as JSON.

    Raises:
        UserError: the file is no UTF-8 text, or a line with such a name is no JSON object.
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
    """The list that a text cell holds as JSON; None: it holds none."""
    try:
        found = _DECODER.decode(cell)
        # Half of a surrogate pair can only be written as an escape.
        return found if isinstance(found, list) and _half_pair(found) is None else None  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    except (ValueError, TypeError, RecursionError):
        return None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))
        places = [str(place) for place, (name, _) in enumerate(pairs, 1) if name == twice]
        raise _TwiceError(f"keys {' and '.join(places)} of an object are both {twice!r}")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_object)


def _record(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        record = _DECODER.decode(line)
    except _TwiceError as error:
        raise UserError(f"{path}, line {number}: {error}; give each a name of its own, or remove one") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read as jsonl: line {number}: {error}; {_remedy(path, line)}") from error
    if not isinstance(record, dict):
        shown = line.strip()[:60]
        raise UserError(f"{path} cannot be read as jsonl: line {number} is no object: {shown}; {_remedy(path, line)}")
    if "\\u" in line and (half := _half_pair(record)) is not None:  # pyright: ignore[reportUnknownArgumentType]
        raise UserError(
            f"{path}, line {number}: {half}: half of a surrogate pair, which is no character. Write it whole, "
            f"or put U+FFFD in its place: {converting(path, python_command(_WHOLE_CHARACTERS))}"
        )
    return record  # pyright: ignore[reportUnknownVariableType]


def _remedy(path: Path, line: str) -> str:
    """Return the remedy for a line that is not an object, such as the first line of indented JSON or of an array."""
    if line.startswith("\ufeff"):
        return f"a byte-order mark begins it, as where files were joined: {converting(path, WITHOUT_MARKS)}"
    match line.strip()[:1]:
        case "{":
            return f"write one object a line; if the file is JSON, convert it: {converting(path, 'jq -c .')}"
        case "[":
            return f"write one object a line; if the file is an array, convert it: {converting(path, _ELEMENTS)}"
        case _:
            return "write one object a line"


def _half_pair(value: Any, place: str = "") -> str | None:
    """Return the place (`text`, `tokens[3]`) and the code of half a surrogate pair, or None."""
    if isinstance(value, str):
        half = _SURROGATE.search(value)
        return f"{place} holds \\u{ord(half[0]):04x} at character {half.start()}" if half else None
    if isinstance(value, dict):
        for name, item in value.items():  # pyright: ignore[reportUnknownVariableType]
            if _SURROGATE.search(str(name)):  # pyright: ignore[reportUnknownArgumentType]
                return f"the key {name!r} holds one"
            if (found := _half_pair(item, f"{place}.{name}" if place else str(name))) is not None:  # pyright: ignore[reportUnknownArgumentType]
                return found
    if isinstance(value, list):
        for number, item in enumerate(value):  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
            if (found := _half_pair(item, f"{place}[{number}]")) is not None:
                return found
    return None
