"""How a training runs: optimiser, schedule, budget, selection."""

import enum
import math
from dataclasses import KW_ONLY
from typing import Annotated, Literal

from adaptx.errors import UserError
from adaptx.specs.checked import spec
from adaptx.specs.hashing import keep_hash
from adaptx.specs.ranges import Count, Known, NotNegative, Positive, Seed, Share, ShareBelowOne

_NO_FP16 = (
    "fp16 reaches no further than 65,504, and the feed-forward layers of T5, mT5 and their kin go beyond it, so that "
    "losses become NaN; take bf16, which has fp32's range in as little memory, or fp32"
)
Precision = Annotated[Literal["fp32", "bf16"], Known(dict.fromkeys(("fp16", "float16", "half"), _NO_FP16))]
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")


class Schedule(enum.Enum):
    """The learning rate after warm-up."""

    LINEAR = "linear"
    CONSTANT = "constant"
    COSINE = "cosine"


@spec
class Last:
    """Keep the weights of the last step; no development rows are read."""


@spec
class Best:
    """Keep the weights that score best on the task's development set.

    every: steps between two scorings. patience: scorings without improvement after which training stops (None: never).
    """

    every: Count
    patience: Count | None = None


Selection = Last | Best


def precision_refusal(precision: str) -> str | None:
    """Why nothing is computed in this precision, and what to take; None where it is a known one."""
    if precision in PRECISIONS:
        return None
    if precision in ("fp16", "float16", "half"):
        return _NO_FP16
    return f"choose one of {', '.join(PRECISIONS)}"


@keep_hash
@spec
class TrainConfig:
    """Hyper-parameters of one training; all of them are identity.

    Exactly one of `epochs` and `max_steps` is the budget. `warmup` is a share of the steps. `dropout` None keeps the
    checkpoint's own. `head_learning_rate` None is `learning_rate`. `max_length` counts tokens. `weight_decay`
    leaves biases and norms alone.
    """

    learning_rate: Positive
    _: KW_ONLY
    epochs: Positive | None = None
    max_steps: Count | None = None
    batch_size: Count = 32
    seed: Seed = 1
    precision: Precision = "fp32"
    schedule: Schedule = Schedule.LINEAR
    warmup: Share = 0.1
    head_learning_rate: Positive | None = None
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

    def num_steps(self, num_items: int) -> int:
        """Return the optimiser steps of a training over so many items.

        An epoch's last batch is filled up from the next epoch's order, so a part of a batch counts as a step.
        """
        if self.max_steps is not None:
            return self.max_steps
        assert self.epochs is not None
        return max(1, math.ceil(num_items * self.epochs / self.batch_size))
