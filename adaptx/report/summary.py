"""The summary of one task, which a report shows before any table."""

from collections.abc import Sequence

from adaptx.report.cells import percent, points
from adaptx.report.gains import ZERO_SHOT, Gain
from adaptx.specs import Task


def in_short(task: Task, gains: Sequence[Gain]) -> str:
    """Return a paragraph: best zero-shot average, how many intervals of gains lie above or below zero, largest gain."""
    metric = task.metrics[0]
    averages = [g for g in gains if (g.task, g.metric, g.quantity) == (task.name, metric, ZERO_SHOT)]
    if not averages:
        return f"{task.name}: no evaluation in a zero-shot language is stored."
    best = max(averages, key=lambda gain: gain.score)
    compared = [gain for gain in averages if gain.gain is not None]
    up, down = (sum(gain.sign == sign for gain in compared) for sign in (1, -1))
    said = f"{task.name}: the best zero-shot average in {metric} is {percent(best.score)}% ({best.variant})."
    if not compared:
        return f"{said} No variant has a matched baseline here."
    most = max(compared, key=lambda gain: gain.gain or 0.0)
    many = " (not corrected for multiple comparisons)" if len(compared) > 1 else ""
    return (
        f"{said} {len(compared)} variants have a matched baseline. The 95% interval of their gain lies above zero for "
        f"{up}, below zero for {down}, and includes zero for {len(compared) - up - down}{many}. "
        f"The largest gain is {points(most.gain)} points [{points(most.low)}, {points(most.high)}] ({most.variant})."
    )


def headline(task: Task, gains: Sequence[Gain]) -> dict[str, float]:
    """Return the best zero-shot average and the largest gain of a task, under names that MLflow accepts."""
    metric = task.metrics[0]
    averages = [g for g in gains if (g.task, g.metric, g.quantity) == (task.name, metric, ZERO_SHOT)]
    compared = [gain.gain for gain in averages if gain.gain is not None]
    found = {f"{task.name}/best/{metric}": max(gain.score for gain in averages)} if averages else {}
    return found | ({f"{task.name}/largest_gain/{metric}": max(compared)} if compared else {})
