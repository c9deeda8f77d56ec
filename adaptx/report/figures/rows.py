"""Figure of the gain against the number of target rows, for recipes that train on several such numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from adaptx.planning.naming import UNTRAINED
from adaptx.report.figures.plots import GREY, INK, PALE, key_columns, make_figure, put_key, put_title, save
from adaptx.report.gains.gain import ZERO_SHOT, Gain
from adaptx.report.results.measured import Measurements
from adaptx.report.results.styles import VariantStyles
from adaptx.specs import Task


@dataclass(frozen=True)
class RowsSeries:
    """Variants that differ only in the number of target rows. points: pairs (rows, gain), fewest rows first."""

    points: tuple[tuple[int, Gain], ...]


def rows_series(task: Task, measurements: Measurements, gains: Sequence[Gain]) -> list[RowsSeries]:
    """Return series of variants of a task that share model, method, start and intermediate task.

    Each has at least two different numbers of target rows. A series is left out if two of its variants have the same
    number, because they then differ in a setting.
    """
    wanted = (task.name, task.metrics[0], ZERO_SHOT)
    averages = {g.variant: g for g in gains if (g.task, g.metric, g.quantity) == wanted and g.gain is not None}
    found: dict[tuple[str, ...], dict[str, int]] = {}
    for variant in measurements.variants(task.name):
        factors, path = variant.factors, variant.first.path
        rows = path[-1].rows_used if path and factors.target != UNTRAINED else None
        if variant.label in averages and rows is not None:
            key = (factors.model, factors.method, factors.start, factors.intermediate)
            found.setdefault(key, {})[variant.label] = rows
    return [
        RowsSeries(tuple(sorted(((rows, averages[label]) for label, rows in same.items()), key=lambda each: each[0])))
        for same in found.values()
        if len(set(same.values())) == len(same) > 1
    ]


def gain_by_rows(
    task: Task, measurements: Measurements, gains: Sequence[Gain], styles: VariantStyles, file: Path
) -> Path | None:
    """Draw the gain in the zero-shot average against the number of target rows. Return None if there is no series."""
    series = rows_series(task, measurements, gains)
    if not series:
        return None
    labels = [gain.variant for each in series for _, gain in each.points]
    names = [styles.name(label) for label in labels]
    figure, (axes,) = make_figure(4.2 + 0.2 * -(-len(labels) // key_columns(names)))
    for each in series:
        heights = [100 * (gain.gain or 0.0) for _, gain in each.points]
        axes.plot([rows for rows, _ in each.points], heights, color=GREY, linewidth=1.2)
        for (rows, gain), height in zip(each.points, heights, strict=True):
            if gain.low is not None and gain.high is not None:
                ends = [100 * gain.low, 100 * gain.high]
                axes.plot([rows, rows], ends, color=styles[gain.variant].colour, linewidth=1.2)
            axes.plot(rows, height, markersize=7.5, zorder=3, **styles[gain.variant].mark(gain.sign == 0))
    axes.set_xscale("log")
    sizes = sorted({rows for each in series for rows, _ in each.points})
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.minorticks_off()
    axes.axhline(0, color=INK, linewidth=1)
    axes.set_xlabel(f"labelled rows of {task.name} in training")
    axes.set_ylabel(f"gain in {task.metrics[0]}, percentage points")
    axes.grid(color=PALE, linewidth=0.8)
    axes.set_axisbelow(True)
    put_key(figure, labels, styles)
    put_title(
        figure,
        f"{task.name}: gain against the number of target rows",
        "zero-shot average; bars: 95% intervals; hollow: undecided",
    )
    return save(figure, file)
