"""What a report says in one sentence a task, before any table."""

from collections.abc import Sequence

from adaptx.report.cells import percent, points
from adaptx.report.gains import ZERO_SHOT, Gain
from adaptx.specs import Task


def in_short(task: Task, gains: Sequence[Gain]) -> str:
    """The best zero-shot average, and how many intervals of gains are above or below zero."""
    metric = task.metrics[0]
    averages = [g for g in gains if (g.task, g.metric, g.quantity) == (task.name, metric, ZERO_SHOT)]
    if not averages:
        return f"{task.name}: no zero-shot language is stored."
    best = max(averages, key=lambda gain: gain.score)
    compared = [gain for gain in averages if gain.gain is not None]
    up, down = (sum(gain.sign == sign for gain in compared) for sign in (1, -1))
    said = f"{task.name}: the best zero-shot average in {metric} is {percent(best.score)}% ({best.variant})."
    if not compared:
        return f"{said} No variant has a matched baseline here."
    most = max(compared, key=lambda gain: gain.gain or 0.0)
    many = ", each taken for itself, before any correction for their number" if len(compared) > 1 else ""
    return (
        f"{said} Of {len(compared)} variants with a matched baseline, {up} have an interval above zero, {down} below "
        f"it, {len(compared) - up - down} one that holds it{many}. "
        f"The largest gain is {points(most.gain)} points [{points(most.low)}, {points(most.high)}] ({most.variant})."
    )


def headline(task: Task, gains: Sequence[Gain]) -> dict[str, float]:
    """The best zero-shot average and the largest gain of a task, under names that MLflow takes."""
    metric = task.metrics[0]
    averages = [g for g in gains if (g.task, g.metric, g.quantity) == (task.name, metric, ZERO_SHOT)]
    compared = [gain.gain for gain in averages if gain.gain is not None]
    found = {f"{task.name}/best/{metric}": max(gain.score for gain in averages)} if averages else {}
    return found | ({f"{task.name}/largest_gain/{metric}": max(compared)} if compared else {})
