"""The trainings of several recipes: intermediate tasks, and targets alone or after one of them, at searched rates."""

from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

from adaptx import Mixture, ModelSpec, Pretrained, Sequential, Start, Task, Train, TrainConfig, tune

Intermediate = Callable[[ModelSpec, Task | Mixture, int], Train]
Target = Callable[[ModelSpec, Task, int, Train | None], Train]


def searched_trainings(chosen: SimpleNamespace, passage_tokens: int = 384) -> tuple[Intermediate, Target]:
    """Return two functions: one makes an intermediate training, the other a target training, alone or after one.

    The rate of a target is searched twice, alone and after the first intermediate task. An intermediate training has
    the rate of the first target alone.
    """
    first_task, first_target = next(iter(chosen.before)), next(iter(chosen.targets))

    def train(
        checkpoint: ModelSpec, task: Task | Mixture, seed: int, rate: Any, start: Start, limit=None, **more
    ) -> Train:  # fmt: skip
        tokens = passage_tokens if task.reads_passages else 128
        config = TrainConfig(rate, seed=seed, precision="bf16", max_length=tokens, **chosen.settings, **more)
        return Train(checkpoint, task, chosen.method, config, start, limit=limit)

    @cache
    def intermediate(checkpoint: ModelSpec, task: Task | Mixture, seed: int) -> Train:
        alone = rate(checkpoint, first_target, False)
        return train(checkpoint, task, seed, alone, Pretrained(), **chosen.before[task])

    def at_rate(checkpoint: ModelSpec, task: Task, seed: int, value: Any, before: Train | None) -> Train:
        start = Pretrained() if before is None else Sequential(before)
        return train(checkpoint, task, seed, value, start, **chosen.targets[task])

    @cache
    def rate(checkpoint: ModelSpec, task: Task, is_continued: bool) -> Any:
        """Search for a target's rate, from the checkpoint or after the first intermediate task."""

        def trial(value: float, seed: int) -> Train:
            before = intermediate(checkpoint, first_task, seed) if is_continued else None
            return at_rate(checkpoint, task, seed, value, before)

        return tune(trial, chosen.grid, seeds=(101,), limit=500)

    def target(checkpoint: ModelSpec, task: Task, seed: int, before: Train | None) -> Train:
        return at_rate(checkpoint, task, seed, rate(checkpoint, task, before is not None), before)

    return intermediate, target
