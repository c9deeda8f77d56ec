"""Magnitude pruning: of each update's tensor, the largest entries stay and the others become zero (Han et al. 2015,
arXiv:1506.02626, section 3); the first step of TIES, too.
"""

from collections.abc import Sequence

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from adaptx.composition.merging.updates import Combine, Update, magnitude_threshold, mapped
from adaptx.specs import MagnitudePruning


def magnitude_pruning(updates: Sequence[Update], rule: MagnitudePruning, key: object, combine: Combine) -> Tensor:
    """Return what the rule's `combine` makes of the pruned updates."""
    return combine(pruned(updates, rule.density), rule.combine, key)


def pruned(updates: Sequence[Update], density: float) -> list[Update]:
    """Each update with the `density` share of its entries that are largest in magnitude."""
    return [_pruned(update, density) for update in updates] if density < 1 else list(updates)


def _pruned(update: Update, density: float) -> Update:
    threshold = magnitude_threshold(update, density)
    if not threshold:
        return update
    # Hard shrinkage zeroes magnitudes up to its bound, and the threshold itself stays.
    below = float(np.nextafter(np.float32(threshold), np.float32(0)))
    return mapped(update, lambda block, _: F.hardshrink(block, below))
