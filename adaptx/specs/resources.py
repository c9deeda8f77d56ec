"""Resources: where and in which pieces a stage runs. None of it changes the result, so none of it is identity."""

import re

from adaptx.errors import UserError
from adaptx.specs.checked import spec
from adaptx.specs.ranges import Count, NotNegative

CPU_MICRO_BATCH_TOKENS = 4_096
ACCELERATOR_MICRO_BATCH_TOKENS = 16_384


@spec
class Resources:
    """Where and how a stage runs; nothing here changes its result.

    device: `cpu`, `cuda`, `cuda:1` or `mps`; None takes the best available one. micro_batch_size: maximum number of
    examples per forward pass. micro_batch_tokens: maximum number of tokens per forward pass, without padding. None
    lets the device decide. saved_state_seconds: time between two saved states of a running training.
    gradient_checkpointing: layers are computed again in the backward pass (less memory, more time).
    """

    device: str | None = None
    micro_batch_size: Count | None = None
    micro_batch_tokens: Count | None = None
    saved_state_seconds: NotNegative = 60.0
    gradient_checkpointing: bool = False

    def __post_init__(self) -> None:
        if self.device is not None and not re.fullmatch(r"cpu|mps|cuda(:\d+)?", self.device):
            raise UserError(f"--device {self.device}: no such device; use cpu, cuda, cuda:N or mps")

    @property
    def device_type(self) -> str:
        """`cpu` where no device is named: what is there only a run finds out."""
        return (self.device or "cpu").partition(":")[0]

    def micro_batch_limits(self, device_type: str) -> tuple[int | None, int | None]:
        """Most tokens and most examples of one forward pass: given, else the device's; None: no bound."""
        if self.micro_batch_tokens is not None or self.micro_batch_size is not None:
            return self.micro_batch_tokens, self.micro_batch_size
        return (CPU_MICRO_BATCH_TOKENS if device_type == "cpu" else ACCELERATOR_MICRO_BATCH_TOKENS), None

    def largest_micro_batch(self, examples: int, tokens: int, longest: int) -> int:
        """Tokens of the largest micro-batch of so many examples with so many tokens, the longest sequence whole."""
        most_tokens, most_examples = self.micro_batch_limits(self.device_type)
        found = tokens
        if most_tokens is not None:
            found = min(found, max(most_tokens, longest))
        if most_examples is not None and examples > most_examples:
            found = min(found, max(longest, tokens * most_examples // examples))
        return found
