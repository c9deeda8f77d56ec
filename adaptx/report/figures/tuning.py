"""Figure of the searches for learning rates: the score on development rows against the rate, one panel per search."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adaptx.report.figures.plots import GREY, INK, PALE, make_figure, put_title, save
from adaptx.report.results.styles import COLOURS
from adaptx.report.tables.tuning import RateCurve

MOST_PANELS = 24
ACROSS = 4
LONGEST_LINE = 32
"""Maximum number of characters in a line of a panel's title."""


def rate_plot(curves: Sequence[RateCurve], file: Path) -> Path | None:
    """Draw the mean score of each learning rate, and the score of each seed. Return None if no curve has two scores."""
    scored = [curve for curve in curves if sum(score is not None for _, score, _ in curve.points) > 1]
    if not scored:
        return None
    drawn = scored[:MOST_PANELS]
    across = min(ACROSS, len(drawn))
    down = -(-len(drawn) // across)
    figure, panels = make_figure(0.9 + 2.0 * down, columns=across, rows=down)
    for axes, curve in zip(panels, drawn, strict=False):
        _panel(axes, curve)
    for axes in panels[len(drawn) :]:
        axes.set_visible(False)
    only = f"; only the first {len(drawn)} of {len(scored)} searches" if len(scored) > len(drawn) else ""
    put_title(
        figure,
        "Score on development rows against the learning rate",
        f"%; line: mean; dots: seeds; black: the chosen rate{only}",
    )
    return save(figure, file)


def _panel(axes: Any, curve: RateCurve) -> None:
    means = {rate: 100 * score for rate, score, _ in curve.points if score is not None}
    axes.plot(list(means), list(means.values()), "o-", color=COLOURS[0], linewidth=1.4, markersize=5)
    for rate, _, seeds in curve.points:
        known = [100 * score for score in seeds if score is not None]
        if len(known) > 1:
            axes.plot([rate] * len(known), known, ".", color=GREY, markersize=4)
    if curve.chosen in means:
        axes.plot(curve.chosen, means[curve.chosen], "o", color=INK, markersize=7, zorder=3)
    axes.set_xscale("log")
    axes.set_xticks([rate for rate, _, _ in curve.points], [f"{rate:g}" for rate, _, _ in curve.points], fontsize=8)
    axes.minorticks_off()
    axes.tick_params(labelsize=8)
    axes.margins(0.12)
    axes.grid(color=PALE, linewidth=0.8)
    axes.set_axisbelow(True)
    title = "\n".join(textwrap.wrap(curve.name, LONGEST_LINE))
    axes.set_title(title, fontsize=8, fontweight="normal", loc="left")
