"""Where the random generators stand, taken and set back: for forward passes done twice and for saved states."""

import torch
from torch import Tensor

RandomState = dict[str, Tensor]
"""Generator (`cpu`, `cuda`) -> its state."""


def random_state(device: torch.device) -> RandomState:
    """Return where the generators that a computation on the device draws from stand now."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def set_random_state(states: RandomState, device: torch.device) -> None:
    """Set the generators to where they stood; one that was not noted, as on another device, stays where it is."""
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)
