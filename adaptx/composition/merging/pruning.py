"""Magnitude pruning (Han et al. 2015, arXiv:1506.02626, section 3): keep the largest entries of each update's tensor.

The other entries become zero. This is also the first step of TIES.
"""

from collections.abc import Sequence

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from adaptx.composition.merging.updates import Combine, Update, magnitude_threshold, mapped
from adaptx.specs import MagnitudePruning


def magnitude_pruning(updates: Sequence[Update], rule: MagnitudePruning, key: object, combine: Combine) -> Tensor:
    """Prune the updates, then merge them by another rule, `rule.combine` (such as `Linear`)."""
    return combine(pruned(updates, rule.density), rule.combine, key)


def pruned(updates: Sequence[Update], density: float) -> list[Update]:
    """Return the updates with small entries set to zero. density: the share of entries to keep, such as 0.2."""
    return [_pruned(update, density) for update in updates] if density < 1 else list(updates)


def _pruned(update: Update, density: float) -> Update:
    threshold = magnitude_threshold(update, density)
    if not threshold:
        return update
    # Hard shrinkage sets magnitudes up to its bound to zero, but entries at the threshold must stay.
    below = float(np.nextafter(np.float32(threshold), np.float32(0)))
    return mapped(update, lambda block, _: F.hardshrink(block, below))
