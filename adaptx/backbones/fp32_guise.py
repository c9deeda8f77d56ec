"""New weights in fp32 over a network whose frozen weights are in bf16.

peft makes new weights in the dtype of those that they lie beside, so that their first values would be rounded.
"""

from collections.abc import Generator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def fp32_guise(network: nn.Module) -> Generator[None]:
    """Within the block weights in bf16 pose as fp32, with their shape and device, and without values of their own."""
    held = [(weight, weight.data) for weight in network.parameters() if weight.dtype is torch.bfloat16]
    for weight, values in held:
        # One number for all places: it takes no memory.
        weight.data = torch.zeros((), device=values.device).expand(values.shape)
    try:
        yield
    finally:
        for weight, values in held:
            weight.data = values
