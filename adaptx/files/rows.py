"""Checks of a CSV or TSV file's rows: the names in the first row, and the number of cells in all other rows."""

from pathlib import Path

from adaptx.errors import UserError
from adaptx.files.text import converting, ending, python_command

Line = tuple[int, list[str]]
"""The number of the line in which a row begins, and the row's cells."""
JOINED = "line breaks in quoted cells", "joined"
_DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}


def check_names(path: Path, names: list[str]) -> None:
    """Check the names of the columns, which are in the first row.

    Raises:
        UserError: the row is a spreadsheet's `sep=` line, another delimiter seems to separate cells, or two columns
            have the same name.
    """
    if names[0].startswith("sep=") and not any(names[1:]):
        raise UserError(
            f"{path}, line 1: {names[0]!r} is a setting for spreadsheets, but the first line must name the columns. "
            f"Remove it: {converting(path, 'tail -n +2')}"
        )
    expected = "," if ending(path) == ".csv" else "\t"
    others = [mark for mark in _DELIMITERS if mark in names[0] and mark != expected]
    if len(names) == 1 and others:
        other = others[0]
        raise UserError(
            f"{path}, line 1: its only column is called {names[0]!r}, so {_DELIMITERS[other]} seems to separate "
            f"cells, not {_DELIMITERS[expected]}. {_remedy_for_delimiter(path, expected, other)}"
        )
    places: dict[str, list[str]] = {}
    for place, name in enumerate(names, 1):
        places.setdefault(name, []).append(str(place))
    for name, found in places.items():
        if name and len(found) > 1:
            raise UserError(
                f"{path}, line 1: columns {' and '.join(found)} are both called {name!r}; rename one of them, or "
                "remove the one that is not needed"
            )


def refuse_names_again(path: Path, lines: list[Line]) -> None:
    """Refuse a row that repeats the columns' names, as if files had been joined.

    Files with one column are not checked, because a text in them may equal the column's name.

    Raises:
        UserError: a row repeats the names.
    """
    names = lines[0][1]
    if len(names) < 2:
        return
    last = names[-1]
    for number, cells in lines[1:]:
        if cells[-1] == last and cells[1:] == names[1:] and cells[0].removeprefix("\ufeff") == names[0]:
            raise UserError(
                f"{path}, line {number}: it repeats the names of the columns ({', '.join(names)}), as if files had "
                "been joined; remove the line"
            )


def _remedy_for_delimiter(path: Path, expected: str, other: str) -> str:
    if {expected, other} == {",", "\t"}:
        return f"Rename the file to end in {'.tsv' if other != ',' else '.csv'}"
    writer = f"csv.writer(sys.stdout, delimiter={expected!r}, lineterminator='\\n')"
    program = f"import csv, sys; {writer}.writerows(csv.reader(sys.stdin, delimiter={other!r}))"
    return f"Convert it: {converting(path, python_command(program))}"


def check_width(path: Path, lines: list[Line]) -> None:
    """Check that all rows have as many cells as the first.

    Raises:
        UserError: a row has more or fewer cells.
    """
    wrong = of_other_width(lines)
    if wrong is None:
        return
    number, cells = wrong
    names = lines[0][1]
    mark = "a comma" if ending(path) == ".csv" else "a tab"
    raise UserError(
        f"{path}, line {number}: {len(cells)} cells for {len(names)} columns ({', '.join(names)}); quote cells that "
        f"hold {mark}, and write a cell for every column in each row"
    )


def of_other_width(lines: list[Line]) -> Line | None:
    """Return the first row that has more or fewer cells than the header, or None."""
    return next((line for line in lines if len(line[1]) != len(lines[0][1])), None)
