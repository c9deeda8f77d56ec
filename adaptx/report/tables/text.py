"""Drawing of tables for a terminal (with rich) and for a Markdown file."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from adaptx.report.tables.table import Table, TableCell

if TYPE_CHECKING:
    from rich.console import Console

_STYLES = {1: "bold green", -1: "bold red", 0: ""}
LEGEND = (
    "Gains are over the matched baseline (same model, method and target task, no intermediate task), in percentage "
    "points, with a 95% interval. Bold: a gain or a loss after Holm's correction; pale: undecided. A test that "
    "stands in several tables has one verdict."
)


def print_tables(tables: Sequence[Table], console: "Console") -> None:
    """Print the tables, which fit into 120 columns, and below them the legend."""
    from rich.text import Text

    for table in tables:
        print_table(table, console)
    console.print(Text(LEGEND, style="dim"))


def print_table(table: Table, console: "Console") -> None:
    """Print one table with its title and caption."""
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    drawn = RichTable(
        title=table.title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1),
        pad_edge=False,
        collapse_padding=True,
        caption=table.caption or None,
        caption_justify="left",
        caption_style="dim",
    )
    for header, column in zip(table.headers, table.columns, strict=True):
        justify = "left" if column.words else "right"
        drawn.add_column(Text(header, justify=justify), justify=justify, no_wrap=not column.words)
    for row in table.rows:
        drawn.add_row(*(Text(cell.text, style="dim" if cell.is_uncertain else _STYLES[cell.sign]) for cell in row))
    console.print(drawn)


def markdown(parts: Sequence[Table | str]) -> str:
    """Return tables and sentences as GitHub Markdown, with the legend at the end."""
    blocks = [part if isinstance(part, str) else _markdown_table(part) for part in parts]
    return "\n\n".join([*blocks, LEGEND]) + "\n"


def _markdown_table(table: Table) -> str:
    header = _line([" ".join(header.split()) for header in table.headers])
    rule = "|" + "|".join(":--" if column.words else "--:" for column in table.columns) + "|"
    rows = [_line([_markdown_cell(cell) for cell in row]) for row in table.rows]
    parts = [f"**{table.title}**", "\n".join([header, rule, *rows]), table.caption]
    return "\n\n".join(part for part in parts if part)


def _markdown_cell(cell: TableCell) -> str:
    text = cell.text.replace("|", "\\|").replace("\n", "<br>")
    return f"**{text}**" if cell.sign else text


def _line(texts: Sequence[str]) -> str:
    return f"| {' | '.join(texts)} |"
