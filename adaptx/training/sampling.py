"""Sampling of the examples of each training step.

Each task's examples come in a new random order per epoch. In a mixture, a task is drawn at random for each example. A
step's examples depend only on the step's index, the seed and the sizes, so a resumed training needs no sampler state.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from adaptx.specs import Sampling, TrainConfig
from adaptx.specs.mixture import epoch_items, task_shares

# A generator's seed is seed x MAX_EPOCH + epoch (or step), so that different seeds share no random order.
MAX_EPOCH = 1_000_003
TASK_STRIDE = 1 << 24
"""Distance between the seeds of a mixture's tasks, so that no two tasks get the same random order."""


class Sampler:
    """The sampler of a training's batches. sizes: number of items per task. sampling: None for a single task."""

    def __init__(self, sizes: Sequence[int], config: TrainConfig, sampling: Sampling | None = None) -> None:
        self.sizes, self.config = tuple(sizes), config
        self._shares = task_shares(self.sizes, sampling) if sampling is not None else None
        self._drawn_before = [np.zeros(len(sizes), dtype=np.int64)]
        self.num_steps = config.num_steps(epoch_items(self.sizes, sampling))

    def batch(self, step: int) -> list[tuple[int, list[int]]]:
        """Return a step's items by task: [(0, [5, 2]), (1, [7])] are items 5 and 2 of task 0 and item 7 of task 1.

        Tasks without items in this step are left out. Steps count from 0.
        """
        size, seed = self.config.batch_size, self.config.seed
        if self._shares is None:
            return [(0, batch_indices(step, self.sizes[0], size, seed))]
        counts, before = self._counts(step), self._items_drawn_before(step)
        return [
            (task, _stream(int(before[task]), int(counts[task]), self.sizes[task], seed + task * TASK_STRIDE))
            for task in range(len(self.sizes))
            if counts[task]
        ]

    def _counts(self, step: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        assert self._shares is not None
        return np.random.default_rng([self.config.seed, step]).multinomial(self.config.batch_size, self._shares)

    def _items_drawn_before(self, step: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        while len(self._drawn_before) <= step:
            last = len(self._drawn_before) - 1
            self._drawn_before.append(self._drawn_before[last] + self._counts(last))
        return self._drawn_before[step]


def batch_indices(step: int, num_items: int, batch_size: int, seed: int) -> list[int]:
    """Return the item indices of a step's batch. Steps count from 0.

    The batches are consecutive slices of an endless stream: a random order of all items, then another one, and so on.
    """
    return _stream(step * batch_size, batch_size, num_items, seed)


def _stream(position: int, count: int, num_items: int, seed: int) -> list[int]:
    return [
        index
        for epoch, first, last in _slices_of_stream(position, count, num_items)
        for index in _order(epoch, num_items, seed)[first:last].tolist()
    ]


def _slices_of_stream(position: int, count: int, num_items: int) -> Iterator[tuple[int, int, int]]:
    # Each slice is (epoch, first, last).
    while count:
        epoch, first = divmod(position, num_items)
        taken = min(count, num_items - first)
        yield epoch, first, first + taken
        position, count = position + taken, count - taken


@lru_cache(maxsize=16)
def _order(epoch: int, num_items: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed * MAX_EPOCH + epoch)
    return torch.randperm(num_items, generator=generator)
