"""Figure of the gain against model size or compute: seeds, means with intervals, and lines with their bands."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from adaptx.report.analysis_plots import legend
from adaptx.report.cells import shortened
from adaptx.report.plots import CATEGORIES, INK, make_figure, put_title, save
from adaptx.report.scaling import Series

LEAST_APART = 0.06
"""Minimum distance between two ticks on a logarithmic axis, as a share of the axis, so that labels do not overlap."""
SHAPES = "os^Dv<>P"


def scaling_curves(task: str, size: str, series: Sequence[Series], file: Path) -> Path | None:
    """Draw gain against size, with a line and its band for each series that has one. Return None without a series."""
    drawn = [each for each in series if not each.is_common][: len(CATEGORIES)]
    if not drawn:
        return None
    figure, (axes,) = make_figure(4.8 + 0.2 * len(drawn))
    ends: list[float] = []
    for place, each in enumerate(drawn):
        ends += _draw(axes, each, CATEGORIES[place], SHAPES[place % len(SHAPES)])
    room = 0.25 * max(1.0, max(ends) - min(ends))
    # With few sizes the band is so wide that it would squeeze the points together, so the points set the axis.
    axes.set_ylim(min(ends) - room, max(ends) + room)
    axes.set_xscale("log")
    _mark_sizes(axes, sorted({at for each in drawn for at in each.sizes}))
    axes.axhline(0, color=INK, linewidth=1)
    axes.set_xlabel(size)
    axes.set_ylabel("gain, percentage points")
    axes.grid(color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    legend(figure, *axes.get_legend_handles_labels())
    put_title(
        figure,
        f"{task}: gain against {size}",
        "small dots: seeds; bars: 95% intervals; lines with 95% bands: from three sizes over half a decade on",
    )
    return save(figure, file)


def _draw(axes: Any, series: Series, colour: str, shape: str) -> list[float]:
    """Draw one series. Return the heights that have to be visible, in points."""
    heights = [100 * point.draws.mean for point in series.points]
    axes.plot(series.sizes, heights, shape, color=colour, label=series.name, zorder=3)
    ends = list(heights)
    for point in series.points:
        seeds = [100 * float(gain) for gain in point.draws.by_seed_S]
        ends += seeds
        if len(seeds) > 1:
            axes.plot([point.size] * len(seeds), seeds, ".", color=colour, alpha=0.5, markersize=4)
        if point.gain.low is not None and point.gain.high is not None:
            interval = [100 * point.gain.low, 100 * point.gain.high]
            axes.plot([point.size, point.size], interval, color=colour, linewidth=1)
            ends += interval
    if series.trend.is_line:
        sizes = np.geomspace(series.sizes[0], series.sizes[-1], 50)
        height, low, high = 100 * series.trend.at(list(sizes)).T
        axes.plot(sizes, height, color=colour, linewidth=1.4)
        axes.fill_between(sizes, low, high, color=colour, alpha=0.1, linewidth=0)
    return ends


def _mark_sizes(axes: Any, sizes: Sequence[float]) -> None:
    """Put a tick at the size of each point, unless its label would overlap the next one."""
    apart = LEAST_APART * np.log(sizes[-1] / sizes[0])
    marked = [sizes[0]]
    marked += [size for size in sizes[1:-1] if min(np.log(sizes[-1] / size), np.log(size / marked[-1])) >= apart]
    marked.append(sizes[-1])
    axes.set_xticks(marked, [shortened(size) for size in marked])
    axes.minorticks_off()
