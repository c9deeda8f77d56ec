"""The input of merge rules: the modules' updates of one tensor, read one block of rows at a time.

An update is the difference that a module makes to one tensor. A LoRA update is as large as the weight of its linear
map, so it is never computed as a whole, but in blocks that fit in the processor's cache.

Suffixes of tensor and array names, one letter per dimension: R rows, C columns.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from adaptx.specs import MergeRule

BLOCK_ENTRIES = 2**16
EXACT_ENTRIES = 2**20
"""Up to this number of entries, an update's magnitude threshold is computed from all entries at once."""
SAMPLED_ENTRIES = 2**16


@dataclass(frozen=True)
class Update:
    """One module's update of one tensor of `shape` [R, ...].

    rows: returns the rows in a slice, in fp32 and as a new tensor.
    """

    shape: tuple[int, ...]
    rows: Callable[[slice], Tensor]

    @property
    def entries(self) -> int:
        return torch.Size(self.shape).numel()


Combine = Callable[[Sequence[Update], MergeRule, object], Tensor]
"""A function that merges the updates of one tensor by a rule. Its arguments are the updates, the rule and the tensor's
key. A rule that contains another rule calls this function with the inner rule.
"""


def of_tensor(tensor: Tensor) -> Update:
    """Return an update that reads its rows from a tensor."""
    return Update(tuple(tensor.shape), lambda rows: tensor[rows].to(torch.float32, copy=True))


def of_difference(tensor: Tensor, base: Tensor) -> Update:
    return Update(tuple(tensor.shape), lambda rows: tensor[rows].float() - base[rows].float())


def of_product(down: Tensor, up: Tensor, scale: float) -> Update:
    """Return the update scale x up @ down, for `down` [rank, C] and `up` [R, rank]."""
    down, up = down.float(), up.float()
    return Update((up.shape[0], down.shape[1]), lambda rows: (scale * up[rows]) @ down)


def mapped(update: Update, change: Callable[[Tensor, slice], Tensor]) -> Update:
    """Return the update with `change` applied to every block of rows.

    The result's rows may be read only in the slices that `blocks` yields.
    """
    return Update(update.shape, lambda rows: change(update.rows(rows), rows))


def blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Yield slices over the first dimension with about BLOCK_ENTRIES entries each."""
    row = max(1, torch.Size(shape[1:]).numel())
    step = max(1, BLOCK_ENTRIES // row)
    yield from (slice(first, min(first + step, shape[0])) for first in range(0, shape[0], step))


def by_blocks(updates: Sequence[Update], combine: Callable[[Sequence[Tensor]], Tensor]) -> Tensor:
    """Merge updates block by block. `combine` gets the same rows of all updates, and may overwrite them."""
    shape = updates[0].shape
    merged = torch.empty(shape)
    for rows in blocks(shape):
        merged[rows] = combine([update.rows(rows) for update in updates])
    return merged


def magnitude_threshold(update: Update, density: float) -> float:
    """Return the smallest magnitude among the entries to keep. density: the share of entries to keep, such as 0.2.

    At least one entry is kept.
    """
    kept = max(1, int(density * update.entries))
    if update.entries > EXACT_ENTRIES:
        # A sample gives a lower and an upper bound of the result. One pass over all entries then counts those above
        # the bounds and collects those between them, so the result is exact.
        # Sample whole blocks, because the result of `mapped` is defined only for these.
        every = list(blocks(update.shape))
        step = max(1, len(every) * BLOCK_ENTRIES // (4 * SAMPLED_ENTRIES))
        sample = torch.cat([update.rows(rows).abs().flatten() for rows in every[::step]])
        sample = sample[:: max(1, sample.numel() // SAMPLED_ENTRIES)].sort(descending=True).values
        place = kept / update.entries * sample.numel()
        margin = 6 * sample.numel() ** 0.5
        # In fp32, as the entries are, because a Python float has twice as many digits.
        high = np.float32(sample[int(place - margin)].item() if place >= margin else np.inf)
        low = np.float32(sample[int(place + margin)].item() if place + margin < sample.numel() else 0.0)
        above = 0
        inside: list[Tensor] = []
        for rows in every:
            # numpy counts and selects several times faster than torch does on a CPU.
            magnitudes = update.rows(rows).abs_().flatten().numpy()
            above += int(np.count_nonzero(magnitudes > high))
            inside.append(torch.from_numpy(np.compress((magnitudes >= low) & (magnitudes <= high), magnitudes)))
        bracket = torch.cat(inside)
        if above < kept <= above + bracket.numel():
            return _kth_largest(bracket, kept - above)
    return _kth_largest(torch.cat([update.rows(rows).abs_().flatten() for rows in blocks(update.shape)]), kept)


def _kth_largest(magnitudes: Tensor, place: int) -> float:
    return magnitudes.kthvalue(magnitudes.numel() - place + 1).values.item()
