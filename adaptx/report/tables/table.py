"""A table of the report as cells of plain text, which other modules draw for the terminal, Markdown, HTML and LaTeX."""

import itertools
from dataclasses import dataclass

WIDEST = 118
"""Maximum width of a table in characters, so that it fits a terminal of 120 columns."""


@dataclass(frozen=True)
class TableCell:
    """The text of a cell. sign: 1 for a gain, -1 for a loss, else 0. is_uncertain: whether the gain is undecided."""

    text: str
    sign: int = 0
    is_uncertain: bool = False


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        header: its heading.
        words: whether its cells are words (aligned left) rather than numbers (aligned right).
        group: a heading that neighbouring columns share; empty for none.
    """

    header: str
    words: bool = False
    group: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of cells under columns, with a title, and a caption that says how to read the table."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[TableCell, ...], ...]
    caption: str = ""

    @property
    def headings(self) -> list[tuple[str, int]]:
        """Pairs (group, number of its columns), from left to right; empty if no column has a group."""
        runs = [(group, len(list(run))) for group, run in itertools.groupby(column.group for column in self.columns)]
        return runs if any(group for group, _ in runs) else []

    @property
    def headers(self) -> list[str]:
        """The columns' headers, all with the same number of lines. The first header of a group begins with the group's
        heading.
        """
        headings = [text for group, span in self.headings for text in (group.replace(" ", "\n"), *[""] * (span - 1))]
        whole = [
            f"{heading}\n{column.header}" if heading else column.header
            for heading, column in zip(headings or [""] * len(self.columns), self.columns, strict=True)
        ]
        most = max(header.count("\n") for header in whole)
        return ["\n" * (most - header.count("\n")) + header for header in whole]

    @property
    def width(self) -> int:
        """Width of the table in a terminal, in characters, with two spaces between columns."""
        lines = [
            self.headers,
            *([cell.text for cell in row] for row in self.rows),
        ]
        widths = [max(len(line) for text in texts for line in text.split("\n")) for texts in zip(*lines, strict=True)]
        return sum(widths) + 2 * len(widths)
