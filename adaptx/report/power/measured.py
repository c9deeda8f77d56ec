"""The comparisons of a plan that are already stored, and how much they vary."""

from collections.abc import Mapping

from adaptx.planning.plan import Plan
from adaptx.report.gains.contrasts import estimates, pooled_variances
from adaptx.report.gains.gain import SOURCE, ZERO_SHOT
from adaptx.report.gains.gains import comparisons
from adaptx.report.gains.verdicts import pooled_over_arms
from adaptx.report.power.deviations import Measured
from adaptx.report.power.planned_contrasts import CONTRAST
from adaptx.report.results.measured import Measurements
from adaptx.report.statistics.two_way import row_variance

RESAMPLES = 1_000
"""A variance from so many resamples is known to 5%, and the detectable gain to half of that."""
Key = tuple[str, str, str]
"""Task, quantity and comparison (`Design.key`)."""


def measured_gains(measurements: Measurements) -> Mapping[Key, Measured]:
    """Return the stored gains in averages, in the first metric of each task. Gains equal on all rows are left out."""
    first = {task.name: task.metrics[0] for task in measurements.tasks}
    compared = comparisons(measurements, RESAMPLES)
    pooled = pooled_over_arms(compared)
    found: dict[Key, Measured] = {}
    for each in compared:
        gain, rows = each.gain, each.rows
        if rows is None or gain.quantity not in (ZERO_SHOT, SOURCE) or gain.metric != first[gain.task]:
            continue
        if rows.variance.mean > 0:
            found[gain.task, gain.quantity, gain.variant] = Measured(
                seeds=len(each.by_seed), examples=gain.examples, rows=rows.variance, pooled=pooled[each.arms]
            )
    return found


def measured_contrasts(plan: Plan, measurements: Measurements) -> Mapping[Key, Measured]:
    """Return the stored contrasts of the plan's recipe. Contrasts equal on all rows are left out."""
    estimated = estimates(plan.recipe.contrasts, measurements, RESAMPLES)
    found: dict[Key, Measured] = {}
    for each, pooled in zip(estimated, pooled_variances(estimated), strict=True):
        if each.redrawn_SR is None:
            continue
        rows = row_variance(each.redrawn_SR)
        if rows.mean > 0:
            found[" + ".join(each.result.tasks), CONTRAST, each.result.name] = Measured(
                seeds=len(each.result.by_seed), examples=each.result.examples, rows=rows, pooled=pooled
            )
    return found
