"""TIES (Yadav et al. 2023, arXiv:2306.01708, section 3): trim, elect a sign, average what agrees with it.

Trimming is tensor by tensor, as in peft and mergekit (the paper's code trims all tensors of a model together); entries
that tie at the threshold all stay. Where positive and negative entries balance, the elected sign is plus, as in peft.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from adaptx.composition.merging.pruning import pruned
from adaptx.composition.merging.updates import Combine, Update, by_blocks
from adaptx.specs import Ties


def ties(updates: Sequence[Update], rule: Ties, _key: object, _combine: Combine) -> Tensor:
    """Return scale x the mean of the trimmed entries whose sign is that of their sum."""
    return by_blocks(pruned(updates, rule.density), lambda blocks: _agreed_mean(blocks).mul_(rule.scale))


def _agreed_mean(entries: Sequence[Tensor]) -> Tensor:
    """One update after the other and in place: all of them at once would not stay in the processor's cache."""
    total = entries[0].clone()
    for entry in entries[1:]:
        total += entry
    sign = torch.where(total >= 0, 1.0, -1.0)
    mean, count = torch.zeros_like(total), torch.zeros_like(total)
    for entry in entries:
        # What agrees is positive now, and its signs are ones to be counted.
        agreeing = entry.mul_(sign).clamp_(min=0)
        mean += agreeing
        count += agreeing.sign_()
    return mean.mul_(sign).div_(count.clamp_(min=1))
