"""Figure of the training losses by step, one panel per training."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from adaptx.report.plots import CATEGORIES, make_figure, put_title, save

MOST_CURVES = 24
"""Maximum number of trainings in the figure of losses."""


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
        axes.plot(steps[width - 1 :], smooth, color=CATEGORIES[0], linewidth=1.6)
        axes.set_title(name, fontsize=8, fontweight="normal", loc="left")
        axes.tick_params(labelsize=8)
        axes.set_ylim(bottom=0)
        axes.grid(axis="y", color="#e6e6e6", linewidth=0.8)
    for axes in panels[len(curves) :]:
        axes.set_visible(False)
    shown = f"; only the first {len(curves)} of {whole} trainings" if whole > len(curves) else ""
    put_title(
        figure, "Training loss by step", f"pale: every logged step; dark: moving average over 5% of the steps{shown}"
    )
    return save(figure, file)
