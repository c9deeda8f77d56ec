"""Names of rows in messages: the line of a file, or the row number of a set."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Origin:
    """A file, or a set of the hub or a mirror.

    lines: the line (from 1) in which each row begins; empty where rows are not lines of text, as in parquet. files: the
    name of each row's file where several are read one after the other. unit: what messages call a row's line.
    """

    name: str
    lines: Sequence[int] = ()
    files: Sequence[str] = ()
    unit: str = "line"

    def __str__(self) -> str:
        return self.name

    def at(self, row: int) -> str:
        """Return a row (from 0) with where it is: `rows.csv, line 5`, or `owner/set/en/test, row 3`."""
        if not self.lines:
            return f"{self.name}, row {row}"
        return f"{self.files[row] if self.files else self.name}, {self.unit} {self.lines[row]}"

    def line(self, row: int) -> int | None:
        """Return the line in which a row begins, if it has one."""
        return self.lines[row] if self.lines else None
