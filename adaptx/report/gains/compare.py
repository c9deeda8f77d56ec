"""All comparisons of a report: gains and contrasts, with one verdict per test."""

from collections.abc import Sequence
from dataclasses import dataclass

from adaptx.report.gains.contrast import ContrastResult
from adaptx.report.gains.contrasts import contrast_results
from adaptx.report.gains.gain import Gain
from adaptx.report.gains.gains import compute_gains
from adaptx.report.gains.verdict import Verdicts, verdicts_of
from adaptx.report.results.measured import Measurements
from adaptx.report.statistics.bootstrap import RESAMPLES
from adaptx.specs import Recipe


@dataclass(frozen=True, kw_only=True)
class Comparisons:
    """The gains and contrasts of a report, and the verdicts on them."""

    gains: list[Gain]
    contrasts: Sequence[ContrastResult]
    verdicts: Verdicts


def compare(recipe: Recipe, measurements: Measurements, resamples: int = RESAMPLES) -> Comparisons:
    """Return all gains and contrasts. If a contrast is a gain, both have the verdict of the primary one."""
    primary = recipe.primary_comparisons
    if primary == "contrasts":
        contrasts = contrast_results(recipe.contrasts, measurements, resamples)
        decided = verdicts_of(contrasts)
        gains = compute_gains(measurements, resamples, primary, decided)
    else:
        gains = compute_gains(measurements, resamples, primary)
        decided = verdicts_of(gains)
        contrasts = contrast_results(recipe.contrasts, measurements, resamples, decided)
    return Comparisons(gains=gains, contrasts=contrasts, verdicts=verdicts_of([*contrasts, *gains]))
