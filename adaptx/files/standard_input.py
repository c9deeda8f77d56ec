"""Read rows from standard input, which has no file name that says how they are written."""

import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from adaptx.errors import UserError

STANDARD_INPUT = Path("-")
SHOWN = "standard input"
_PARQUET = b"PAR1"


@contextmanager
def rows_file(path: Path, tagging: bool) -> Generator[Path]:
    """Within the block, give a file with the rows: the file itself, or a copy of standard input if its name is `-`.

    Errors within the block name standard input instead of the copy.

    tagging: whether the rows are sentences to tag.

    Raises:
        UserError: standard input is empty.
    """
    if path != STANDARD_INPUT:
        yield path
        return
    data = sys.stdin.buffer.read()
    if not data.strip():
        raise UserError("standard input is empty; pipe rows into the command: `cat rows.csv | adaptx predict STAGE -`")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / f"rows{ending_of(data, tagging)}"
        copy.write_bytes(data)
        try:
            yield copy
        except UserError as error:
            raise type(error)(str(error).replace(str(copy), SHOWN)) from None


def ending_of(data: bytes, tagging: bool) -> str:
    """Return the file ending that fits the data, such as `.csv`.

    Parquet has a signature, and JSON lines begin with `{`. A table is TSV if a tab is in its first line, and CSV
    otherwise. Sentences to tag are CoNLL columns, unless the first line names a column `tokens`.

    tagging: whether the rows are sentences to tag.
    """
    text = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(_PARQUET):
        return ".parquet"
    if text.startswith(b"{"):
        return ".jsonl"
    first = text.partition(b"\n")[0].rstrip(b"\r")
    mark = b"\t" if b"\t" in first else b","
    if tagging and b"tokens" not in [name.strip(b'" ') for name in first.split(mark)]:
        return ".conll"
    return ".tsv" if mark == b"\t" else ".csv"
