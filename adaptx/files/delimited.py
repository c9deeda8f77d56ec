r"""CSV and TSV files as columns of texts. Rows end at `\n` or `\r\n`; blank lines are no rows.

CSV is read as RFC 4180 has it: a cell that begins with a quote ends at the next one that is not doubled, and may hold
commas and line breaks. TSV is written in two ways. Most TSV files are plain: a quote is a character like any other. CSV
writers that are given tabs quote cells instead. Which of the two a file is follows from its own cells, and a file that
speaks for both is refused (`_unquoted`).
"""

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

from adaptx.errors import UserError
from adaptx.files.left_out import LeftOut, LineCounts
from adaptx.files.text import HEADER_BYTES, converting, ending, python_command, read_text, text_lines

_TO_JSON_LINES = (
    "import csv, json, sys; [print(json.dumps(row)) for row in csv.DictReader(sys.stdin, delimiter='\\t', quoting=3)]"
)
_JOINED = "line breaks in quoted cells", "joined"
_DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}
_QUOTED = re.compile(r'"[^"]*+(?:""[^"]*+)*+"')
_CELL = re.compile(r'(?P<quoted>"[^"]*+(?:""[^"]*+)*+")(?=\t|\r?\n|\Z)|(?P<plain>(?!")[^\t\n]*)')
_Line = tuple[int, list[str]]


@dataclass(frozen=True)
class TextColumns:
    """Columns of texts, all of one length, the line in which each row begins, and the lines that are no rows."""

    columns: dict[str, list[str]]
    lines: list[int]
    left_out: tuple[LeftOut, ...] = ()


def read_delimited(path: Path) -> TextColumns:
    """A CSV or TSV file, by its ending. Its first line names the columns; columns without a name are not read.

    Raises:
        UserError: no UTF-8 text; a row with more or fewer cells than there are columns; quotes that do not close or can
            be read in two ways; two columns of one name; another delimiter than the ending says.
    """
    return _columns(path, read_text(path))


def delimited_header(path: Path) -> list[str]:
    """The names of the columns, from the file's beginning.

    Raises:
        UserError: as `read_delimited`, as far as the first line tells.
    """
    text = read_text(path, HEADER_BYTES)
    if ending(path) == ".csv":
        lines, _ = _csv_lines(path, text, header_only=True)
    else:
        lines, _ = _plain_lines(path, text.lstrip("\r\n").partition("\n")[0].removesuffix("\r"))
    return [name for name in map(_content, lines[0][1] if lines else ()) if name]


def _columns(path: Path, text: str) -> TextColumns:
    lines, counts = _csv_lines(path, text) if ending(path) == ".csv" else _tsv_lines(path, text)
    kind = ending(path)[1:]
    if not lines:
        raise UserError(f"{path} cannot be read as {kind}: it is empty, without the line that names columns")
    names = lines[0][1]
    _refuse_names_again(path, lines)
    places = [place for place, name in enumerate(names) if name]
    columns = {names[place]: [cells[place] for _, cells in lines[1:]] for place in places}
    return TextColumns(columns, [number for number, _ in lines[1:]], counts.records(path))


def _check_names(path: Path, names: list[str]) -> None:
    if names[0].startswith("sep=") and not any(names[1:]):
        raise UserError(
            f"{path}, line 1: {names[0]!r} is a note to spreadsheets, where the names of columns belong. Remove the "
            f"line: {converting(path, 'tail -n +2')}"
        )
    expected = "," if ending(path) == ".csv" else "\t"
    others = [mark for mark in _DELIMITERS if mark in names[0] and mark != expected]
    if len(names) == 1 and others:
        other = others[0]
        raise UserError(
            f"{path}, line 1: its one column is called {names[0]!r}, so {_DELIMITERS[other]} seems to stand between "
            f"cells, not {_DELIMITERS[expected]}. {_other_delimiter(path, expected, other)}"
        )
    places: dict[str, list[str]] = {}
    for place, name in enumerate(names, 1):
        places.setdefault(name, []).append(str(place))
    for name, found in places.items():
        if name and len(found) > 1:
            raise UserError(
                f"{path}, line 1: columns {' and '.join(found)} are both called {name!r}; give each column a name of "
                "its own, or remove the one that is not meant"
            )


