"""Name rows in messages, by the line of a file or by the row number in a set."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Origin:
    """The file or data set that rows were read from, with their lines.

    name: the name of the file or set in messages. lines: the line (from 1) in which each row begins; empty if rows are
    not lines of text, as in parquet. files: the name of each row's file if several files are read as one table; empty
    otherwise. unit: the words that stand before a line number in messages.
    """

    name: str
    lines: Sequence[int] = ()
    files: Sequence[str] = ()
    unit: str = "line"

    def __str__(self) -> str:
        return self.name

    def at(self, row: int) -> str:
        """Return the name and place of a row (from 0): `rows.csv, line 5`, or `owner/set/en/test, row 3`."""
        if not self.lines:
            return f"{self.name}, row {row}"
        return f"{self.files[row] if self.files else self.name}, {self.unit} {self.lines[row]}"

    def line(self, row: int) -> int | None:
        """Return the line (from 1) in which a row (from 0) begins, or None if rows are not lines of text."""
        return self.lines[row] if self.lines else None
