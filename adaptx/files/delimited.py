r"""Read CSV and TSV files as columns of texts. Rows end at `\n` or `\r\n`; blank lines are skipped."""

from dataclasses import dataclass
from pathlib import Path

from adaptx.errors import UserError
from adaptx.files.csv_rows import csv_lines
from adaptx.files.left_out import LeftOut
from adaptx.files.rows import refuse_names_again
from adaptx.files.text import HEADER_BYTES, ending, read_text
from adaptx.files.tsv_rows import content_of, plain_lines, tsv_lines


@dataclass(frozen=True)
class TextColumns:
    """The columns of a CSV or TSV file, which all have the same length.

    columns: texts by column name. lines: the number of the line in which each row begins. left_out: counts of the lines
    that are not in `columns`, such as blank ones.
    """

    columns: dict[str, list[str]]
    lines: list[int]
    left_out: tuple[LeftOut, ...] = ()


def read_delimited(path: Path) -> TextColumns:
    """Read a file that ends in `.csv` or `.tsv`. The first line names the columns; columns without a name are not read.

    Raises:
        UserError: the file is not UTF-8 text, a row has more or fewer cells than there are columns, quotes do not close
            or can be read in two ways, two columns have the same name, or the delimiter does not match the ending.
    """
    return _columns(path, read_text(path))


def delimited_header(path: Path) -> list[str]:
    """Read the names of the columns. Only the beginning of the file is read.

    Raises:
        UserError: as for `read_delimited`, if the error can be seen in the first line.
    """
    text = read_text(path, HEADER_BYTES)
    if ending(path) == ".csv":
        lines, _ = csv_lines(path, text, header_only=True)
    else:
        lines, _ = plain_lines(path, text.lstrip("\r\n").partition("\n")[0].removesuffix("\r"))
    return [name for name in map(content_of, lines[0][1] if lines else ()) if name]


def _columns(path: Path, text: str) -> TextColumns:
    lines, counts = csv_lines(path, text) if ending(path) == ".csv" else tsv_lines(path, text)
    kind = ending(path)[1:]
    if not lines:
        raise UserError(f"{path} cannot be read as {kind}: it is empty; the first line must name the columns")
    names = lines[0][1]
    refuse_names_again(path, lines)
    places = [place for place, name in enumerate(names) if name]
    columns = {names[place]: [cells[place] for _, cells in lines[1:]] for place in places}
    return TextColumns(columns, [number for number, _ in lines[1:]], counts.records(path))
