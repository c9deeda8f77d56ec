"""What rules are given: one tensor's updates, read a block of rows at a time.

An update is what a module adds to one tensor of the weights it stands on. A site's LoRA update is as large as the
weights beside it, so it is multiplied out in blocks that stay in the processor's cache, never as a whole.

Suffixes: U updates (one a module), R rows, C columns.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from adaptx.specs import MergeRule

BLOCK_ENTRIES = 2**16
EXACT_ENTRIES = 2**20
"""Up to so many entries a threshold is found by looking at all of them at once."""
SAMPLED_ENTRIES = 2**16


@dataclass(frozen=True)
class Update:
    """One module's update of one tensor of `shape` [R, ...]; `rows` gives some of its rows in fp32, as a new tensor."""

    shape: tuple[int, ...]
    rows: Callable[[slice], Tensor]

    @property
    def entries(self) -> int:
        return torch.Size(self.shape).numel()


Combine = Callable[[Sequence[Update], MergeRule, object], Tensor]
"""A rule applied to the updates of one tensor (by its key): what a rule that ends in another one calls."""


def of_tensor(tensor: Tensor) -> Update:
    """The tensor itself is the update."""
    return Update(tuple(tensor.shape), lambda rows: tensor[rows].to(torch.float32, copy=True))


def of_difference(tensor: Tensor, base: Tensor) -> Update:
    return Update(tuple(tensor.shape), lambda rows: tensor[rows].float() - base[rows].float())


def of_product(down: Tensor, up: Tensor, scale: float) -> Update:
    """Scale x up @ down; down [rank, C], up [R, rank]."""
    down, up = down.float(), up.float()
    return Update((up.shape[0], down.shape[1]), lambda rows: (scale * up[rows]) @ down)


def mapped(update: Update, change: Callable[[Tensor, slice], Tensor]) -> Update:
    """The update with every block of rows changed; blocks are always those of `blocks`."""
    return Update(update.shape, lambda rows: change(update.rows(rows), rows))


def blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Slices over the first dimension, each of about BLOCK_ENTRIES entries."""
    row = max(1, torch.Size(shape[1:]).numel())
    step = max(1, BLOCK_ENTRIES // row)
    yield from (slice(first, min(first + step, shape[0])) for first in range(0, shape[0], step))


def by_blocks(updates: Sequence[Update], combine: Callable[[Sequence[Tensor]], Tensor]) -> Tensor:
    """One tensor from the updates' blocks; `combine` may write into those that it is given."""
    shape = updates[0].shape
    merged = torch.empty(shape)
    for rows in blocks(shape):
        merged[rows] = combine([update.rows(rows) for update in updates])
    return merged


def magnitude_threshold(update: Update, density: float) -> float:
    """The smallest magnitude among the `density` share of entries that are largest (at least one entry).

    Exact: a sample brackets the value, one pass counts what lies above the bracket and gathers what lies in it.
    """
    kept = max(1, int(density * update.entries))
    if update.entries > EXACT_ENTRIES:
        # Sampled rows lie in whole blocks, since changed updates are defined by those.
        every = list(blocks(update.shape))
        step = max(1, len(every) * BLOCK_ENTRIES // (4 * SAMPLED_ENTRIES))
        sample = torch.cat([update.rows(rows).abs().flatten() for rows in every[::step]])
        sample = sample[:: max(1, sample.numel() // SAMPLED_ENTRIES)].sort(descending=True).values
        place = kept / update.entries * sample.numel()
        margin = 6 * sample.numel() ** 0.5
        # In fp32, as the entries are: a Python float would be compared as one of twice the digits.
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
            return _largest(bracket, kept - above)
    return _largest(torch.cat([update.rows(rows).abs_().flatten() for rows in blocks(update.shape)]), kept)


def _largest(magnitudes: Tensor, place: int) -> float:
    """The `place`-th largest value, counted from 1."""
    return magnitudes.kthvalue(magnitudes.numel() - place + 1).values.item()
