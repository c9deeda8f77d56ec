"""Weighted sums of updates: averages, model soups and task arithmetic.

Model soups: Wortsman et al. 2022, arXiv:2203.05482, section 2. Task arithmetic: Ilharco et al. 2023, arXiv:2212.04089,
section 2 (task vectors are multiplied by a scale and added; negative weights subtract them).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from adaptx.composition.merging.updates import Update, blocks


def weighted_sum(updates: Sequence[Update], weights: Sequence[float]) -> Tensor:
    """Return the sum of weight x update over all updates, added in their order."""
    merged = torch.zeros(updates[0].shape)
    for rows in blocks(updates[0].shape):
        for update, weight in zip(updates, weights, strict=True):
            merged[rows] += update.rows(rows).mul_(weight)
    return merged
