"""Figure of each language's score against the score of the baseline, one panel per variant."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adaptx.metrics.per_class import chance
from adaptx.report.figures.plots import GREY, INK, PALE, make_figure, number_points, put_title, save
from adaptx.report.gains.gain import Gain
from adaptx.report.results.styles import VariantStyles
from adaptx.report.tables.reference import ACCURACY
from adaptx.specs import Task

MOST_PANELS = 12
ACROSS = 4
PANEL_INCHES = 2.2
LONGEST_LINE = 30
"""Maximum number of characters in a line of a panel's title."""


def language_scatter(task: Task, gains: Sequence[Gain], styles: VariantStyles, file: Path) -> Path | None:
    """Draw one panel per variant, up to `MOST_PANELS`, with a point per language. Return None without any gain.

    A point above the diagonal is a language that gains. Dotted lines show the accuracy of guessing.
    """
    wanted = (task.name, task.metrics[0])
    found = [g for g in gains if (g.task, g.metric) == wanted and g.is_language and g.gain is not None]
    labels = styles.in_order([gain.variant for gain in found])
    if not labels:
        return None
    drawn = labels[:MOST_PANELS]
    across = min(ACROSS, len(drawn))
    down = -(-len(drawn) // across)
    figure, panels = make_figure(1.0 + (PANEL_INCHES + 0.3) * down, columns=across, rows=down, shared=True)
    by_panel = [[gain for gain in found if gain.variant == label] for label in drawn]
    guess = guessing(task)
    ends = [end for gain in found for end in _place(gain)] + ([guess] if guess is not None else [])
    for axes, label, points in zip(panels, drawn, by_panel, strict=False):
        _panel(axes, points, styles, guess)
        axes.set_title("\n".join(textwrap.wrap(styles.name(label), LONGEST_LINE)), fontsize=8.5, fontweight="normal")
    least, most = min(ends), max(ends)
    room = 0.1 * max(5.0, most - least)
    panels[0].set(xlim=(least - room, most + room), ylim=(least - room, most + room))
    for place, axes in enumerate(panels):
        axes.set_visible(place < len(drawn))
        axes.tick_params(labelbottom=place + across >= len(drawn))
    figure.supxlabel(f"baseline, {task.metrics[0]} %", fontsize=10)
    figure.supylabel(f"variant, {task.metrics[0]} %", fontsize=10)
    dotted = "; dotted: guessing" if guess is not None else ""
    only = f"; only the first {len(drawn)} of {len(labels)} variants" if len(labels) > len(drawn) else ""
    put_title(
        figure,
        f"{task.name}: each language against its baseline",
        f"above the diagonal: the language gains; hollow: undecided{dotted}{only}",
    )
    # Last, because the free places for the codes depend on the final layout.
    for axes, points in zip(panels, by_panel, strict=False):
        number_points(axes, {g.quantity: _place(g) for g in points}, {g.quantity: g.quantity for g in points})
    return save(figure, file)


def guessing(task: Task) -> float | None:
    """Return the accuracy in percent of guessing a label; None if the task has another metric or no labels."""
    share = chance(task)
    return 100 * share if share is not None and task.metrics[0] == ACCURACY else None


def _panel(axes: Any, points: Sequence[Gain], styles: VariantStyles, guess: float | None) -> None:
    axes.axline((0, 0), slope=1, color=INK, linewidth=0.9)
    if guess is not None:
        axes.axhline(guess, color=GREY, linewidth=0.9, linestyle=":")
        axes.axvline(guess, color=GREY, linewidth=0.9, linestyle=":")
    for gain in points:
        axes.plot(*_place(gain), markersize=6, zorder=3, **styles[gain.variant].mark(gain.sign == 0))
    axes.grid(color=PALE, linewidth=0.8)
    axes.set_axisbelow(True)


def _place(gain: Gain) -> tuple[float, float]:
    return 100 * (gain.baseline_score or 0.0), 100 * gain.score
