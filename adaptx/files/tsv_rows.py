"""Read the rows of a TSV file, which may be written in two ways.

Most TSV files are plain: a quote is a character like any other. CSV writers that use tabs as delimiters quote cells
instead. The cells of a file show in which way it is written. A file that shows both ways is refused.
"""

import re
from pathlib import Path

from adaptx.errors import UserError
from adaptx.files.left_out import LineCounts
from adaptx.files.rows import JOINED, Line, check_names, check_width, of_other_width
from adaptx.files.text import converting, python_command, text_lines

_TO_JSON_LINES = (
    "import csv, json, sys; [print(json.dumps(row)) for row in csv.DictReader(sys.stdin, delimiter='\\t', quoting=3)]"
)
_QUOTED = re.compile(r'"[^"]*+(?:""[^"]*+)*+"')
_CELL = re.compile(r'(?P<quoted>"[^"]*+(?:""[^"]*+)*+")(?=\t|\r?\n|\Z)|(?P<plain>(?!")[^\t\n]*)')


def plain_lines(path: Path, text: str) -> tuple[list[Line], LineCounts]:
    """Split each line at tabs, with quotes as plain characters. Return the rows, and counts of blank lines."""
    numbered = list(enumerate(text_lines(text), 1))
    last = next((number for number, line in reversed(numbered) if line), 0)
    counts = LineCounts()
    for number, line in numbered[:last]:
        if not line:
            counts.add("blank", number)
    lines = [(number, line.split("\t")) for number, line in numbered if line]
    if lines:
        check_names(path, [content_of(name) for name in lines[0][1]])
    return lines, counts


def tsv_lines(path: Path, text: str) -> tuple[list[Line], LineCounts]:
    """Return (line number, cells) of each row, the header first, and counts of the other lines, such as blank ones.

    Raises:
        UserError: a row has more or fewer cells than the header, or the file does not show whether its quotes are
            characters.
    """
    lines, counts = plain_lines(path, text)
    if not (text.startswith('"') or '\t"' in text or '\n"' in text):
        check_width(path, lines)
        return lines, counts
    quoted = _split_outside_quotes(text)
    if (
        quoted is None
        or of_other_width(quoted[0]) is not None
        or _first_of_writer_and_first_plain(quoted[0])[1] is not None
    ):
        check_width(path, lines)
        return _unquoted(path, lines), counts
    if of_other_width(lines) is not None:
        # Some line has too many or too few cells, while reading quotes gives rows of equal width throughout the file.
        return [(number, [content_of(cell) for cell in cells]) for number, cells in quoted[0]], quoted[1]
    joined = next(((number, cells) for number, cells in quoted[0] if any("\n" in cell for cell in cells)), None)
    if joined is not None:
        last = joined[0] + sum(cell.count("\n") for cell in joined[1])
        raise UserError(
            f"{path}, line {joined[0]}: a cell begins with a quote. It may be a character of the text, or join lines "
            f"{joined[0]} to {last} to one row; the file does not show which. If quotes are characters, convert it: "
            f"{converting(path, python_command(_TO_JSON_LINES), '.jsonl')}; otherwise run that without `quoting=3`"
        )
    return _unquoted(path, lines), counts


def _split_outside_quotes(text: str) -> tuple[list[Line], LineCounts] | None:
    """Split rows at tabs and line breaks outside quotes. Return None if a quote is not closed.

    Cells keep their quotes.
    """
    lines: list[Line] = []
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
                counts.add(JOINED[0], first + 1, number - first, JOINED[1])
        elif at < len(text):
            counts.add("blank", first)
        cells = []
        at += 1
        first = number = number + 1
    return lines, counts


def _unquoted(path: Path, lines: list[Line]) -> list[Line]:
    """Remove the quotes around cells if a CSV writer added them.

    Raises:
        UserError: some cells have quotes that only CSV writers add, and others begin with a quote that no writer adds.
    """
    of_writer, of_text = _first_of_writer_and_first_plain(lines)
    if of_writer is not None and of_text is not None:
        raise UserError(
            f"{path}: the cell {of_writer[1]:.60} in line {of_writer[0]} is quoted as by a CSV writer, but "
            f"{of_text[1]:.60} in line {of_text[0]} begins with a quote that no writer adds. Write the file without "
            'quotes around cells, or quote every cell that holds a quote (and double it: "")'
        )
    if of_text is not None:
        return lines
    return [(number, [content_of(cell) for cell in cells]) for number, cells in lines]


def _first_of_writer_and_first_plain(lines: list[Line]) -> tuple[tuple[int, str] | None, tuple[int, str] | None]:
    """Return (line, cell) of the first cell that a CSV writer quoted, and of the first that begins with a plain quote.

    A CSV writer quotes cells that contain a quote, a tab or a line break, and, if configured so, all cells of a column.
    """
    rows = lines[1:]
    width = len(lines[0][1])
    whole = [bool(rows) and all(_QUOTED.fullmatch(cells[place]) for _, cells in rows) for place in range(width)]
    of_writer = of_text = None
    for number, cells in lines:
        for place, cell in enumerate(cells):
            if not cell.startswith('"'):
                continue
            content = content_of(cell)
            if not _QUOTED.fullmatch(cell):
                of_text = of_text or (number, cell)
            elif any(mark in content for mark in '"\t\r\n') or (width == 1 and not content):
                of_writer = of_writer or (number, cell)
            elif number != lines[0][0] and not whole[place]:
                of_text = of_text or (number, cell)
    return of_writer, of_text


def content_of(cell: str) -> str:
    """Return the text inside a cell's quotes, or the whole cell if it is not quoted."""
    return cell[1:-1].replace('""', '"') if _QUOTED.fullmatch(cell) else cell
