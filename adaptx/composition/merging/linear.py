"""Weighted sums of updates: averages, model soups and task arithmetic.

Wortsman et al. 2022, arXiv:2203.05482, section 2 (soups); Ilharco et al. 2023, arXiv:2212.04089, section 2 (task
vectors are added, or subtracted by negative weights, times a scale).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from adaptx.composition.merging.updates import Update, blocks
from adaptx.specs import Dare, Linear, MagnitudePruning, MergeRule, SvdRank, TaskArithmetic, Ties


def linear_weights(rule: MergeRule, count: int) -> tuple[float, ...] | None:
    """The weights of a rule over `count` updates where, with its settings, it is a weighted sum of them; else None.

    Nothing dropped or trimmed makes DARE and pruning such sums, and TIES over one update.
    """
    match rule:
        case Linear(weights):
            assert weights is None or isinstance(weights, tuple), "searched weights are found before"
            return weights or (1 / count,) * count
        case TaskArithmetic(scale, weights):
            return tuple(scale * weight for weight in weights or (1.0,) * count)
        case Ties(density, scale):
            return (scale,) if density == 1 and count == 1 else None
        case Dare(drop_rate, _, combine):
            return linear_weights(combine, count) if drop_rate == 0 else None
        case MagnitudePruning(density, combine):
            return linear_weights(combine, count) if density == 1 else None
        case SvdRank(_, combine):
            return linear_weights(combine, count)


def weighted_sum(updates: Sequence[Update], weights: Sequence[float]) -> Tensor:
    """Sum over updates of weight x update, in their order."""
    merged = torch.zeros(updates[0].shape)
    for rows in blocks(updates[0].shape):
        for update, weight in zip(updates, weights, strict=True):
            merged[rows] += update.rows(rows).mul_(weight)
    return merged
