"""TIES (Yadav et al. 2023, arXiv:2306.01708, section 3): trim updates, elect signs, and average values that agree.

Each tensor is trimmed on its own, as in peft and mergekit. (The paper's code trims all tensors of a model together.)
Entries that equal the smallest kept magnitude are kept too. If an entry's values cancel out, the elected sign is plus,
as in peft.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from adaptx.composition.merging.pruning import pruned
from adaptx.composition.merging.updates import Combine, Update, by_blocks
from adaptx.specs import Ties


def ties(updates: Sequence[Update], rule: Ties, _key: object, _combine: Combine) -> Tensor:
    """Return scale x mean for each entry. The mean is over the trimmed values that have the same sign as their sum."""
    return by_blocks(pruned(updates, rule.density), lambda blocks: _mean_with_elected_sign(blocks).mul_(rule.scale))


def _mean_with_elected_sign(entries: Sequence[Tensor]) -> Tensor:
    # Updates are processed one after another and in place, because all together would not fit in the processor's cache.
    total = entries[0].clone()
    for entry in entries[1:]:
        total += entry
    sign = torch.where(total >= 0, 1.0, -1.0)
    mean, count = torch.zeros_like(total), torch.zeros_like(total)
    for entry in entries:
        # Values that agree are positive now and all others are 0, so the sum of their signs counts those that agree.
        agreeing = entry.mul_(sign).clamp_(min=0)
        mean += agreeing
        count += agreeing.sign_()
    return mean.mul_(sign).div_(count.clamp_(min=1))