def _refuse_names_again(path: Path, lines: list[_Line]) -> None:
    """Refuse a row that repeats the columns' names, as files have that were joined. Of one column it may be a text.

    Raises:
        UserError: there is such a row.
    """
    names = lines[0][1]
    if len(names) < 2:
        return
    last = names[-1]
    for number, cells in lines[1:]:
        if cells[-1] == last and cells[1:] == names[1:] and cells[0].removeprefix("\ufeff") == names[0]:
            raise UserError(
                f"{path}, line {number}: it repeats the names of the columns ({', '.join(names)}), as where files were "
                "joined; remove the line"
            )


def _other_delimiter(path: Path, expected: str, other: str) -> str:
    """Return the remedy for a file whose delimiter is not the one that its ending stands for."""
    if {expected, other} == {",", "\t"}:
        return f"Name the file with the ending {'.tsv' if other != ',' else '.csv'}"
    writer = f"csv.writer(sys.stdout, delimiter={expected!r}, lineterminator='\\n')"
    program = f"import csv, sys; {writer}.writerows(csv.reader(sys.stdin, delimiter={other!r}))"
    return f"Convert it: {converting(path, python_command(program))}"


def _check_width(path: Path, lines: list[_Line]) -> None:
    wrong = _of_other_width(lines)
    if wrong is None:
        return
    number, cells = wrong
    names = lines[0][1]
    mark = "a comma" if ending(path) == ".csv" else "a tab"
    raise UserError(
        f"{path}, line {number}: {len(cells)} cells under {len(names)} columns ({', '.join(names)}); quote cells that "
        f"hold {mark}, and give every row all its cells"
    )


def _of_other_width(lines: list[_Line]) -> _Line | None:
    return next((line for line in lines if len(line[1]) != len(lines[0][1])), None)


def _csv_lines(path: Path, text: str, header_only: bool = False) -> tuple[list[_Line], LineCounts]:
    """(line number, cells) of each row, the header first."""
    # The default limit of 131,072 characters a cell is less than some documents have.
    csv.field_size_limit(2**31 - 1)
    # Nothing but `\n` ends a line here, so that the csv module refuses a lone `\r` between cells instead of splitting.
    reader = csv.reader(io.StringIO(text, newline="\n"), strict=True)
    lines: list[_Line] = []
    counts = LineCounts()
    blank: list[int] = []
    before = 0
    try:
        for cells in reader:
            first, before = before + 1, reader.line_num
            if not cells:
                blank.append(first)
                continue
            for number in blank:
                counts.add("blank", number)
            blank.clear()
            if before > first:
                counts.add(_JOINED[0], first + 1, before - first, _JOINED[1])
            if not lines:
                _check_names(path, cells)
            lines.append((first, cells))
            if header_only:
                break
    except csv.Error as error:
        raise UserError(_csv_fault(path, before + 1, reader.line_num, error)) from error
    _check_width(path, lines)
    return lines, counts


def _csv_fault(path: Path, begun: int, reached: int, error: csv.Error) -> str:
    cause = str(error)
    if "unexpected end" in cause:
        what = f"line {begun}: a cell begins with a quote, and no quote ends it up to the end of the file"
    elif "new-line character" in cause:
        return (
            f"{path} cannot be read as csv: line {reached}: a carriage return stands outside quotes, which may or may "
            "not end the row; quote cells that hold one, and end rows with line feeds"
        )
    else:
        what = f"line {reached}: text stands behind the quote that ends a cell, which begins in line {begun} ({cause})"
    return (
        f'{path} cannot be read as csv: {what}. Inside a quoted cell write each quote twice (""), and quote cells that '
        "begin with a quote"
    )


def _plain_lines(path: Path, text: str) -> tuple[list[_Line], LineCounts]:
    """Each line's cells with tabs between them, as they stand there."""
    numbered = list(enumerate(text_lines(text), 1))
    last = next((number for number, line in reversed(numbered) if line), 0)
    counts = LineCounts()
    for number, line in numbered[:last]:
        if not line:
            counts.add("blank", number)
    lines = [(number, line.split("\t")) for number, line in numbered if line]
    if lines:
        _check_names(path, [_content(name) for name in lines[0][1]])
    return lines, counts


