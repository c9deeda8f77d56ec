"""The answer to the recipe's question for one task: how many variants gain or lose, and the largest gain."""

from collections.abc import Sequence

from adaptx.report.gains.gain import SOURCE, ZERO_SHOT, Gain
from adaptx.report.results.baselines import DIFFERS
from adaptx.report.statistics.over_seeds import LEAST_SEEDS
from adaptx.report.tables.cells import interval_text, p_equals
from adaptx.report.tables.exaggeration import exaggeration
from adaptx.specs import Task

MOST_NAMED = 3
"""Maximum number of source languages, or of variants, that a sentence names."""


def answer(task: Task, gains: Sequence[Gain]) -> str:
    """Return the task's name with its verdicts (`told_verdicts`), and a sentence if there are too few seeds."""
    compared = answering(task, gains)
    said = told_verdicts(task, gains)
    few = few_seeds(compared)
    return f"{named(task, compared)}: {said[:1].lower()}{said[1:]}{f' {few}' if few else ''}"


def named(task: Task, compared: Sequence[Gain]) -> str:
    """Return the task's name, with `(exploratory)` if none of the comparisons is primary."""
    return f"{task.name}{' (exploratory)' if {gain.standing for gain in compared} == {'exploratory'} else ''}"


def answering(task: Task, gains: Sequence[Gain]) -> list[Gain]:
    """Return the tested gains of a task's first metric in the zero-shot average and in the source languages."""
    tested = [g for g in gains if (g.task, g.metric) == (task.name, task.metrics[0]) and g.holm_p is not None]
    return [gain for gain in tested if gain.quantity in (ZERO_SHOT, SOURCE)]


def told_verdicts(task: Task, gains: Sequence[Gain]) -> str:
    """Return sentences with the largest gain and the verdict counts (gain, loss, undecided) after Holm's correction.

    They are about the zero-shot average and, if the task has source languages, the average over these.
    """
    compared = answering(task, gains)
    zero_shot, source = ([g for g in compared if g.quantity == quantity] for quantity in (ZERO_SHOT, SOURCE))
    if not compared:
        return "No variant here can be compared with a matched baseline."
    said = [f"On the zero-shot average, {_told(zero_shot)}"] if zero_shot else []
    if source:
        names = dict.fromkeys(name for gain in source for name in gain.languages)
        where = f"source languages ({', '.join(names)})" if len(names) <= MOST_NAMED else "source languages"
        said.append(f"On the {where}, {_told(source)}")
    return f"{'. '.join(said)}.{_constant(task, gains)}"


def _constant(task: Task, gains: Sequence[Gain]) -> str:
    """Return how many variants predict a single class in some language, as a sentence; empty if none does."""
    of_task = [gain for gain in gains if gain.task == task.name and gain.is_language]
    found = list(dict.fromkeys(gain.variant for gain in of_task if gain.one_class))
    if not found:
        return ""
    names = ", ".join(found[:MOST_NAMED]) + (", ..." if len(found) > MOST_NAMED else "")
    return (
        f" {len(found)} of {len({gain.variant for gain in of_task})} variants always predict"
        f"{'s' * (len(found) == 1)} the same class in at least one language ({names}): scores there are those of a "
        "constant."
    )


def verdict_counts(compared: Sequence[Gain]) -> str:
    """Return the verdicts of comparisons in words: `3 of 5 variants gain, 1 loses, 1 is undecided`."""
    up, down, open_ = (sum(gain.sign == sign for gain in compared) for sign in (1, -1, 0))
    things = "variants" if all(gain.over_seeds for gain in compared) else "trained variants"
    if len(compared) == 1:
        return f"the one {things[:-1]} {'gains' if up else 'loses' if down else 'is undecided'}"
    return (
        f"{up} of {len(compared)} {things} gain{'s' * (up == 1)}, {down} lose{'s' * (down == 1)}, "
        f"{open_} {'is' if open_ == 1 else 'are'} undecided"
    )


def _told(compared: Sequence[Gain]) -> str:
    parts = [verdict_counts(compared)]
    largest = max(compared, key=lambda gain: (gain.sign, gain.gain or 0.0))
    lowest = min(compared, key=lambda gain: (gain.sign, gain.gain or 0.0))
    best = "The largest gain" if (largest.gain or 0.0) > 0 else "The best"
    parts.append(f"{best} is {_shown(largest)}")
    if largest.sign > 0 and (said := exaggeration(largest.gain, largest.corrected_detectable)):
        parts.append(said)
    if lowest.sign < 0 and lowest is not largest:
        parts.append(f"The largest loss is {_shown(lowest)}")
    return ". ".join(parts)


def _shown(gain: Gain) -> str:
    assert gain.gain is not None
    corrected = f", corrected for {gain.family_size} comparisons" if gain.family_size > 1 else ""
    over = f"over rows and {gain.seeds_compared} seeds" if gain.over_seeds else "over rows"
    return (
        f"{interval_text(gain.gain, gain.corrected_low, gain.corrected_high)} points of {gain.metric} with "
        f"{gain.variant} (95% interval {over}{corrected}; {p_equals(gain.holm_p)}{_unlike_baseline(gain)})"
    )


def _unlike_baseline(gain: Gain) -> str:
    """Return `; baseline differs in learning_rate` if the baseline has another one; empty if all settings are equal."""
    found = [note for note in gain.note.split("; ") if note.startswith(DIFFERS)]
    return f"; {', '.join(found)}" if found else ""


def few_seeds(compared: Sequence[Gain]) -> str:
    """Return a sentence about the variants with fewer than three seeds; empty if there are none."""
    few = {gain.variant: gain.seeds_compared for gain in compared if not gain.over_seeds}
    if not few:
        return ""
    counts = sorted(set(few.values()))
    seeds = "one seed" if counts == [1] else f"{' or '.join(map(str, counts))} seeds"
    who = "Each variant was" if len(few) == len({gain.variant for gain in compared}) else f"{len(few)} variants were"
    return (
        f"{who} trained with {seeds}, so this compares these trained models and not the methods: with another seed, "
        f"a gain may differ by several points. To cover that, train at least {LEAST_SEEDS} seeds of every variant and "
        "baseline."
    )
