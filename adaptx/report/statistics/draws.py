"""Means of several models over their seeds, and the error of a weighted sum of such means, over rows and seeds.

A slope over model sizes, the difference of two gaps and a single score are all such sums. The change from a small to a
large model, for example, has the weights -1 and 1. All models are scored on the same rows, so redrawing rows moves
their means together.

The variance of a sum is rows + seeds, minus the part that both contain (see `two_way`):

- rows: the variance of the sum on redrawn rows;
- seeds: a variance over seeds per group of models. Gains over the same baselines are one group: a seed moves all of
  them, through its baseline and its training rows. The group is therefore summed seed by seed, and the variance of
  these sums counts. A baseline that moves all gains alike does not move a slope. As in contrasts, the variance is the
  one pooled over the group (`blocks`), or that of the sums if it is larger. Any other model is a group of its own, with
  its own variance, because small models often vary more.

Suffixes of arrays: M models, S seeds, R resamples.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from adaptx.report.statistics.blocks import block_variance
from adaptx.report.statistics.bootstrap import Floats
from adaptx.report.statistics.over_seeds import LEAST_SEEDS
from adaptx.report.statistics.two_way import SeedVariance, TwoWay, row_variance, with_overlap

_ROUNDING = 1e-24
"""A variance below this comes from rounding: shares are at most 1, and are sums of a few numbers."""


@dataclass(frozen=True, eq=False)
class Draws:
    """A score or gain of one model.

    Attributes:
        by_seed_S: its value for each seed.
        redrawn_SR: the same values on redrawn rows.
        baselines: a gain's baselines, given as the `id` of one model per seed; empty for a score.
    """

    by_seed_S: Floats
    redrawn_SR: Floats
    baselines: tuple[int, ...] = ()

    @property
    def mean(self) -> float:
        """The mean over seeds."""
        return float(self.by_seed_S.mean())

    def minus(self, other: "Draws") -> "Draws":
        """Return the difference to another quantity of the same model, such as the score in other languages."""
        return Draws(self.by_seed_S - other.by_seed_S, self.redrawn_SR - other.redrawn_SR, self.baselines)

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


@dataclass(frozen=True, eq=False)
class SeveralMeans:
    """Means of several models over their seeds. Their redrawn values must come from the same resamples.

    Attributes:
        groups: places of the models that are summed seed by seed. Each model is in one group.
    """

    models: tuple[Draws, ...]
    groups: tuple[tuple[int, ...], ...]
    mean_M: Floats

    @property
    def over_seeds(self) -> bool:
        """Whether every model has at least `LEAST_SEEDS` seeds. Otherwise errors are over rows alone."""
        return all(len(each.by_seed_S) >= LEAST_SEEDS for each in self.models)

    def weighted(self, weight_M: Floats) -> TwoWay | None:
        """Return the weighted sum of the means with its error; None if nothing varies.

        The degrees of freedom of the variance over seeds follow Satterthwaite 1946, because each group has its own.
        """
        sums = [self._sum(group, weight_M) for group in self.groups]
        rows = float(np.var(np.sum([each.redrawn_SR.mean(axis=0) for each in sums], axis=0)))
        by_seed, seeds, estimate = 0.0, 0.0, 0.0
        if self.over_seeds:
            by_seed = sum(row_variance(each.redrawn_SR).by_seed for each in sums)
            for group, each in zip(self.groups, sums, strict=True):
                over = self._over_seeds(group, each, weight_M)
                of_mean = over.variance / len(each.by_seed_S)
                seeds, estimate = seeds + of_mean, estimate + of_mean**2 / over.degrees
        variance = with_overlap(rows, seeds, by_seed)
        if variance < _ROUNDING:
            return None
        return TwoWay(
            mean=float(weight_M @ self.mean_M),
            standard_error=variance**0.5,
            row_error=rows**0.5,
            seed_error=seeds**0.5,
            seed_degrees=seeds**2 / estimate if seeds > 0 else np.inf,
        )

    def _sum(self, group: tuple[int, ...], weight_M: Floats) -> Draws:
        """Return the weighted sum of a group's models, seed by seed."""
        models = [(weight_M[place], self.models[place]) for place in group]
        return Draws(
            np.sum([weight * each.by_seed_S for weight, each in models], axis=0),
            np.sum([weight * each.redrawn_SR for weight, each in models], axis=0),
        )

    def _over_seeds(self, group: tuple[int, ...], summed: Draws, weight_M: Floats) -> SeedVariance:
        """Return the variance over seeds of a group's weighted sum. It is pooled if the group's weights cancel."""
        own = SeedVariance(variance=float(np.var(summed.by_seed_S, ddof=1)), degrees=len(summed.by_seed_S) - 1)
        weights = weight_M[list(group)]
        if abs(weights.sum()) > 1e-9 * float(np.abs(weights).sum()):
            return own
        pooled = block_variance(np.stack([self.models[place].by_seed_S for place in group]), list(weights))
        return own if pooled is None or own.variance > pooled.variance else pooled


def several_means(models: Sequence[Draws]) -> SeveralMeans:
    """Return the means of several models. Gains over the same baselines are one group.

    Two gains that share only some baselines are in different groups. In a slope, whose weights add up to zero, this
    makes the error too large and not too small.
    """
    groups: dict[tuple[tuple[int, ...], int | None], list[int]] = {}
    for place, each in enumerate(models):
        groups.setdefault((each.baselines, None if each.baselines else place), []).append(place)
    means_M = np.array([each.mean for each in models])
    return SeveralMeans(tuple(models), tuple(tuple(group) for group in groups.values()), means_M)
