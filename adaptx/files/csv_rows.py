"""Read the rows of a CSV file as RFC 4180 defines them.

In that format, cells in quotes may contain commas and line breaks. Two quotes inside such a cell stand for one.
"""

import csv
import io
from pathlib import Path

from adaptx.errors import UserError
from adaptx.files.left_out import LineCounts
from adaptx.files.rows import JOINED, Line, check_names, check_width


def csv_lines(path: Path, text: str, header_only: bool = False) -> tuple[list[Line], LineCounts]:
    """Return (line number, cells) of each row, the header first, and counts of the other lines, such as blank ones."""
    # Some documents exceed the default limit of 131,072 characters per cell.
    csv.field_size_limit(2**31 - 1)
    # Only `\n` ends a line here, so that the csv module refuses a lone `\r` between cells instead of splitting there.
    reader = csv.reader(io.StringIO(text, newline="\n"), strict=True)
    lines: list[Line] = []
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
                counts.add(JOINED[0], first + 1, before - first, JOINED[1])
            if not lines:
                check_names(path, cells)
            lines.append((first, cells))
            if header_only:
                break
    except csv.Error as error:
        raise UserError(_csv_fault(path, before + 1, reader.line_num, error)) from error
    check_width(path, lines)
    return lines, counts


def _csv_fault(path: Path, begun: int, reached: int, error: csv.Error) -> str:
    cause = str(error)
    if "unexpected end" in cause:
        what = f"line {begun}: a cell begins with a quote that is never closed"
    elif "new-line character" in cause:
        return (
            f"{path} cannot be read as csv: line {reached}: it is unclear whether a carriage return outside quotes "
            "ends the row; quote cells that hold one, and end rows with line feeds"
        )
    else:
        what = f"line {reached}: text follows the closing quote of a cell that begins in line {begun} ({cause})"
    return (
        f'{path} cannot be read as csv: {what}. Inside a quoted cell write each quote twice (""), and quote cells that '
        "begin with a quote"
    )
