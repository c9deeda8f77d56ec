"""Figures by step of training: the losses, and the scores on development rows."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from adaptx.report.figures.plots import INK, PALE, make_figure, put_title, save
from adaptx.report.results.styles import COLOURS
from adaptx.store.records import TrainResult

MOST_CURVES = 24
"""Maximum number of panels in a figure."""


def learning_curves(curves: Mapping[str, Sequence[tuple[int, float]]], file: Path) -> Path | None:
    """Draw the training loss by step, one panel per training. Return None if no training logged at least two steps.

    Only the first `MOST_CURVES` trainings are drawn.
    """
    import numpy as np

    curves = {name: curve for name, curve in curves.items() if len(curve) > 1}
    if not curves:
        return None
    whole = len(curves)
    curves = dict(list(curves.items())[:MOST_CURVES])
    across = min(4, len(curves))
    down = -(-len(curves) // across)
    figure, panels = make_figure(0.8 + 1.75 * down, columns=across, rows=down)
    for axes, (name, curve) in zip(panels, curves.items(), strict=False):
        steps, losses = np.array(curve).T
        axes.plot(steps, losses, color="#b9cfe0", linewidth=0.8)
        width = max(1, len(losses) // 20)
        smooth = np.convolve(losses, np.ones(width) / width, mode="valid")
        axes.plot(steps[width - 1 :], smooth, color=COLOURS[0], linewidth=1.6)
        axes.set_title(name, fontsize=8, fontweight="normal", loc="left")
        axes.tick_params(labelsize=8)
        axes.set_ylim(bottom=0)
        axes.grid(axis="y", color=PALE, linewidth=0.8)
    for axes in panels[len(curves) :]:
        axes.set_visible(False)
    shown = f"; only the first {len(curves)} of {whole} trainings" if whole > len(curves) else ""
    put_title(
        figure, "Training loss by step", f"pale: every logged step; dark: moving average over 5% of the steps{shown}"
    )
    return save(figure, file)


def development_curves(results: Mapping[str, Sequence[TrainResult]], file: Path) -> Path | None:
    """Draw the score on development rows by step, one panel per training and one line per seed.

    A mark shows the step whose weights were kept. Return None if no training was scored on development rows.

    results: name of a training -> its results, one per seed.
    """
    scored = {name: [each for each in seeds if each.development] for name, seeds in results.items()}
    scored = {name: seeds for name, seeds in scored.items() if seeds}
    if not scored:
        return None
    drawn = dict(list(scored.items())[:MOST_CURVES])
    across = min(4, len(drawn))
    down = -(-len(drawn) // across)
    figure, panels = make_figure(0.8 + 1.75 * down, columns=across, rows=down)
    for axes, (name, seeds) in zip(panels, drawn.items(), strict=False):
        for each in seeds:
            curve = {point.step: 100 * point.score for point in each.development}
            axes.plot(list(curve), list(curve.values()), color=COLOURS[0], linewidth=1, alpha=0.7)
            if each.selected_step in curve:
                axes.plot(each.selected_step, curve[each.selected_step], "o", color=INK, markersize=4, zorder=3)
        axes.set_title(name, fontsize=8, fontweight="normal", loc="left")
        axes.tick_params(labelsize=8)
        axes.grid(axis="y", color=PALE, linewidth=0.8)
    for axes in panels[len(drawn) :]:
        axes.set_visible(False)
    shown = f"; only the first {len(drawn)} of {len(scored)} trainings" if len(scored) > len(drawn) else ""
    put_title(
        figure,
        "Score on development rows by step",
        f"first metric of the task, %; one line per seed; dot: the step whose weights were kept{shown}",
    )
    return save(figure, file)
