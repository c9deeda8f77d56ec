"""Name rows in messages: by their line in a file, or by their row number in a set."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Origin:
    """The file or data set from which rows were read, and the rows' lines in the file.

    name: the name of the file or set in messages. lines: the line (from 1) in which each row begins; empty if rows are
    not lines of text, as in parquet. files: the name of each row's file if several files are read as one table; empty
    otherwise. unit: the words before a line number in messages: "line" or "sentence at line".
    """

    name: str
    lines: Sequence[int] = ()
    files: Sequence[str] = ()
    unit: str = "line"

    def __str__(self) -> str:
        return self.name

    def at(self, row: int) -> str:
        """Return a phrase that names a row (counted from 0): `rows.csv, line 5`, or `owner/set/en/test, row 3`."""
        if not self.lines:
            return f"{self.name}, row {row}"
        return f"{self.files[row] if self.files else self.name}, {self.unit} {self.lines[row]}"

    def line(self, row: int) -> int | None:
        """Return the line, counted from 1, in which a row begins; None if rows are not lines of text."""
        return self.lines[row] if self.lines else None
