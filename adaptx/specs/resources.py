"""The device that a stage runs on, and how much of a batch it processes at a time.

These settings do not change results and are not part of fingerprints.
"""

import re

from adaptx.errors import UserError
from adaptx.specs.checked import spec
from adaptx.specs.ranges import Count, NotNegative

CPU_MICRO_BATCH_TOKENS = 4_096
ACCELERATOR_MICRO_BATCH_TOKENS = 16_384


@spec
class Resources:
    """Settings that change a stage's memory and time, but not its result.

    Attributes:
        device: `cpu`, `cuda`, `cuda:1` or `mps`; None is the best available one.
        micro_batch_size: maximum number of examples per forward pass; None sets no limit.
        micro_batch_tokens: maximum number of tokens per forward pass, without padding. None is the device's default or,
            if `micro_batch_size` is given, no limit.
        saved_state_seconds: time between two saved states of a running training.
        gradient_checkpointing: whether the backward pass computes the layers' activations again instead of keeping
            them. This takes less memory and more time.
    """

    device: str | None = None
    micro_batch_size: Count | None = None
    micro_batch_tokens: Count | None = None
    saved_state_seconds: NotNegative = 60.0
    gradient_checkpointing: bool = False

    def __post_init__(self) -> None:
        if self.device is not None and not re.fullmatch(r"cpu|mps|cuda(:\d+)?", self.device):
            raise UserError(f"--device {self.device}: there is no such device; use cpu, cuda, cuda:N or mps")

    @property
    def device_type(self) -> str:
        """The device without its number; `cpu` if no device is named."""
        return (self.device or "cpu").partition(":")[0]

    def micro_batch_limits(self, device_type: str) -> tuple[int | None, int | None]:
        """Return the maximum number of tokens and of examples per forward pass; None means no limit.

        If neither is set, the number of tokens is limited to the device's default.
        """
        if self.micro_batch_tokens is not None or self.micro_batch_size is not None:
            return self.micro_batch_tokens, self.micro_batch_size
        return (CPU_MICRO_BATCH_TOKENS if device_type == "cpu" else ACCELERATOR_MICRO_BATCH_TOKENS), None

    def largest_micro_batch(self, examples: int, tokens: int, longest: int) -> int:
        """Return the predicted number of tokens in the largest micro-batch of a batch.

        Args:
            examples: examples in the batch.
            tokens: tokens in the batch, without padding.
            longest: tokens of the batch's longest sequence, which is never split.
        """
        most_tokens, most_examples = self.micro_batch_limits(self.device_type)
        found = tokens
        if most_tokens is not None:
            found = min(found, max(most_tokens, longest))
        if most_examples is not None and examples > most_examples:
            found = min(found, max(longest, tokens * most_examples // examples))
        return found
