"""The smallest true difference that the report's own test finds in 4 of 5 experiments, for a planned design.

The report estimates the variance over seeds from few seeds. It takes the larger of two estimates, with its degrees of
freedom: that of the comparison itself, and one pooled over variants (`adaptx/report/statistics/two_way.py`). Draws at
random tell how these estimates scatter around the true variance. Given the estimates, the probability that the test
finds a difference follows from the normal distribution.

Suffix of arrays: D draws.
"""

import functools
from typing import NamedTuple

import numpy as np

from adaptx.report.power.design import Design
from adaptx.report.power.deviations import Deviations
from adaptx.report.statistics.bootstrap import LEVEL, SEED, Floats
from adaptx.report.statistics.half_width import half_width
from adaptx.report.statistics.over_seeds import LEAST_SEEDS
from adaptx.report.statistics.power import detectable_effect, smallest_effect

DRAWS = 2_000


TINY = 1e-150


class Shares(NamedTuple):
    """Estimates of a variance over seeds, divided by the true variance, shape [D].

    own: from the comparison's own seeds. pooled: pooled over variants or models.
    """

    own: Floats
    pooled: Floats


class Pool(NamedTuple):
    """The models from which the variance over seeds is estimated.

    Attributes:
        seeds, degrees: number of seeds, and degrees of freedom of the estimate.
        arms: number of variants over whose gains the variance is pooled.
        models, weights: for a contrast, the number of models over which the variance is pooled and the contrast's
            weights. If `arms` applies instead, they are 0 and empty.
    """

    seeds: int
    degrees: float
    arms: int
    models: int
    weights: tuple[float, ...]

    def shares(self) -> Shares:
        return _of_block(self.weights, self.models, self.seeds) if self.models else _of_gains(self.arms, self.seeds)


def detectable(
    design: Design, deviations: Deviations, seeds: int | None = None, row_factor: float = 1.0, level: float = LEVEL
) -> float:
    """Return the smallest true difference that the report's test finds in 4 of 5 experiments.

    With fewer than three seeds, the report tests the trained models over rows alone, and so does this function.

    Args:
        design: the comparison.
        deviations: how much it varies with its own number of rows.
        seeds: number of seeds; None is the design's own.
        row_factor: how many times as many test rows there are.
        level: the test rejects at p < 1 - `level`.
    """
    count = seeds or design.seeds
    shared, own = deviations.shared / row_factor, deviations.own / row_factor
    if count < LEAST_SEEDS:
        return detectable_effect(shared + own / count, 0.0, float("inf"), level)
    pool = Pool(count, design.degrees(seeds), len(design.arms), design.blocks, design.weights if design.blocks else ())
    return _over_seeds(shared, own, deviations.seeds, pool, level)


@functools.lru_cache(maxsize=1_024)
def _over_seeds(shared: float, own: float, net: float, pool: Pool, level: float) -> float:
    """Return the detectable difference over rows and seeds. shared, own, net: the three variances of `Deviations`."""
    rows, by_seed, of_seeds = shared + own / pool.seeds, own / pool.seeds, (net + own) / pool.seeds
    shares = pool.shares()
    estimates_D = of_seeds * np.maximum(shares.own, shares.pooled)
    # This is the formula of `two_way`, for all draws at once.
    variance_D = np.maximum(np.maximum(rows + estimates_D - by_seed, rows), estimates_D)
    degrees_D = np.where(shares.own > shares.pooled, pool.seeds - 1, pool.degrees)
    limits_D = half_width(variance_D, estimates_D, degrees_D, level)
    return smallest_effect(limits_D, max((rows + of_seeds - by_seed) ** 0.5, TINY))


@functools.lru_cache(maxsize=256)
def _of_gains(arms: int, seeds: int) -> Shares:
    """Return the shares for gains of several variants over one baseline that varies as much as they do."""
    scores_DAS = np.random.default_rng(SEED).normal(size=(DRAWS, arms + 1, seeds))
    variances_DA = np.var(scores_DAS[:, 1:] - scores_DAS[:, :1], axis=2, ddof=1) / 2
    return Shares(variances_DA[:, 0], variances_DA.mean(axis=1))


@functools.lru_cache(maxsize=256)
def _of_block(weights: tuple[float, ...], models: int, seeds: int) -> Shares:
    """Return the shares for a contrast with these weights, pooled over `models` models with the same seeds."""
    scores_DAS = np.random.default_rng(SEED).normal(size=(DRAWS, models, seeds))
    contrast_DS = np.einsum("a,das->ds", np.array(weights), scores_DAS[:, : len(weights)])
    centred_DAS = scores_DAS - scores_DAS.mean(axis=2, keepdims=True)
    residual_DAS = centred_DAS - centred_DAS.mean(axis=1, keepdims=True)
    own_D = np.var(contrast_DS, axis=1, ddof=1) / np.square(weights).sum()
    return Shares(own_D, np.square(residual_DAS).sum(axis=(1, 2)) / ((models - 1) * (seeds - 1)))
