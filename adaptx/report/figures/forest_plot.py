"""Forest plot: the gain of every variant with its seeds, its intervals and the smallest gain that could be seen."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adaptx.report.figures.forest import ForestPanel, ForestRow, pages
from adaptx.report.figures.plots import GREY, INK, PALE, make_figure, put_title, save
from adaptx.report.tables.cells import interval_text, points

ROW_INCHES = 0.34
PANEL_INCHES = 0.62
LONGEST_NAME = 52
"""Maximum number of characters in a line of a row's name."""


def forest_plots(panels: Sequence[ForestPanel], folder: Path) -> tuple[Path, ...]:
    """Draw the panels into `forest.png`, and into `forest.2.png` and so on if they need more than one page."""
    return tuple(
        _draw(page, folder / ("forest.png" if number == 1 else f"forest.{number}.png"))
        for number, page in enumerate(pages(panels), start=1)
    )


def _draw(panels: Sequence[ForestPanel], file: Path) -> Path:
    heights = [len(panel.rows) + 0.6 for panel in panels]
    inches = 0.75 + ROW_INCHES * sum(heights) + PANEL_INCHES * len(panels)
    figure, every = make_figure(inches, rows=len(panels), heights=heights)
    for axes, panel in zip(every, panels, strict=True):
        _panel(axes, panel)
    rows = [row for panel in panels for row in panel.rows]
    put_title(figure, "Gains in percentage points, and which of them are clear", _how_to_read(rows))
    return save(figure, file)


def _how_to_read(rows: Sequence[ForestRow]) -> str:
    """Return the line below the title. It explains the marks that occur in these rows."""
    over_seeds = any(row.low is not None for row in rows)
    lines = "lines: 95% intervals over rows" + (" (thin) and over rows and seeds (thick)" if over_seeds else "")
    dots = "; dots: seeds" if any(len(row.by_seed) > 1 for row in rows) else ""
    hollow = "; hollow: undecided" if any(row.is_undecided for row in rows) else ""
    return f"{lines}{dots}{hollow}; grey: undetectable"


def _panel(axes: Any, panel: ForestPanel) -> None:
    for place, row in enumerate(panel.rows):
        _row(axes, row, place)
    axes.axvline(0, color=INK, linewidth=1, zorder=1)
    axes.margins(x=0.04)
    names = ["\n".join(textwrap.wrap(row.name, LONGEST_NAME)) for row in panel.rows]
    axes.set_yticks(range(len(panel.rows)), names, fontsize=9)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(panel.rows) - 0.5, -0.5)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=PALE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_title(panel.title, fontsize=10, fontweight="normal", loc="left")


def _row(axes: Any, row: ForestRow, place: int) -> None:
    colour = row.style.colour
    if row.detectable is not None:
        axes.barh(place, 200 * row.detectable, 0.86, left=-100 * row.detectable, color="#ededed", zorder=0.5)
    if row.row_low is not None and row.row_high is not None:
        axes.plot([100 * row.row_low, 100 * row.row_high], [place, place], color=colour, linewidth=1.2, zorder=2)
    if row.low is not None and row.high is not None:
        ends = [100 * row.low, 100 * row.high]
        axes.plot(ends, [place, place], color=colour, linewidth=3.2, alpha=0.55, zorder=2, solid_capstyle="butt")
    if len(row.by_seed) > 1:
        below = [place + 0.27] * len(row.by_seed)
        axes.plot([100 * seed for seed in row.by_seed], below, ".", color=colour, markersize=4, zorder=2.5)
    axes.plot(100 * row.value, place, markersize=7.5, zorder=3, **row.style.mark(row.is_undecided))
    low, high = (row.low, row.high) if row.low is not None else (row.row_low, row.row_high)
    said = interval_text(row.value, low, high) if low is not None else points(row.value)
    axes.text(1.01, place, said, transform=axes.get_yaxis_transform(), va="center", fontsize=9,
              color=GREY if row.is_undecided else INK)  # fmt: skip
