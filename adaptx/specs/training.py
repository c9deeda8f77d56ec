"""How a training runs: optimiser, learning-rate schedule, number of steps, and which weights are kept."""

import abc
import enum
import math
from dataclasses import KW_ONLY
from typing import Annotated, Literal

from adaptx.errors import UserError
from adaptx.specs.checked import spec
from adaptx.specs.hashing import keep_hash
from adaptx.specs.ranges import Count, Known, NotNegative, Positive, Seed, Share, ShareBelowOne

_NO_FP16 = (
    "fp16 holds no number above 65,504, and the feed-forward layers of T5, mT5 and similar models exceed it, so that "
    "losses become NaN; use bf16, which has the range of fp32 and the memory of fp16, or use fp32"
)
Precision = Annotated[Literal["fp32", "bf16"], Known(dict.fromkeys(("fp16", "float16", "half"), _NO_FP16))]
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")


class Schedule(enum.Enum):
    """How the learning rate changes after warm-up."""

    LINEAR = "linear"
    CONSTANT = "constant"
    COSINE = "cosine"


@spec
class Last:
    """Selection of the last step's weights. No development rows are read."""


@spec
class Best:
    """Selection of the weights that score best on the task's development set.

    `every` is the number of steps between two scorings. Training stops after `patience` scorings without improvement.
    None never stops early.
    """

    every: Count
    patience: Count | None = None


Selection = Last | Best


class SearchedRate(abc.ABC):
    """A learning rate that a search will choose. `tune` returns one.

    A plan replaces it by the chosen number before it computes fingerprints.
    """

    @property
    @abc.abstractmethod
    def grid(self) -> tuple[float, ...]:
        """The values among which the search chooses."""


def precision_refusal(precision: str) -> str | None:
    """Return why a precision is not supported and which to use, or None if it is supported."""
    if precision in PRECISIONS:
        return None
    if precision in ("fp16", "float16", "half"):
        return _NO_FP16
    return f"choose one of {', '.join(PRECISIONS)}"


@keep_hash
@spec
class TrainConfig:
    """Hyper-parameters of one training. Each of them is part of the training's fingerprint.

    Attributes:
        learning_rate: peak learning rate, reached at the end of the warm-up: a number, or what `tune` returns.
        epochs: number of passes over the training rows, which may be a fraction. Give exactly one of `epochs` and
            `max_steps`.
        max_steps: number of optimiser steps.
        batch_size: examples per optimiser step, over all micro-batches and processes.
        precision: `fp32`, or `bf16` with the trained weights in fp32.
        warmup: share of the steps over which the learning rate rises from zero.
        head_learning_rate: learning rate of the head, also a number or what `tune` returns; None is `learning_rate`.
        weight_decay: decay of AdamW. Biases and the weights of norms are not decayed.
        betas: decay rates of AdamW's two running means.
        epsilon: small number that AdamW adds to a divisor, so that the division is stable.
        max_gradient_norm: gradients with a larger norm are scaled down to it.
        dropout: dropout probability of the backbone; None keeps the checkpoint's value.
        max_length: maximum number of tokens per sequence.
        selection: which weights are kept.
    """

    learning_rate: Positive | SearchedRate
    _: KW_ONLY
    epochs: Positive | None = None
    max_steps: Count | None = None
    batch_size: Count = 32
    seed: Seed = 1
    precision: Precision = "fp32"
    schedule: Schedule = Schedule.LINEAR
    warmup: Share = 0.1
    head_learning_rate: Positive | SearchedRate | None = None
    weight_decay: NotNegative = 0.01
    betas: tuple[ShareBelowOne, ShareBelowOne] = (0.9, 0.999)
    epsilon: Positive = 1e-8
    max_gradient_norm: Positive = 1.0
    dropout: ShareBelowOne | None = None
    max_length: Count = 128
    selection: Selection = Last()

    def __post_init__(self) -> None:
        if (self.epochs is None) == (self.max_steps is None):
            raise UserError(
                f"TrainConfig(epochs={self.epochs}, max_steps={self.max_steps}): give exactly one of the two"
            )

    @property
    def peak_rates(self) -> tuple[float, float]:
        """The peak learning rates of the module and of the head. Searches must be finished."""
        rate, of_head = self.learning_rate, self.head_learning_rate
        assert not isinstance(rate, SearchedRate) and not isinstance(of_head, SearchedRate)
        return rate, rate if of_head is None else of_head

    def num_steps(self, num_items: int) -> int:
        # Batches run across epochs: the last batch of an epoch is filled up with items of the next one.
        """Return the number of optimiser steps of a training over `num_items` items."""
        if self.max_steps is not None:
            return self.max_steps
        assert self.epochs is not None
        return max(1, math.ceil(num_items * self.epochs / self.batch_size))
