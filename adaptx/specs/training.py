"""How a training runs: optimiser, schedule, budget, selection."""

import enum
from dataclasses import dataclass
from typing import Literal

from adaptx.specs.hashing import keep_hash

Precision = Literal["fp32", "bf16"]
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")


class Schedule(enum.Enum):
    """The learning rate after warm-up."""

    LINEAR = "linear"
    CONSTANT = "constant"
    COSINE = "cosine"


@dataclass(frozen=True)
class Last:
    """Keep the weights of the last step; no development rows are read."""


@dataclass(frozen=True)
class Best:
    """Keep the weights that score best on the task's development set.

    every: steps between two scorings. patience: scorings without improvement after which training stops (None: never).
    """

    every: int
    patience: int | None = None

    def __post_init__(self) -> None:
        if self.every < 1 or (self.patience is not None and self.patience < 1):
            raise ValueError(f"{self}: `every` and `patience` are at least 1")


Selection = Last | Best


def precision_refusal(precision: str) -> str | None:
    """Why nothing is computed in this precision, and what to take; None where it is a known one."""
    if precision in PRECISIONS:
        return None
    if precision in ("fp16", "float16", "half"):
        return (
            "fp16 reaches no further than 65,504, and the feed-forward layers of T5, mT5 and their kin go beyond it, "
            "so that losses become NaN; take bf16, which has fp32's range in as little memory, or fp32"
        )
    return f"choose one of {', '.join(PRECISIONS)}"


@keep_hash
@dataclass(frozen=True)
class TrainConfig:
    """Hyper-parameters of one training; all of them are identity.

    Exactly one of `epochs` and `max_steps` is the budget. `warmup` is a share of the steps. `dropout` None keeps the
    checkpoint's own. `head_learning_rate` None is `learning_rate`. `max_length` counts tokens. `weight_decay`
    leaves biases and norms alone.
    """

    learning_rate: float
    epochs: float | None = None
    max_steps: int | None = None
    batch_size: int = 32
    seed: int = 1
    precision: Precision = "fp32"
    schedule: Schedule = Schedule.LINEAR
    warmup: float = 0.1
    head_learning_rate: float | None = None
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    max_gradient_norm: float = 1.0
    dropout: float | None = None
    max_length: int = 128
    selection: Selection = Last()

    def __post_init__(self) -> None:
        if (self.epochs is None) == (self.max_steps is None):
            raise ValueError(
                f"TrainConfig(epochs={self.epochs}, max_steps={self.max_steps}): give exactly one of the two"
            )
        if reason := precision_refusal(self.precision):
            raise ValueError(f"TrainConfig(precision={self.precision!r}): {reason}")
        checks = {
            "learning_rate": self.learning_rate > 0,
            "epochs": self.epochs is None or self.epochs > 0,
            "max_steps": self.max_steps is None or self.max_steps > 0,
            "batch_size": self.batch_size > 0,
            "seed": self.seed >= 0,
            "warmup": 0 <= self.warmup <= 1,
            "head_learning_rate": self.head_learning_rate is None or self.head_learning_rate > 0,
            "weight_decay": self.weight_decay >= 0,
            "max_gradient_norm": self.max_gradient_norm > 0,
            "dropout": self.dropout is None or 0 <= self.dropout < 1,
            "max_length": self.max_length > 0,
        }
        for name, fine in checks.items():
            if not fine:
                raise ValueError(f"TrainConfig({name}={getattr(self, name)!r}) is out of range")
