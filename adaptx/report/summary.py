"""The summary of one task, which a report shows before the tables."""

from collections.abc import Sequence

from adaptx.report.answer import verdict_counts
from adaptx.report.cells import percent, points
from adaptx.report.gain import ZERO_SHOT, Gain
from adaptx.specs import Task


def in_short(task: Task, gains: Sequence[Gain]) -> str:
    """Return a paragraph with the best zero-shot average, the numbers of gains and losses, and the largest gain."""
    metric = task.metrics[0]
    averages = [g for g in gains if (g.task, g.metric, g.quantity) == (task.name, metric, ZERO_SHOT)]
    if not averages:
        return f"{task.name}: no evaluation in a zero-shot language is stored."
    best = max(averages, key=lambda gain: gain.score)
    said = f"{task.name}: the best zero-shot average in {metric} is {percent(best.score)}% ({best.variant})."
    compared = [gain for gain in averages if gain.holm_p is not None]
    if not compared:
        return f"{said} No variant can be compared with a matched baseline here."
    most = max(compared, key=lambda gain: gain.gain or 0.0)
    best = "The largest gain" if (most.gain or 0.0) > 0 else "The best"
    return (
        f"{said} Against their matched baselines, {verdict_counts(compared)}. {best} is {points(most.gain)} points "
        f"({most.variant})."
    )


def headline(task: Task, gains: Sequence[Gain]) -> dict[str, float]:
    """Return the best zero-shot average and the largest gain of a task, under names that MLflow accepts."""
    metric = task.metrics[0]
    averages = [g for g in gains if (g.task, g.metric, g.quantity) == (task.name, metric, ZERO_SHOT)]
    compared = [gain.gain for gain in averages if gain.gain is not None]
    found = {f"{task.name}/best/{metric}": max(gain.score for gain in averages)} if averages else {}
    return found | ({f"{task.name}/largest_gain/{metric}": max(compared)} if compared else {})
