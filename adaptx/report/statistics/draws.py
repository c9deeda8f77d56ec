"""Means of several models over their seeds, and the error of a weighted sum of such means, over rows and seeds.

A slope over model sizes, the difference of two gaps and a single score are all such sums. The change from a small to a
large model, for example, has the weights -1 and 1. All models are scored on the same rows, so redrawing rows moves
their means together. Each model has its own seeds, which move its own mean only.

With the weights w, the variance of a sum is w' R w + sum(w^2 s), minus the part that both terms contain (see
`two_way`):

- R: the covariance of the means on redrawn rows;
- s: each model's own variance over its seeds, because small models often vary more.

Suffixes of arrays: M models, S seeds, R resamples.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from adaptx.report.statistics.bootstrap import Floats
from adaptx.report.statistics.over_seeds import LEAST_SEEDS
from adaptx.report.statistics.two_way import TwoWay, row_variance, with_overlap

_ROUNDING = 1e-24
"""A variance below this comes from rounding: shares are at most 1, and are sums of a few numbers."""


@dataclass(frozen=True, eq=False)
class Draws:
    """A score or gain of one model.

    Attributes:
        by_seed_S: its value for each seed.
        redrawn_SR: the same values on redrawn rows.
    """

    by_seed_S: Floats
    redrawn_SR: Floats

    @property
    def mean(self) -> float:
        """The mean over seeds."""
        return float(self.by_seed_S.mean())

    def minus(self, other: "Draws") -> "Draws":
        """Return the difference to another quantity of the same model, such as the score in other languages."""
        return Draws(self.by_seed_S - other.by_seed_S, self.redrawn_SR - other.redrawn_SR)

    @property
    def test(self) -> TwoWay | None:
        """The mean with its error; None if the value is the same for all rows and seeds."""
        return several_means([self]).weighted(np.ones(1))

    def redrawn_mean(self, generator: np.random.Generator) -> Floats:
        """Return the mean on redrawn rows and seeds, shape [R]. With fewer than `LEAST_SEEDS` seeds, redraw rows alone.

        Drawing S seeds with replacement gives a variance that is too small by (S - 1) / S, so deviations from the mean
        over seeds are stretched (Davison and Hinkley 1997, Bootstrap Methods and their Application, section 2.3).
        """
        mean_R = self.redrawn_SR.mean(axis=0)
        seeds, resamples = self.redrawn_SR.shape
        if seeds < LEAST_SEEDS:
            return mean_R
        drawn_SR = generator.integers(0, seeds, (seeds, resamples))
        of_drawn_R = np.take_along_axis(self.redrawn_SR, drawn_SR, axis=0).mean(axis=0)
        return mean_R + (seeds / (seeds - 1)) ** 0.5 * (of_drawn_R - mean_R)


@dataclass(frozen=True, eq=False, kw_only=True)
class SeveralMeans:
    """Means of several models over their seeds, with the parts of their error.

    Attributes:
        rows_MM: covariance of the means on redrawn rows.
        seeds_M: variance of each mean over seeds; zero if `over_seeds` is False.
        degrees_M: degrees of freedom of `seeds_M`; infinite if `over_seeds` is False.
        by_seed_M: the part that both variances contain; zero if `over_seeds` is False.
        over_seeds: whether every model has at least `LEAST_SEEDS` seeds. Otherwise errors are over rows alone.
    """

    mean_M: Floats
    rows_MM: Floats
    seeds_M: Floats
    degrees_M: Floats
    by_seed_M: Floats
    over_seeds: bool

    def weighted(self, weight_M: Floats) -> TwoWay | None:
        """Return the weighted sum of the means with its error; None if nothing varies.

        Degrees of freedom follow Satterthwaite 1946, because each model has a variance over seeds of its own.
        """
        square_M = weight_M**2
        rows = float(weight_M @ self.rows_MM @ weight_M)
        parts_M = square_M * self.seeds_M
        seeds = float(parts_M.sum())
        variance = with_overlap(rows, seeds, float(square_M @ self.by_seed_M))
        if variance < _ROUNDING:
            return None
        degrees = seeds**2 / float((parts_M**2 / self.degrees_M).sum()) if seeds > 0 else np.inf
        return TwoWay(
            mean=float(weight_M @ self.mean_M),
            standard_error=variance**0.5,
            row_error=max(rows, 0.0) ** 0.5,
            seed_error=seeds**0.5,
            degrees=degrees * (variance / seeds) ** 2 if seeds > 0 else np.inf,
        )


def several_means(models: Sequence[Draws]) -> SeveralMeans:
    """Return the means of several models, whose redrawn values must come from the same resamples."""
    over_seeds = all(len(each.by_seed_S) >= LEAST_SEEDS for each in models)
    mean_MR = np.stack([each.redrawn_SR.mean(axis=0) for each in models])
    nothing_M = np.zeros(len(models))
    return SeveralMeans(
        mean_M=np.array([each.mean for each in models]),
        rows_MM=np.atleast_2d(np.cov(mean_MR, ddof=0)),
        seeds_M=np.array([np.var(each.by_seed_S, ddof=1) / len(each.by_seed_S) for each in models], dtype=np.float64)
        if over_seeds
        else nothing_M,
        degrees_M=np.array([len(each.by_seed_S) - 1.0 for each in models]) if over_seeds else nothing_M + np.inf,
        by_seed_M=np.array([row_variance(each.redrawn_SR).by_seed for each in models]) if over_seeds else nothing_M,
        over_seeds=over_seeds,
    )
