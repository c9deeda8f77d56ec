"""The answer to the recipe's question for one task: its largest gain, with interval and significance test."""

from collections.abc import Sequence

from adaptx.report.cells import interval_text, p_equals, points
from adaptx.report.gains import SOURCE, ZERO_SHOT, Gain
from adaptx.report.statistics.over_seeds import LEAST_SEEDS
from adaptx.specs import Task

ALPHA = 0.05
"""A gain is significant if its corrected p-value is below this."""
MOST_NAMED = 3
"""Maximum number of source languages that a sentence names."""


def answer(task: Task, gains: Sequence[Gain]) -> str:
    """Return how many variants gain significantly after Holm's correction, and the largest gain.

    The answer is about the zero-shot average and, if the task has source languages, about their average too.
    """
    tested = [g for g in gains if (g.task, g.metric) == (task.name, task.metrics[0]) and g.holm_p is not None]
    zero_shot, source = ([g for g in tested if g.quantity == quantity] for quantity in (ZERO_SHOT, SOURCE))
    if not zero_shot and not source:
        return f"{task.name}: no variant here has a matched baseline, so no gain can be computed."
    said = [f"on the zero-shot average, {_told(zero_shot)}"] if zero_shot else []
    if source:
        names = dict.fromkeys(name for gain in source for name in gain.languages)
        where = f"source languages ({', '.join(names)})" if len(names) <= MOST_NAMED else "source languages"
        said.append(f"{'On' if said else 'on'} the {where}, {_told(source)}")
    return f"{task.name}: {'. '.join(said)}."


def _told(compared: Sequence[Gain]) -> str:
    up, down = ([g for g in compared if (g.holm_p or 0.0) < ALPHA and sign * (g.gain or 0.0) > 0] for sign in (1, -1))
    largest = max(up or compared, key=lambda gain: gain.gain or 0.0)
    assert largest.gain is not None
    said = (
        f"{interval_text(largest.gain, largest.low, largest.high)} points of {largest.metric} with {largest.variant}, "
        f"{p_equals(largest.holm_p)} after Holm's correction over {len(compared)} comparisons"
    )
    over_seeds = _over_seeds(largest)
    if up:
        parts = (
            f"{len(up)} of {len(compared)} variants gain significantly over their baselines. The largest gain is "
            f"{said}{over_seeds}"
        )
    else:
        parts = f"no variant gains significantly over its baseline. The largest gain is {said}{over_seeds}"
    lost = points(min(g.gain or 0.0 for g in down)) if down else ""
    return f"{parts}. {len(down)} of the variants lose significantly, at worst {lost} points" if down else parts


def _over_seeds(gain: Gain) -> str:
    assert gain.gain is not None
    if gain.seed_low is None:
        seeds = "one seed" if gain.seeds_compared == 1 else f"{gain.seeds_compared} seeds"
        return f" ({seeds}: an interval over seeds needs at least {LEAST_SEEDS})"
    return f"; interval over {gain.seeds_compared} seeds: {interval_text(gain.gain, gain.seed_low, gain.seed_high)}"
