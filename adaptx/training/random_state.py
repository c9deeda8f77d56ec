"""Reading and restoring the states of random generators, to repeat forward passes and to resume trainings."""

import torch
from torch import Tensor

RandomState = dict[str, Tensor]
"""The state of each random generator, by the kind of its device (`cpu` or `cuda`)."""


def random_state(device: torch.device) -> RandomState:
    """Return the current states of the random generators that computations on the device use."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def set_random_state(states: RandomState, device: torch.device) -> None:
    """Restore the states of random generators. A GPU's generator is not changed if the states come from a CPU."""
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)
