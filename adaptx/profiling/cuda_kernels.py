"""Imitate, with fake CPU tensors, the tensors that CUDA kernels save for the backward pass.

Memory predictions run on fake CPU tensors. Torch would then save the tensors of its CPU kernels, but a GPU saves other
tensors in these cases:

- Attention: a fused kernel saves its output and one fp32 number per query, but no attention weights (Dao 2023,
  arXiv:2307.08691, section 3.1). Its backward pass sums the queries' gradient in fp32. In fp32, no fused kernel lets
  several query heads share a key head (torch 2.13); such models save the attention weights.
- Dropout saves its mask with one byte per element.
- Layer normalisation, softmax and powers: CUDA's autocast runs them in fp32 and leaves their output in fp32 (torch's
  list of operations that autocast to float32); the CPU's autocast keeps them in bf16.

Suffixes of tensor names, one letter per dimension: B sequences, H heads, L tokens, E size of a head.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

BLOCK = 512
IN_FP32 = {functional.layer_norm, functional.softmax, torch.softmax, Tensor.softmax, torch.pow, Tensor.pow}
"""Functions of supported networks that CUDA's autocast runs in fp32 and the CPU's does not. mT5 computes a power."""


def rounded(size: int) -> int:
    """Return how many bytes CUDA's caching allocator uses for a request of `size` bytes: the next multiple of 512."""
    return -(-size // BLOCK) * BLOCK


class CudaKernels(TorchFunctionMode):
    """A context in which attention, dropout and the functions of `IN_FP32` save the same tensors as on a GPU."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        options = dict(kwargs or {})
        if func is functional.scaled_dot_product_attention:
            return _attention(*args, **options)
        if func is functional.dropout:
            return _dropout(*args, **options)
        if func in IN_FP32 and torch.is_autocast_enabled("cpu"):
            return func(*(each.float() if isinstance(each, Tensor) else each for each in args), **_in_fp32(options))
        return func(*args, **options)


def _in_fp32(options: dict[str, Any]) -> dict[str, Any]:
    return {name: each.float() if isinstance(each, Tensor) else each for name, each in options.items()}


def _dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:  # noqa: A002, ARG001
    return _Dropout.apply(input) if training and p > 0 else input  # pyright: ignore[reportReturnType]


def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    # CUDA's autocast would convert all three to bf16.
    if torch.is_autocast_enabled("cpu"):
        query, key, value = (each.to(torch.bfloat16) for each in (query, key, value))
    if enable_gqa and query.dtype is torch.float32:
        plain = torch.ops.aten._scaled_dot_product_attention_math
        return plain(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=True)[0]
    return _CudaAttention.apply(query, key, value)  # pyright: ignore[reportReturnType]


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, input: Tensor) -> Tensor:  # noqa: A002
        ctx.save_for_backward(torch.empty_like(input, dtype=torch.bool))
        return torch.empty_like(input)

    @staticmethod
    def backward(_ctx: Any, gradient: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        return torch.empty_like(gradient)


class _CudaAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        # Memory layout [B, L, H, E], as in the fused kernels' output.
        output_BHLE = torch.empty_like(query.transpose(1, 2)).transpose(1, 2)
        log_sums_BHL = query.new_empty(query.shape[:-1], dtype=torch.float32)
        ctx.save_for_backward(query, key, value, output_BHLE, log_sums_BHL)
        return output_BHLE

    @staticmethod
    def backward(ctx: Any, _gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # pyright: ignore[reportIncompatibleMethodOverride]
        query, key, value, _, log_sums_BHL = ctx.saved_tensors
        kept = torch.empty_like(query, dtype=torch.float32), torch.empty_like(log_sums_BHL)
        gradients = torch.empty_like(query), torch.empty_like(key), torch.empty_like(value)
        del kept
        return gradients
