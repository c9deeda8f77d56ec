"""Figure of score against cost: counted operations and seconds with their Pareto fronts, and peak memory."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adaptx.report.figures.plots import GREY, PALE, key_columns, make_figure, number_points, put_key, put_title, save
from adaptx.report.gains.fronts import EQUAL_SECONDS
from adaptx.report.results.styles import VariantStyles
from adaptx.report.statistics.pareto import pareto_front
from adaptx.report.tables.cells import percent
from adaptx.report.tables.frontier import ScoreAndCost
from adaptx.report.tables.reference import Reference, reference
from adaptx.specs import Task

WIDE = 20
"""A cost axis is logarithmic if the largest cost is more than this many times the smallest."""
OPERATIONS, SECONDS = "10¹² operations", "seconds on this machine"
TOLERANCES = {OPERATIONS: 0.0, SECONDS: EQUAL_SECONDS}
"""Costs with a front -> the share below which two costs count as equal."""


def pareto_plot(task: Task, found: Sequence[ScoreAndCost], styles: VariantStyles, file: Path) -> Path | None:
    """Draw score against operations and against seconds (with their Pareto fronts), and against peak memory.

    Return None if each of these costs is known for fewer than two variants.
    """
    costs = {
        OPERATIONS: [(each.flops / 1e12, each) for each in found if each.flops is not None],
        SECONDS: [(each.seconds, each) for each in found if each.seconds is not None],
        "peak memory, MiB": [
            (each.peak_memory_bytes / 2**20, each) for each in found if each.peak_memory_bytes is not None
        ],
    }
    costs = {name: points for name, points in costs.items() if len(points) > 1}
    if not costs:
        return None
    labels = [each.gain.variant for each in found]
    known = reference(found[0].variant.languages.values(), task, task.metrics[0])
    names = [styles.name(label) for label in labels]
    figure, panels = make_figure(4.6 + 0.2 * -(-len(names) // key_columns(names)), columns=len(costs))
    for axes, (name, points) in zip(panels, costs.items(), strict=True):
        if name in TOLERANCES:
            _draw_front(axes, points, TOLERANCES[name])
        for cost, each in points:
            _draw_point(axes, cost, each, styles)
        if max(cost for cost, _ in points) > WIDE * min(cost for cost, _ in points) > 0:
            axes.set_xscale("log")
        axes.margins(0.12, 0.1)
        _reference_lines(axes, known, found[0].languages)
        axes.set_xlabel(name)
        axes.grid(color=PALE, linewidth=0.8)
        axes.set_axisbelow(True)
    panels[0].set_ylabel(f"zero-shot average, {task.metrics[0]} %")
    put_key(figure, labels, styles)
    put_title(
        figure,
        f"{task.name}: score against cost",
        "costs of all stages; bars: 95% intervals; grey line: the Pareto front; left is cheaper; hollow: undecided",
    )
    # Last, because the free places for the numbers depend on the final layout.
    for axes, points in zip(panels, costs.values(), strict=True):
        number_points(axes, {each.gain.variant: (cost, 100 * each.score) for cost, each in points}, styles.numbers)
    return save(figure, file)


def _reference_lines(axes: Any, known: Reference, languages: Sequence[str]) -> None:
    labels = {"color": GREY, "fontsize": 8, "transform": axes.get_yaxis_transform()}
    majority = known.majority_over(languages)
    if majority is not None:
        axes.axhline(100 * majority, color=GREY, linestyle="--", linewidth=1.2)
        axes.text(0.01, 100 * majority, f"majority class, {percent(majority)}%", ha="left", va="bottom", **labels)
    if known.chance is not None:
        axes.axhline(100 * known.chance, color=GREY, linestyle=":", linewidth=1.2)
        axes.text(0.99, 100 * known.chance, f"guessing, {percent(known.chance)}%", ha="right", va="top", **labels)


def _draw_front(axes: Any, points: Sequence[tuple[float, ScoreAndCost]], tolerance: float) -> None:
    costs, scores = [cost for cost, _ in points], [each.score for _, each in points]
    front = [points[place] for place in pareto_front(costs, scores, tolerance)]
    heights = [100 * each.score for _, each in front]
    axes.step([cost for cost, _ in front], heights, where="post", color=GREY, linewidth=1.8)


def _draw_point(axes: Any, cost: float, each: ScoreAndCost, styles: VariantStyles) -> None:
    style = styles[each.gain.variant]
    axes.plot([cost, cost], [100 * each.low, 100 * each.high], color=style.colour, linewidth=1)
    undecided = not each.gain.is_baseline and each.gain.sign == 0
    axes.plot(cost, 100 * each.score, markersize=8, zorder=3, **style.mark(undecided))
