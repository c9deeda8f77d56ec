"""Whether tensors hold NaN or infinity, with one reading of their values and one transfer from their device."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from adaptx.errors import NotFinite

BLOCK = 2**20
"""Values looked at one by one at a time, where a sum was not finite."""


def first_not_finite(tensors: Iterable[tuple[Any, Tensor]]) -> Any | None:
    """Return the name of the first tensor that holds NaN or infinity, or None.

    A sum of finite values is finite but for overflow, so that values are looked at one by one only where it is not.
    """
    floats = [(name, tensor.detach()) for name, tensor in tensors if tensor.is_floating_point() and tensor.numel()]
    if not floats:
        return None
    device = floats[0][1].device
    sums = torch.stack([tensor.sum().to(device, torch.float32) for _, tensor in floats])
    suspects = [place for place, total in enumerate(sums.tolist()) if not math.isfinite(total)]
    return next((floats[place][0] for place in suspects if not _is_finite(floats[place][1])), None)


def check_finite(values: Tensor, what: str) -> Tensor:
    """Return the values.

    Raises:
        NotFinite: some are NaN or infinite. `what` names them.
    """
    if not bool(values.isfinite().all()):
        wrong = int((~values.isfinite()).sum())
        raise NotFinite(
            f"{wrong} of {values.numel()} {what} are not finite (NaN or infinite), so nothing can be read off them. "
            "The weights are too large for this precision, or their training went wrong: lower its learning rate, "
            "choose other weights for a merge, or evaluate with precision='fp32'"
        )
    return values


def _is_finite(tensor: Tensor) -> bool:
    return all(bool(block.isfinite().all()) for block in tensor.flatten().split(BLOCK))
