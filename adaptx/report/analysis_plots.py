"""Figures of the analysis: bars of gain by language family, scaling curves with bands, gain against cost."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from adaptx.report.cells import shortened
from adaptx.report.frontier import GainAndCost
from adaptx.report.gain import Gain
from adaptx.report.plots import CATEGORIES, INK, MARKERS, make_figure, number_points, put_title, save
from adaptx.report.scaling import Series
from adaptx.report.statistics.log_linear import LEAST_SIZES
from adaptx.report.statistics.pareto import pareto_front

MOST_BARS = 5
"""Maximum number of variants drawn per class. If there are more, those with the largest gains are drawn."""
LEAST_APART = 0.06
"""Minimum distance between two ticks on a logarithmic axis, as a share of the axis, so that labels do not overlap."""
WIDE = 20
"""A cost axis is logarithmic if the largest cost is more than this many times the smallest."""


def class_bars(task: str, attribute: str, gains: Sequence[Gain], file: Path) -> Path | None:
    """Draw one bar per variant and language class: the gain with its interval. Return None if there are no gains."""
    if not gains:
        return None
    classes = sorted({gain.quantity for gain in gains})
    best = {g.variant: max(each.gain or 0.0 for each in gains if each.variant == g.variant) for g in gains}
    variants = sorted(best, key=lambda label: -best[label])[:MOST_BARS]
    figure, (axes,) = make_figure(1.9 + 0.13 * len(classes) * (len(variants) + 1.5))
    step = 0.8 / len(variants)
    for place, label in enumerate(variants):
        of_variant = {gain.quantity: gain for gain in gains if gain.variant == label}
        for row, name in enumerate(classes):
            gain = of_variant.get(name)
            if gain is None:
                continue
            at = row + (place - (len(variants) - 1) / 2) * step
            colour = CATEGORIES[place % len(CATEGORIES)]
            # A bar is pale if its gain is undecided, as in the tables.
            axes.barh(at, 100 * (gain.gain or 0.0), 0.9 * step, color=colour, alpha=0.35 if gain.is_uncertain else 1.0,
                      label=label)  # fmt: skip
            _whisker(axes, gain, at)
    axes.axvline(0, color=INK, linewidth=1)
    axes.set_yticks(range(len(classes)), classes)
    axes.set_ylim(len(classes) - 0.5, -0.5)
    axes.set_xlabel("gain, percentage points")
    axes.grid(axis="x", color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    _legend(figure, list(unique.values()), list(unique))
    put_title(
        figure,
        f"{task}: gain by {attribute}",
        "lines: 95% intervals; pale bars: neither a gain nor a loss after Holm's correction",
    )
    return save(figure, file)


def scaling_curves(task: str, size: str, series: Sequence[Series], file: Path) -> Path | None:
    """Draw gain against size, with a fitted line and its band for each series that has three sizes or more.

    Return None if there is no such series.
    """
    drawn = [each for each in series if len(set(each.sizes)) >= LEAST_SIZES][: len(CATEGORIES)]
    if not drawn:
        return None
    figure, (axes,) = make_figure(4.8 + 0.2 * len(drawn))
    for place, each in enumerate(drawn):
        colour, marker = CATEGORIES[place], "os^Dv<>P"[place % 8]
        gained = [100 * (gain.gain or 0.0) for gain in each.gains]
        axes.plot(each.sizes, gained, marker, color=colour, label=each.name)
        for at, gain in zip(each.sizes, each.gains, strict=True):
            if gain.low is not None and gain.high is not None:
                axes.plot([at, at], [100 * gain.low, 100 * gain.high], color=colour, linewidth=1)
        if each.line is not None:
            sizes = np.geomspace(each.sizes[0], each.sizes[-1], 50)
            height, low, high = 100 * each.line.at(list(sizes)).T
            axes.plot(sizes, height, color=colour, linewidth=1.4)
            axes.fill_between(sizes, low, high, color=colour, alpha=0.1, linewidth=0)
    values = [100 * end for each in drawn for g in each.gains for end in (g.gain, g.low, g.high) if end is not None]
    room = 0.6 * max(1.0, max(values) - min(values))
    # With three points the band is so wide that it would squeeze the points together, so the points set the axis.
    axes.set_ylim(min(values) - room, max(values) + room)
    axes.set_xscale("log")
    _mark_sizes(axes, sorted({at for each in drawn for at in each.sizes}))
    axes.axhline(0, color=INK, linewidth=1)
    axes.set_xlabel(size)
    axes.set_ylabel("gain, percentage points")
    axes.grid(color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    _legend(figure, *axes.get_legend_handles_labels())
    put_title(
        figure,
        f"{task}: gain against {size}",
        "points: gains with 95% intervals; lines: least squares on the logarithm, with 95% bands",
    )
    return save(figure, file)


def _mark_sizes(axes: Any, sizes: Sequence[float]) -> None:
    """Put a tick at the size of each point, unless its label would overlap the next label."""
    apart = LEAST_APART * np.log(sizes[-1] / sizes[0])
    marked = [sizes[0]]
    marked += [size for size in sizes[1:-1] if min(np.log(sizes[-1] / size), np.log(size / marked[-1])) >= apart]
    marked.append(sizes[-1])
    axes.set_xticks(marked, [shortened(size) for size in marked])
    axes.minorticks_off()


def pareto_plot(task: str, found: Sequence[GainAndCost], file: Path) -> Path | None:
    """Draw gain against seconds and against operations, each with its Pareto front.

    Return None if neither cost is known for at least two variants.
    """
    costs: dict[str, list[tuple[float, GainAndCost]]] = {
        "training seconds, all stages": [(each.seconds, each) for each in found if each.seconds is not None],
        "operations, all stages": [(each.flops, each) for each in found if each.flops is not None],
    }
    costs = {name: points for name, points in costs.items() if len(points) > 1}
    if not costs:
        return None
    figure, panels = make_figure(4.4 + 0.2 * -(-len(found) // 2), columns=len(costs))
    methods = list(dict.fromkeys(each.variant.factors.method for each in found))
    for axes, (name, points) in zip(panels, costs.items(), strict=True):
        front = pareto_front([cost for cost, _ in points], [each.points for _, each in points])
        at = [points[place] for place in front]
        line = [cost for cost, _ in at], [each.points for _, each in at]
        axes.step(*line, where="post", color="#555555", linewidth=1.8)
        for cost, each in points:
            colour = CATEGORIES[methods.index(each.variant.factors.method) % len(CATEGORIES)]
            marker = MARKERS.get(each.variant.factors.start, "v")
            axes.plot(cost, each.points, marker, color=colour, markersize=8, markeredgecolor="white", zorder=3,
                      label=each.gain.variant)  # fmt: skip
            if each.gain.low is not None and each.gain.high is not None:
                axes.plot([cost, cost], [100 * each.gain.low, 100 * each.gain.high], color=colour, linewidth=1)
        if max(cost for cost, _ in points) > WIDE * min(cost for cost, _ in points) > 0:
            axes.set_xscale("log")
        axes.margins(0.12, 0.1)
        axes.axhline(0, color=INK, linewidth=0.8)
        axes.set_xlabel(name)
        axes.grid(color="#e6e6e6", linewidth=0.8)
        axes.set_axisbelow(True)
    panels[0].set_ylabel("gain, percentage points")
    handles, labels = panels[0].get_legend_handles_labels()
    numbers = {each.gain.variant: str(place) for place, each in enumerate(found, start=1)}
    _legend(figure, handles, [f"{numbers[label]}  {label}" for label in labels])
    put_title(figure, f"{task}: gain against cost", "step line: the Pareto front; left is cheaper, up is a larger gain")
    # Last, because the free places for the numbers depend on the final layout.
    for axes, points in zip(panels, costs.values(), strict=True):
        number_points(axes, {each.gain.variant: (cost, each.points) for cost, each in points}, numbers)
    return save(figure, file)


def _whisker(axes: Any, gain: Gain, at: float) -> None:
    if gain.low is not None and gain.high is not None:
        axes.plot([100 * gain.low, 100 * gain.high], [at, at], color=INK, linewidth=1)


def _legend(figure: Any, handles: Sequence[Any], names: Sequence[str]) -> None:
    """Put a legend below the panels, with at most three columns that fit into about 150 characters."""
    columns = max(1, min(3, 150 // (max(map(len, names)) + 8)))
    figure.legend(handles, names, loc="outside lower left", ncols=columns, fontsize=9, handletextpad=0.3, frameon=False)
