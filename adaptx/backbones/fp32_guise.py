"""Creation of new weights in fp32 on a network whose frozen weights are in bf16.

peft creates a layer's new weights in the dtype of the existing weights. In bf16, initial values would be rounded.
"""

from collections.abc import Generator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def fp32_guise(network: nn.Module) -> Generator[None]:
    """Let bf16 weights look like fp32 weights inside the `with` block. Their shapes and devices stay the same.

    Inside the block, all their values read as zero.
    """
    held = [(weight, weight.data) for weight in network.parameters() if weight.dtype is torch.bfloat16]
    for weight, values in held:
        # One zero expanded to the whole shape needs no memory.
        weight.data = torch.zeros((), device=values.device).expand(values.shape)
    try:
        yield
    finally:
        for weight, values in held:
            weight.data = values
