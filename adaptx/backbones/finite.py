"""Search for NaN or infinity in tensors. Values are usually read only once, with one transfer from the device."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from adaptx.errors import NotFinite

BLOCK = 2**20
"""Number of values examined at a time in a tensor whose sum is not finite. It limits the memory of the mask."""


def first_not_finite(tensors: Iterable[tuple[Any, Tensor]]) -> Any | None:
    """Return the name of the first tensor that holds NaN or infinity, or None if all values are finite."""
    floats = [(name, tensor.detach()) for name, tensor in tensors if tensor.is_floating_point() and tensor.numel()]
    if not floats:
        return None
    device = floats[0][1].device
    sums = torch.stack([tensor.sum().to(device, torch.float32) for _, tensor in floats])
    # A finite sum has only finite values. Other sums may also come from overflow, so their values are examined.
    suspects = [place for place, total in enumerate(sums.tolist()) if not math.isfinite(total)]
    return next((floats[place][0] for place in suspects if not _is_finite(floats[place][1])), None)


def check_finite(values: Tensor, what: str) -> Tensor:
    """Return the values unchanged, after checking that all are finite. `what` names the values in the error message.

    Raises:
        NotFinite: some values are NaN or infinite.
    """
    if not bool(values.isfinite().all()):
        wrong = int((~values.isfinite()).sum())
        raise NotFinite(
            f"{wrong} of {values.numel()} {what} are not finite (NaN or infinite), so they cannot be used. The weights "
            "are too large for this precision, or their training diverged. Lower the training's learning rate, choose "
            "other merge weights, or evaluate with precision='fp32'"
        )
    return values


def _is_finite(tensor: Tensor) -> bool:
    return all(bool(block.isfinite().all()) for block in tensor.flatten().split(BLOCK))
