"""DARE (Yu et al. 2024, arXiv:2311.03099, section 3.2): drop entries of updates at random and rescale the rest.

The entries to drop are drawn by a new random generator for every tensor, every module and every block of rows. The
result therefore does not depend on the order in which tensors are merged.
"""

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

from adaptx.composition.merging.updates import Combine, Update, mapped
from adaptx.specs import Dare


def dare(updates: Sequence[Update], rule: Dare, key: object, combine: Combine) -> Tensor:
    """Drop entries of the updates, then merge the updates by another rule, `rule.combine` (such as `Ties`)."""
    return combine(dropped(updates, rule, key), rule.combine, key)


def dropped(updates: Sequence[Update], rule: Dare, key: object) -> list[Update]:
    """Return the updates after dropping each entry with probability `drop_rate`.

    A dropped entry becomes 0. Other entries are divided by 1 - drop_rate.
    """
    return [_dropped(update, rule, (key, place)) for place, update in enumerate(updates)]


def keep_mask(shape: Sequence[int], rule: Dare, place: object) -> Tensor:
    """Return a boolean mask that is True for the entries to keep.

    The mask depends only on the rule's seed and drop rate, on the shape, and on `place`, which identifies the block's
    tensor, module and rows.
    """
    digest = hashlib.sha256(repr((rule.seed, place)).encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big", signed=True))
    return torch.rand(tuple(shape), generator=generator) >= rule.drop_rate


def _dropped(update: Update, rule: Dare, place: tuple[object, int]) -> Update:
    def drop(block: Tensor, rows: slice) -> Tensor:
        mask = keep_mask(block.shape, rule, (*place, rows.start))
        return block.mul_(mask).div_(1 - rule.drop_rate)

    return mapped(update, drop)
