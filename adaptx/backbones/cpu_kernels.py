"""Faster attention, dropout and linear layers on the CPU. Inside `with CpuKernels():` they are used instead of torch's.

- Dropout: one random 64-bit integer serves four elements, while torch draws one random number per element. The rate is
  therefore rounded to a multiple of 1/65536.
- Attention with dropout, and attention over short sequences in bf16: two plain matrix products are faster than torch's
  fused kernel (benchmarks/attention.py). They have to store the attention weights [L, S], so longer sequences without
  dropout keep torch's kernel.
- Linear layers with bf16 weights, without gradients: oneDNN adds the bias after the product, while torch copies it into
  the output before.

Suffixes of tensor and array names, one letter per dimension: H heads of queries, G heads of keys and values, L queries,
S keys, E size of a head. Leading dimensions are batch dimensions.
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
# With more keys, torch's kernel is as fast in the forward pass, and the attention weights would take more memory than
# everything else that a layer saves for the backward pass.
MOST_KEYS = 256
# Maximum number of attention scores computed at a time, so that they stay in the processor's cache between the two
# products: half a million in bf16 are 1 MiB. With dropout all scores are computed at once, because splitting them would
# change the order in which the masks are drawn and with it the results.
SCORES = 1 << 19


class CpuKernels(TorchFunctionMode):
    """A context in which calls on CPU tensors use the functions in `KERNELS`. All other calls go to torch unchanged."""

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
    """Return a dropout mask with the shape and dtype of `like`: 0 with probability `rate`, else 1 / (1 - rate).

    Random numbers come from torch's default generator.
    """
    count = like.numel()
    integers = torch.randint(-(2**63), 2**63 - 1, ((count + 3) // 4,), dtype=torch.int64)
    pieces = integers.view(torch.int16)[:count].view(like.shape)
    # The pieces are signed integers, uniform from -STEPS / 2 to STEPS / 2 - 1, of which the lowest are dropped.
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
    """Return attention [..., H, L, E], or None if torch's kernel should run.

    query: [..., H, L, E]. key, value: [..., G, S, E].
    """
    drops = _drops(query, dropout_p)
    if not (drops or (dropout_p == 0 and _short_in_bf16(query, key))) or (is_causal and attn_mask is not None):
        return None
    if is_causal:
        attn_mask = torch.ones(query.shape[-2], key.shape[-2], dtype=torch.bool, device=query.device).tril()
    rest = (dropout_p if drops else 0.0, scale or query.shape[-1] ** -0.5, key.shape[-3] if enable_gqa else None)
    most = max(1, SCORES // max(1, query[0, ..., 0].numel() * key.shape[-2]))
    if drops or query.dim() < 4 or most >= len(query) or not len(query) == len(key) == len(value):
        return _attention_by_products(query, key, value, attn_mask, *rest)
    each_its_own = attn_mask is not None and attn_mask.dim() == query.dim() and len(attn_mask) == len(query)
    masks = attn_mask.split(most) if attn_mask is not None and each_its_own else itertools.repeat(attn_mask)
    parts = zip(query.split(most), key.split(most), value.split(most), masks, strict=False)
    return torch.cat([_attention_by_products(*part, *rest) for part in parts])


def _attention_by_products(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, dropout: float, scale: float, heads: int | None
) -> Tensor:
    if in_bf16(query):
        # bf16 keeps only 8 significant bits of a score. Subtracting the mean key shifts all scores of a query by the
        # same number, which softmax ignores, so those bits are left for the differences between keys.
        key = key - key.detach().mean(dim=-2, keepdim=True)
    scores_LS = _product(query * scale, key.transpose(-1, -2), heads)
    if mask is not None:
        scores_LS = scores_LS + _additive_mask(mask, scores_LS.dtype)
    weights_LS = scores_LS.softmax(dim=-1).to(value.dtype)
    return _product(weights_LS * keep_mask(weights_LS, dropout) if dropout else weights_LS, value, heads)


def _product(rows: Tensor, columns: Tensor, heads: int | None) -> Tensor:
    # The shapes are rows [..., H, L, X], columns [..., G, X, Y] and result [..., H, L, Y]. `heads` is G, or None if G
    # is H.
    if heads is None:
        return rows @ columns
    # Stack the query heads that share a key head on top of each other, so that the key head is not copied for them.
    length = rows.shape[-2]
    below = rows.unflatten(-3, (heads, -1)).flatten(-3, -2) @ columns
    return below.unflatten(-2, (-1, length)).flatten(-4, -3)


def _linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor | None:  # noqa: A002
    if bias is None or torch.is_grad_enabled() or weight.dtype is not torch.bfloat16:
        return None
    if not in_bf16(input) or emulating() or not cpu_multiplies_bf16():
        return None
    # oneDNN ignores the stride of the bias, so make it contiguous.
    whole = bias.bfloat16().contiguous()
    return torch.ops.mkldnn._linear_pointwise(input.bfloat16(), weight, whole, "none", [], "")


def _additive_mask(mask: Tensor, dtype: torch.dtype) -> Tensor:
    # Minus infinity would give NaN for padding whose keys are all masked, so masked keys get the lowest finite number.
    least = torch.finfo(dtype).min
    if mask.dtype is not torch.bool:
        return mask.clamp(min=least)
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, least)


def _drops(tensor: Tensor, rate: float) -> bool:
    return tensor.device.type == "cpu" and 0 < round(rate * STEPS) < STEPS


def _short_in_bf16(query: Tensor, key: Tensor) -> bool:
    # Independent of this processor's instructions: a memory prediction describes a processor with bf16 instructions,
    # wherever it is made.
    return key.shape[-2] <= MOST_KEYS and in_bf16(query) and not emulating()


KERNELS: dict[Any, Callable[..., Tensor | None]] = {
    functional.dropout: _dropout,
    functional.scaled_dot_product_attention: _attention,
    functional.linear: _linear,
}
"""Replacements of torch's functions. A replacement returns None if torch's function should run."""
