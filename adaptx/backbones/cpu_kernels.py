"""Attention, dropout and layers of bf16 weights on the CPU at less than their usual cost.

- torch draws one random number per element dropped, and attention with dropout falls back to a slow path. Here a mask
  is made of 16-bit pieces of 64-bit random integers, four at a draw: the same distribution, with the rate rounded to a
  multiple of 1/65536.
- torch's kernel of attention in bf16 takes its products in fp32, and its backward pass four times as long as that of
  two plain products (benchmarks/attention.py). Over sequences short enough that their weights are no burden, it is
  these products here, in bf16 by the processor's instructions.
- torch copies a layer's bias into its output before it adds the product. Where no gradient is wanted oneDNN adds the
  bias at the end: the same values (to the bit on the processors tried).

A function mode covers all of it that runs inside, whichever library wrote the layer.

Suffixes: H heads (G of keys), L queries, S keys, E size of a head; leading dimensions are the batch's.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from adaptx.backbones.bf16_products import cpu_multiplies_bf16, emulating, in_bf16

STEPS = 1 << 16
# Beyond, torch's kernel is as fast forward, and attention's weights would outweigh what else a layer keeps.
MOST_KEYS = 256
# Attention takes so many scores at a time, that they lie in a cache between the products: half a million in bf16 are
# 1 MiB. With dropout all at once, in the order in which its masks have always been drawn.
SCORES = 1 << 19


class CpuKernels(TorchFunctionMode):
    """Within the block, what is said above holds for CPU tensors; all else is untouched."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        options = kwargs or {}
        ours = KERNELS.get(func)
        if ours is not None and (result := ours(*args, **options)) is not None:
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
    if not _drops(input, p) or inplace:
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
    """Of query [..., H, L, E], key and value [..., G, S, E]: [..., H, L, E], or None where torch's kernel is better."""
    drops = _drops(query, dropout_p)
    if not (drops or (dropout_p == 0 and _short_in_bf16(query, key))) or (is_causal and attn_mask is not None):
        return None
    if is_causal:
        attn_mask = torch.ones(query.shape[-2], key.shape[-2], dtype=torch.bool, device=query.device).tril()
    rest = (dropout_p if drops else 0.0, scale or query.shape[-1] ** -0.5, key.shape[-3] if enable_gqa else None)
    most = max(1, SCORES // max(1, query[0, ..., 0].numel() * key.shape[-2]))
    if drops or query.dim() < 4 or most >= len(query) or not len(query) == len(key) == len(value):
        return _by_products(query, key, value, attn_mask, *rest)
    each_its_own = attn_mask is not None and attn_mask.dim() == query.dim() and len(attn_mask) == len(query)
    masks = attn_mask.split(most) if attn_mask is not None and each_its_own else itertools.repeat(attn_mask)
    parts = zip(query.split(most), key.split(most), value.split(most), masks, strict=False)
    return torch.cat([_by_products(*part, *rest) for part in parts])


def _by_products(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, dropout: float, scale: float, heads: int | None
) -> Tensor:
    """Masked attention; `heads` is G where several of H share one, None where none is shared."""
    if in_bf16(query):
        # bf16 keeps 8 bits of a score, and what all keys share says nothing: softmax does not see what is added to all.
        key = key - key.detach().mean(dim=-2, keepdim=True)
    scores_LS = _product(query * scale, key.transpose(-1, -2), heads)
    if mask is not None:
        scores_LS = scores_LS + _added(mask, scores_LS.dtype)
    weights_LS = scores_LS.softmax(dim=-1).to(value.dtype)
    return _product(weights_LS * keep_mask(weights_LS, dropout) if dropout else weights_LS, value, heads)


def _product(rows: Tensor, columns: Tensor, heads: int | None) -> Tensor:
    """[..., H, L, X] @ [..., H or G, X, Y]."""
    if heads is None:
        return rows @ columns
    # Those that share one lie below each other: nothing is copied for each.
    length = rows.shape[-2]
    below = rows.unflatten(-3, (heads, -1)).flatten(-3, -2) @ columns
    return below.unflatten(-2, (-1, length)).flatten(-4, -3)


def _linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor | None:  # noqa: A002
    if bias is None or torch.is_grad_enabled() or weight.dtype is not torch.bfloat16:
        return None
    if not in_bf16(input) or emulating() or not cpu_multiplies_bf16():
        return None
    # oneDNN reads the bias without its stride.
    whole = bias.bfloat16().contiguous()
    return torch.ops.mkldnn._linear_pointwise(input.bfloat16(), weight, whole, "none", [], "")


def _added(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """The mask as a term of the scores: a sum over all heads is cheaper than a choice.

    Finite, so that padding that attends to nothing has weights, which no one reads, and no NaN.
    """
    least = torch.finfo(dtype).min
    if mask.dtype is not torch.bool:
        return mask.clamp(min=least)
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, least)


def _drops(tensor: Tensor, rate: float) -> bool:
    return tensor.device.type == "cpu" and 0 < round(rate * STEPS) < STEPS


def _short_in_bf16(query: Tensor, key: Tensor) -> bool:
    # Not whether the processor multiplies in bf16: a prediction of memory is of one that does, wherever it is made.
    return key.shape[-2] <= MOST_KEYS and in_bf16(query) and not emulating()


KERNELS: dict[Any, Callable[..., Tensor | None]] = {
    functional.dropout: _dropout,
    functional.scaled_dot_product_attention: _attention,
    functional.linear: _linear,
}
"""None is returned where torch's own is to run."""
