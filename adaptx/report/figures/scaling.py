"""Figure of the gain against model size or compute, with seeds, means, intervals, and lines with bands."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from adaptx.report.figures.plots import INK, PALE, key_columns, make_figure, number_points, put_names, put_title, save
from adaptx.report.gains.scaling import Series
from adaptx.report.results.styles import VariantStyles
from adaptx.report.tables.cells import shortened

LEAST_APART = 0.06
"""Minimum distance between two ticks on a logarithmic axis, as a share of the axis, so that labels do not overlap."""
MOST_SERIES = 8
"""Maximum number of series in a figure."""


def scaling_curves(task: str, size: str, series: Sequence[Series], styles: VariantStyles, file: Path) -> Path | None:
    """Draw the gain against size, with a line and its band for each series that has one. Return None if `series` is
    empty.
    """
    drawn = [each for each in series if not each.is_common][:MOST_SERIES]
    if not drawn:
        return None
    names = [each.name for each in drawn]
    figure, (axes,) = make_figure(4.8 + 0.2 * -(-len(drawn) // key_columns(names)))
    ends: list[float] = []
    for each in drawn:
        ends += _draw(axes, each, styles)
    room = 0.25 * max(1.0, max(ends) - min(ends))
    # With few sizes the band is so wide that it would squeeze the points together, so the points set the axis.
    axes.set_ylim(min(ends) - room, max(ends) + room)
    axes.set_xscale("log")
    _mark_sizes(axes, sorted({at for each in drawn for at in each.sizes}))
    axes.axhline(0, color=INK, linewidth=1)
    axes.set_xlabel(size)
    axes.set_ylabel("gain, percentage points")
    axes.grid(color=PALE, linewidth=0.8)
    axes.set_axisbelow(True)
    put_names(figure, names, [styles[each.points[0].gain.variant] for each in drawn])
    put_title(
        figure,
        f"{task}: gain against {size}",
        "small dots: seeds; bars: 95% intervals; lines and bands: three sizes over half a decade; hollow: undecided",
    )
    # Last, because the free places for the numbers depend on the final layout.
    points = {each.gain.variant: (each.size, 100 * each.draws.mean) for one in drawn for each in one.points}
    number_points(axes, points, styles.numbers)
    return save(figure, file)


def _draw(axes: Any, series: Series, styles: VariantStyles) -> list[float]:
    """Draw one series. Return all heights, in percentage points, that must be visible."""
    ends = [100 * point.draws.mean for point in series.points]
    colour = styles[series.points[0].gain.variant].colour
    for point in series.points:
        style = styles[point.gain.variant]
        axes.plot(point.size, 100 * point.draws.mean, markersize=7, zorder=3, **style.mark(point.gain.sign == 0))
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
