"""TIES (Yadav et al. 2023, arXiv:2306.01708, section 3): trim, elect a sign, average what agrees with it.

Trimming is tensor by tensor, as in peft and mergekit (the paper's code trims all tensors of a model together); entries
that tie at the threshold all stay. Where positive and negative entries balance, the elected sign is plus, as in peft.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from adaptx.composition.merging.pruning import pruned
from adaptx.composition.merging.updates import Update, by_blocks
from adaptx.specs import Ties


def ties(updates: Sequence[Update], rule: Ties) -> Tensor:
    """Scale x the mean of the trimmed entries whose sign is that of their sum."""
    return by_blocks(pruned(updates, rule.density), lambda blocks_U: rule.scale * _agreed_mean(blocks_U))


def _agreed_mean(entries_U: Tensor) -> Tensor:
    sign = torch.where(entries_U.sum(dim=0) >= 0, 1.0, -1.0)
    # What agrees is positive now, and its signs are ones to be counted.
    agreeing_U = (entries_U * sign).clamp_(min=0)
    return agreeing_U.sum(dim=0).mul_(sign).div_(agreeing_U.sign().sum(dim=0).clamp_(min=1))
