"""The variance of a contrast over seeds, from the scores of several arms that were trained with the same seeds.

An arm is one variant, given by its mean score with each seed. A seed moves the scores of all arms in the same
direction, because it gives them the same training rows in the same order. A contrast cancels this movement. Its
variance is what remains after arm means and seed means are removed.

Source: Fisher 1935, The Design of Experiments, chapter 4 (randomised blocks; here, each seed is a block). Suffixes of
arrays: A arms, S seeds.
"""

from collections.abc import Sequence

import numpy as np

from adaptx.report.statistics.bootstrap import Floats
from adaptx.report.statistics.two_way import SeedVariance


def block_variance(scores_AS: Floats, weights: Sequence[float]) -> SeedVariance | None:
    """Return the variance over seeds of a weighted sum of arms, pooled over all arms.

    With two arms and the weights 1 and -1, this is the variance of their differences.

    Args:
        scores_AS: the score of each arm with each seed. Arms beyond the contrast's own make the estimate more exact.
        weights: the weights of the contrast's own arms. They add up to zero.

    Returns:
        The variance with (A - 1) (S - 1) degrees of freedom, or None with fewer than two arms or seeds.
    """
    arms, seeds = scores_AS.shape
    degrees = (arms - 1) * (seeds - 1)
    if not degrees:
        return None
    mean_A1, mean_1S = scores_AS.mean(axis=1, keepdims=True), scores_AS.mean(axis=0, keepdims=True)
    residual_AS = scores_AS - mean_A1 - mean_1S + scores_AS.mean()
    residual_variance = float((residual_AS**2).sum() / degrees)
    return SeedVariance(variance=residual_variance * float(np.square(weights).sum()), degrees=degrees)