def _tsv_lines(path: Path, text: str) -> tuple[list[_Line], LineCounts]:
    lines, counts = _plain_lines(path, text)
    if not (text.startswith('"') or '\t"' in text or '\n"' in text):
        _check_width(path, lines)
        return lines, counts
    quoted = _quoted_lines(text)
    if quoted is None or _of_other_width(quoted[0]) is not None or _evidence(quoted[0])[1] is not None:
        _check_width(path, lines)
        return _unquoted(path, lines), counts
    if _of_other_width(lines) is not None:
        # Some line alone is no row, and quotes say throughout the file which lines and tabs are parts of cells.
        return [(number, [_content(cell) for cell in cells]) for number, cells in quoted[0]], quoted[1]
    joined = next(((number, cells) for number, cells in quoted[0] if any("\n" in cell for cell in cells)), None)
    if joined is not None:
        last = joined[0] + sum(cell.count("\n") for cell in joined[1])
        raise UserError(
            f"{path}, line {joined[0]}: a quote begins a cell that may be a character, or hold lines {joined[0]} to "
            f"{last} together as one row, and nothing tells which. If quotes are characters, convert the file: "
            f"{converting(path, python_command(_TO_JSON_LINES), '.jsonl')}; else leave `quoting=3` out there"
        )
    return _unquoted(path, lines), counts


def _quoted_lines(text: str) -> tuple[list[_Line], LineCounts] | None:
    """Rows of raw cells, where quotes hold cells together over tabs and lines; None: some quote does not close."""
    lines: list[_Line] = []
    counts = LineCounts()
    at = 0
    first = number = 1
    cells: list[str] = []
    while at <= len(text):
        cell = _CELL.match(text, at)
        if cell is None:
            return None
        found = cell[0] if cell["quoted"] is not None else cell[0].removesuffix("\r")
        cells.append(found)
        number += found.count("\n")
        at = cell.end()
        if text.startswith("\r\n", at):
            at += 1
        if at < len(text) and text[at] == "\t":
            at += 1
            continue
        if cells != [""]:
            lines.append((first, cells))
            if number > first:
                counts.add(_JOINED[0], first + 1, number - first, _JOINED[1])
        elif at < len(text):
            counts.add("blank", first)
        cells = []
        at += 1
        first = number = number + 1
    return lines, counts


def _unquoted(path: Path, lines: list[_Line]) -> list[_Line]:
    """The rows without the quotes around cells, where a writer set them; as they are, where quotes are characters.

    Raises:
        UserError: some cells are quoted as only a writer quotes, and others begin with a quote that no writer sets.
    """
    of_writer, of_text = _evidence(lines)
    if of_writer is not None and of_text is not None:
        raise UserError(
            f"{path}: the cell {of_writer[1]:.60} in line {of_writer[0]} is quoted as a CSV writer quotes, but "
            f"{of_text[1]:.60} in line {of_text[0]} begins with a quote that no writer sets. Write the file without "
            'quotes around cells, or quote every cell that holds a quote (and double it: "")'
        )
    if of_text is not None:
        return lines
    return [(number, [_content(cell) for cell in cells]) for number, cells in lines]


def _evidence(lines: list[_Line]) -> tuple[tuple[int, str] | None, tuple[int, str] | None]:
    """(line, cell) that only a writer quotes, because of what it holds; and one whose quote no writer sets.

    A writer quotes what holds a quote, a tab or a line break, and, where it is told to, all cells of a column.
    """
    rows = lines[1:]
    width = len(lines[0][1])
    whole = [bool(rows) and all(_QUOTED.fullmatch(cells[place]) for _, cells in rows) for place in range(width)]
    of_writer = of_text = None
    for number, cells in lines:
        for place, cell in enumerate(cells):
            if not cell.startswith('"'):
                continue
            content = _content(cell)
            if not _QUOTED.fullmatch(cell):
                of_text = of_text or (number, cell)
            elif any(mark in content for mark in '"\t\r\n') or (width == 1 and not content):
                of_writer = of_writer or (number, cell)
            elif number != lines[0][0] and not whole[place]:
                of_text = of_text or (number, cell)
    return of_writer, of_text


def _content(cell: str) -> str:
    """Return the text inside a cell's quotes, or the cell itself if it is not quoted."""
    return cell[1:-1].replace('""', '"') if _QUOTED.fullmatch(cell) else cell
