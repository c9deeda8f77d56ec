"""Dropout on the CPU at a fraction of its usual cost.

torch draws one random number per element there, and attention with dropout falls back to a slow path. Here a mask
is made of 16-bit pieces of 64-bit random integers, four at a draw: the same distribution, with the rate rounded to a
multiple of 1/65536. A function mode covers every dropout that runs inside it, whichever library wrote the layer.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

STEPS = 1 << 16


class FastDropout(TorchFunctionMode):
    """Within the block, dropout on CPU tensors draws its masks cheaply; all else, and other devices, are untouched."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        options = dict(kwargs or {})
        if func is functional.dropout and (result := _dropout(*args, **options)) is not None:
            return result
        if func is functional.scaled_dot_product_attention and (result := _attention(*args, **options)) is not None:
            return result
        return func(*args, **options)


def keep_mask(like: Tensor, rate: float) -> Tensor:
    """0 with probability `rate`, else 1 / (1 - rate), in the shape and dtype of `like`; from torch's generator."""
    count = like.numel()
    integers = torch.randint(-(2**63), 2**63 - 1, ((count + 3) // 4,), dtype=torch.int64)
    pieces = integers.view(torch.int16)[:count].view(like.shape)
    dropped = round(rate * STEPS)
    return (pieces >= dropped - STEPS // 2).to(like.dtype).mul_(STEPS / (STEPS - dropped))


def _dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor | None:  # noqa: A002
    if not _cheap(input, p) or inplace:
        return None
    return input * keep_mask(input, p) if training else input


def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor | None:
    """Softmax attention with dropout on its weights; forms that encoders do not use are left to torch."""
    if not _cheap(query, dropout_p) or is_causal or enable_gqa:
        return None
    scores = (query * (scale or query.shape[-1] ** -0.5)) @ key.transpose(-1, -2)
    if attn_mask is not None:
        scores = scores.masked_fill(~attn_mask, -torch.inf) if attn_mask.dtype is torch.bool else scores + attn_mask
    weights = scores.softmax(dim=-1).to(value.dtype)
    return (weights * keep_mask(weights, dropout_p)) @ value


def _cheap(tensor: Tensor, rate: float) -> bool:
    return tensor.device.type == "cpu" and 0 < round(rate * STEPS) < STEPS
