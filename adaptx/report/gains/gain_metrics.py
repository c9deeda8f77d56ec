"""Gains as metrics of the MLflow runs of their variants, so that MLflow's table of runs compares gains."""

import re
from collections.abc import Mapping, Sequence

from adaptx.report.gains.gain import SOURCE, ZERO_SHOT, Gain
from adaptx.report.gains.seed_gains import by_variant
from adaptx.report.results.measured import Measurements
from adaptx.specs import Evaluate


def gain_metrics(measurements: Measurements, gains: Sequence[Gain]) -> dict[Evaluate, dict[str, float]]:
    """Return, for one evaluation of each compared variant, the metrics of its run, as shares.

    Each seed of a variant has a run of its own. All of these runs have the variant's gain, which is the mean over
    seeds, with its interval and p-values. The metric `.../seed` is the gain of the run's own seed. All names begin with
    `gain/<task>/zero_shot_average` or `gain/<task>/source_languages`, and gains are in the task's first metric. The
    metric `.../primary` is 1 if the recipe declares the gain as an answer to its question, and 0 if it is exploratory.
    """
    told = {
        (gain.task, gain.variant, gain.quantity): gain
        for gain in gains
        if gain.quantity in (ZERO_SHOT, SOURCE) and gain.gain is not None and _is_first(gain, measurements)
    }
    found: dict[Evaluate, dict[str, float]] = {}
    for variant, of_seed in by_variant(measurements):
        metrics: dict[str, float] = {}
        for each in of_seed:
            gain = told.get((each.task, each.variant, each.quantity))
            if gain is not None and each.metric == gain.metric and each.gain is not None:
                metrics |= _named(gain, each.gain)
        if metrics:
            found[variant.evaluate] = metrics
    return found


def _is_first(gain: Gain, measurements: Measurements) -> bool:
    return any((task.name, task.metrics[0]) == (gain.task, gain.metric) for task in measurements.tasks)


def _named(gain: Gain, of_seed: float) -> Mapping[str, float]:
    name = f"gain/{gain.task}/{re.sub(r'[^a-z]+', '_', gain.quantity)}"
    values = {
        "": gain.gain,
        "/seed": of_seed,
        "/low": gain.low,
        "/high": gain.high,
        "/p": gain.p,
        "/p_holm": gain.holm_p,
        "/detectable": gain.detectable,
        "/primary": float(gain.standing == "primary"),
    }
    return {f"{name}{part}": value for part, value in values.items() if value is not None}
