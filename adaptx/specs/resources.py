"""Resources: where and in which pieces a stage runs. None of it changes the result, so none of it is identity."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Resources:
    """device: `cpu`, `cuda`, `cuda:1`, `mps`; None takes the best there is.

    micro_batch_size: most examples, micro_batch_tokens: most tokens (padding left out) in one forward pass; None lets
    the device decide. checkpoint_seconds: time between two checkpoints of a running training. checkpointing: layers
    are computed again in the backward pass (gradient checkpointing), which takes less memory and more time.
    """

    device: str | None = None
    micro_batch_size: int | None = None
    micro_batch_tokens: int | None = None
    checkpoint_seconds: float = 60.0
    checkpointing: bool = False

    def __post_init__(self) -> None:
        for name in ("micro_batch_size", "micro_batch_tokens"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"Resources({name}={value}): it is at least 1, or None")
