"""Weighted sums of updates: averages, model soups and task arithmetic.

Wortsman et al. 2022, arXiv:2203.05482, section 2 (soups); Ilharco et al. 2023, arXiv:2212.04089, section 2 (task
vectors are added, or subtracted by negative weights, times a scale).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from adaptx.composition.merging.updates import Update, blocks


def weighted_sum(updates: Sequence[Update], weights: Sequence[float]) -> Tensor:
    """Sum over updates of weight x update, in their order."""
    merged = torch.zeros(updates[0].shape)
    for rows in blocks(updates[0].shape):
        for update, weight in zip(updates, weights, strict=True):
            merged[rows] += update.rows(rows).mul_(weight)
    return merged
