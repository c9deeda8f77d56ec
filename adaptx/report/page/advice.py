"""Advice on a task: one or two sentences that name the variant to use and its cost, or say that none is better."""

from collections.abc import Mapping, Sequence

from adaptx.report.gains.gain import SOURCE, ZERO_SHOT, Gain
from adaptx.report.page.answer import named
from adaptx.report.results.measured import Measurements, Variant, mean_path_seconds
from adaptx.report.tables.cells import percent, seconds
from adaptx.specs import Task

NORMAL_95 = 1.959964
"""A 95% interval of the normal distribution extends by this many standard errors to each side."""
Seconds = Mapping[str, float | None]
"""Label of a variant -> seconds of all stages on its path, averaged over seeds; None if unknown."""


def training_seconds(measurements: Measurements, task: Task) -> dict[str, float | None]:
    """Return the training seconds of each variant of a task by its label, intermediate trainings included."""
    by_label: dict[str, list[Variant]] = {}
    for variant in measurements.variants(task.name):
        by_label.setdefault(variant.label, []).append(variant)
    return {label: mean_path_seconds(seeds) for label, seeds in by_label.items()}


def advice(task: Task, gains: Sequence[Gain], costs: Seconds) -> str:
    """Return which variant to use for a task, or why none can be recommended. Without any comparison, return "".

    The recommended variant gains after Holm's correction and has the highest score among those that do. It is named
    without a recommendation if it has fewer than three seeds, or if the comparison is exploratory. Scores and gains are
    means over the zero-shot languages, or over the source languages if no language is zero-shot.
    """
    of_task = [gain for gain in gains if (gain.task, gain.metric) == (task.name, task.metrics[0])]
    for quantity in (ZERO_SHOT, SOURCE):
        same = [gain for gain in of_task if gain.quantity == quantity]
        compared = [gain for gain in same if gain.holm_p is not None]
        if compared:
            gaining = [gain for gain in compared if gain.sign > 0]
            said = _use(gaining, same, costs) if gaining else _use_none(compared)
            return f"{named(task, compared)}: {said}"
    return ""


def _use(gaining: Sequence[Gain], every: Sequence[Gain], costs: Seconds) -> str:
    best = max(gaining, key=lambda gain: gain.score)
    among = " the highest of those that gain," if len(gaining) > 1 else ""
    scored = f"{percent(best.score)}%,{among} and {_cost(best, costs)}"
    if best.over_seeds:
        advised = "use {}" if best.standing == "primary" else "{} looks best"
        said = f"{advised.format(best.variant)}. Its {best.quantity} is {scored}."
    else:
        said = f"too few seeds to recommend a variant. The {best.quantity} of {best.variant} is {scored}."
        if (limit := largest_deviation(best)) is not None:
            said += f" Its gain stays clear only if gains vary over seeds by less than {percent(limit)} points."
    above = max((gain for gain in every if gain.is_baseline), key=lambda gain: gain.score, default=None)
    if above is not None and above.score > best.score:
        said += f" Without an intermediate task, {above.variant} scores {percent(above.score)}%."
    return said


def largest_deviation(gain: Gain) -> float | None:
    """Return the standard deviation over seeds above which a gain over rows alone would be undecided.

    The test over rows and seeds would then divide the gain by an error that includes this deviation. The normal
    distribution is used, so the true limit is lower. None without an interval.
    """
    if None in (gain.gain, gain.corrected_low, gain.corrected_high, gain.row_low, gain.row_high):
        return None
    assert gain.gain is not None
    assert gain.corrected_low is not None
    assert gain.corrected_high is not None
    assert gain.row_low is not None
    assert gain.row_high is not None
    error = (gain.row_high - gain.row_low) / (2 * NORMAL_95)
    quantile = (gain.corrected_high - gain.corrected_low) / (2 * error) if error else 0.0
    left = (gain.gain / quantile) ** 2 - error**2 if quantile else 0.0
    return max(left, 0.0) ** 0.5 * gain.seeds_compared**0.5


def _cost(gain: Gain, costs: Seconds) -> str:
    own = costs.get(gain.variant)
    theirs = costs.get(gain.baseline) if gain.baseline is not None else None
    if own is None:
        return "the seconds of its training are not known"
    against = f", against {seconds(theirs)} of its baseline" if theirs else ""
    if theirs == 0:
        against = "; its baseline needs none"
    return f"it took {seconds(own)} seconds of training in all{against}"


def _leave_out(compared: Sequence[Gain]) -> str:
    """Return what follows if every comparison is a loss. It also holds where the baseline is not trained at all."""
    if not all(gain.over_seeds for gain in compared):
        return "these trained models score best without an intermediate task."
    if all(gain.standing == "primary" for gain in compared):
        return "leave the intermediate task out."
    return "the score looks best without an intermediate task."


def _use_none(compared: Sequence[Gain]) -> str:
    undecided = [gain for gain in compared if gain.sign == 0]
    if not undecided:
        return f"{_leave_out(compared)} Every intermediate task here made it worse."
    detectable = (gain.corrected_detectable for gain in undecided)
    unseen = max((size for size in detectable if size is not None), default=None)
    limit = (
        f" A true gain below {percent(unseen)} points could have been missed: this design finds only larger ones in 4 "
        "of 5 cases."
        if unseen is not None
        else ""
    )
    return f"no variant is clearly better than its baseline, so nothing here speaks for an intermediate task.{limit}"
