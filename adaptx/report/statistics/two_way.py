"""How much a mean gain would vary with other test rows and other seeds: one interval for both.

Other rows could have been drawn, and models could have been trained from other seeds. Both change the mean gain. Its
variance is rows + seeds - overlap:

- rows: the variance of the mean over seeds under the bootstrap, which draws whole clusters of rows;
- seeds: the variance of the gains of the single seeds, divided by the number of seeds;
- overlap: how differently the gains of the seeds change when rows are drawn again. Both other terms contain it.

Source: Owen 2007, The pigeonhole bootstrap (Annals of Applied Statistics 1(2), arXiv:0712.1111), section 3, for the
variance of a mean of crossed random effects. `half_width` makes an interval and a test from the variance.

An arm is one variant, given by its gains over the baseline (one per seed). Suffixes of arrays: S seeds, R resamples.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from adaptx.report.statistics.bootstrap import LEVEL, Floats
from adaptx.report.statistics.half_width import half_width, p_value, satterthwaite
from adaptx.report.statistics.over_seeds import LEAST_SEEDS
from adaptx.report.statistics.power import detectable_effect

SHARED = 0.5
"""Correlation over seeds of two arms' gains over the same baseline, if arms and baseline vary equally over seeds."""


@dataclass(frozen=True, kw_only=True)
class RowVariance:
    """The variance of a gain when rows are redrawn.

    Attributes:
        mean: the variance of the mean gain over seeds.
        by_seed: the part of `mean` that arises because seeds react differently.
    """

    mean: float
    by_seed: float


@dataclass(frozen=True, kw_only=True)
class SeedVariance:
    """The variance of a gain over seeds, with the degrees of freedom of its estimate."""

    variance: float
    degrees: float


@dataclass(frozen=True, kw_only=True)
class TwoWay:
    """A mean gain with its error, which gives its interval, its p-value and the detectable gain.

    Attributes:
        row_error, seed_error: the standard errors from the choice of rows, and from that of seeds.
        standard_error: the error from both together.
        seed_degrees: degrees of freedom of `seed_error`; infinite if it is about rows alone.
    """

    mean: float
    standard_error: float
    row_error: float
    seed_error: float
    seed_degrees: float

    @property
    def degrees(self) -> float:
        """Degrees of freedom of `standard_error`; infinite if all seeds have the same gain."""
        return float(satterthwaite(*self._parts)) if self.seed_error > 0 else float("inf")

    @property
    def p(self) -> float:
        """The two-sided p-value of the hypothesis that the mean gain is zero."""
        return p_value(self.mean, *self._parts)

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Return the t interval of the mean gain."""
        variance, seeds, degrees = np.array(self._parts)[:, None]
        half = float(half_width(variance, seeds, degrees, level)[0])
        return self.mean - half, self.mean + half

    def detectable(self, level: float = LEVEL) -> float:
        """Return the smallest true gain that a test at `level` finds in 4 of 5 experiments (`POWER`)."""
        return detectable_effect(*self._parts, level)

    @property
    def _parts(self) -> tuple[float, float, float]:
        return self.standard_error**2, self.seed_error**2, self.seed_degrees


def pooled_variance(arms: Sequence[Sequence[float]]) -> SeedVariance | None:
    """Return the variance over seeds, pooled over several arms that have the same baseline, model and task.

    Arms may have different numbers of seeds. Arms with a single seed have no variance and are left out.

    Args:
        arms: the gains of each arm, one per seed.

    Returns:
        The variance, or None if no arm has two seeds.
    """
    several = [arm for arm in arms if len(arm) > 1]
    if not several:
        return None
    weights = np.array([len(arm) - 1 for arm in several], dtype=np.float64)
    variances = np.array([np.var(arm, ddof=1) for arm in several])
    return SeedVariance(
        variance=float(weights @ variances / weights.sum()), degrees=pooled_degrees([len(arm) for arm in several])
    )


def pooled_degrees(seeds: Sequence[int]) -> float:
    """Return the degrees of freedom of a variance over seeds that is pooled over arms with these numbers of seeds.

    Arms share the seeds of their baseline, so their gains are correlated (`SHARED`). For k arms of S seeds, the number
    is therefore not k (S - 1) but (S - 1) k / (1 + (k - 1) SHARED^2), which follows from the variance of a mean of
    correlated sample variances.
    """
    return sum(count - 1 for count in seeds) / (1 + (len(seeds) - 1) * SHARED**2)


def two_way(gains_S: Sequence[float], rows: RowVariance, seeds: SeedVariance | None = None) -> TwoWay | None:
    """Return the mean gain with its error over rows and seeds.

    Args:
        gains_S: the gain of each seed.
        rows: the variance of the gains when rows are redrawn.
        seeds: the variance over seeds, pooled over arms. If the gains' own variance is larger, that one is used with
            its own degrees of freedom, because arms may differ in it (full fine-tuning may vary more than LoRA). None
            uses their own variance.

    Returns:
        The mean with its error. None if there are fewer than three seeds (`LEAST_SEEDS`), or if the gain is the same
        for all rows and seeds.
    """
    count = len(gains_S)
    if count < LEAST_SEEDS:
        return None
    own = SeedVariance(variance=float(np.var(gains_S, ddof=1)), degrees=count - 1)
    used = own if seeds is None or own.variance > seeds.variance else seeds
    of_seeds = used.variance / count
    variance = with_overlap(rows.mean, of_seeds, rows.by_seed)
    if variance <= 0:
        return None
    return TwoWay(
        mean=float(np.mean(gains_S)),
        standard_error=variance**0.5,
        row_error=rows.mean**0.5,
        seed_error=of_seeds**0.5,
        seed_degrees=used.degrees,
    )


def over_rows(gains_S: Sequence[float], rows: RowVariance) -> TwoWay | None:
    """Return the mean gain with its error over rows alone, by the normal distribution; None if nothing varies."""
    if rows.mean <= 0:
        return None
    error = rows.mean**0.5
    mean = float(np.mean(gains_S))
    return TwoWay(mean=mean, standard_error=error, row_error=error, seed_error=0.0, seed_degrees=float("inf"))


def with_overlap(rows: float, seeds: float, both: float) -> float:
    """Return the variance over rows and seeds, given each of the two and the part that both contain.

    The result is at least as large as either, even if the estimates contradict each other by chance.
    """
    return max(rows + seeds - both, rows, seeds)


def row_variance(resampled_SR: Floats) -> RowVariance:
    """Return the variances of gains when rows are redrawn. resampled_SR: each seed's gain on the same resamples."""
    seeds = len(resampled_SR)
    # A seed's gain minus the mean over seeds shows how this seed alone responds to the rows.
    mean_R = resampled_SR.mean(axis=0)
    own = np.var(resampled_SR - mean_R, axis=1).sum() / (seeds - 1) / seeds if seeds > 1 else 0.0
    return RowVariance(mean=float(np.var(mean_R)), by_seed=float(own))
