r"""CSV and TSV files as columns of texts. Rows end at `\n` or `\r\n`; blank lines are no rows."""

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
        lines, _ = csv_lines(path, text, header_only=True)
    else:
        lines, _ = plain_lines(path, text.lstrip("\r\n").partition("\n")[0].removesuffix("\r"))
    return [name for name in map(content_of, lines[0][1] if lines else ()) if name]


def _columns(path: Path, text: str) -> TextColumns:
    lines, counts = csv_lines(path, text) if ending(path) == ".csv" else tsv_lines(path, text)
    kind = ending(path)[1:]
    if not lines:
        raise UserError(f"{path} cannot be read as {kind}: it is empty, without the line that names columns")
    names = lines[0][1]
    refuse_names_again(path, lines)
    places = [place for place, name in enumerate(names) if name]
    columns = {names[place]: [cells[place] for _, cells in lines[1:]] for place in places}
    return TextColumns(columns, [number for number, _ in lines[1:]], counts.records(path))
