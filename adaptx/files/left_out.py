"""Counts, by reason, of rows that are read from a file or set but do not become examples."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Rows or lines that were left out, or joined with others, for the same reason.

    reason: a phrase, such as `no gold label (-1)`.
    count: how many rows or lines.
    first: index of the first such row (from 0), or number of the first such line (from 1) if `unit` is `line`.
    where: name of the file or set in messages.
    what: what was done with the rows or lines, such as `left out`.
    line: the line in which the first such row begins, if rows are read from a text file.
    """

    reason: str
    count: int
    first: int
    unit: str = "row"
    where: str = ""
    what: str = "left out"
    line: int | None = None

    @property
    def place(self) -> str:
        """The position of the first row or line, as a phrase such as `line 5` or `row 3`."""
        return f"{self.unit} {self.first}" if self.line is None else f"line {self.line}"

    def __str__(self) -> str:
        units = f"{self.count:,} {self.unit}{'s' if self.count != 1 else ''}"
        return f"{self.where}: {self.what} {units}: {self.reason}; the first is {self.place}"


class LineCounts:
    """Counts of lines in one file, by reason. Lines must be added in the order of their numbers."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], list[int]] = {}

    def add(self, reason: str, line: int, count: int = 1, what: str = "left out") -> None:
        """Count `count` more lines for a reason. line: number of the first of these lines."""
        entry = self._found.setdefault((what, reason), [line, 0])
        entry[1] += count

    def records(self, where: object) -> tuple[LeftOut, ...]:
        """Return one record per reason. where: the file's name for messages."""
        return tuple(
            LeftOut(reason=reason, count=count, first=first, unit="line", where=str(where), what=what)
            for (what, reason), (first, count) in self._found.items()
        )
