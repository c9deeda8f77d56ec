"""Matrix products in bf16, at the speed of fp32, on CPUs without bf16 instructions.

On such CPUs torch uses a loop that is about seventy times slower than fp32 (measured on an AVX2 processor with torch
2.13: 1.2 against 88 GFLOP/s). Here both matrices are rounded to bf16, multiplied in fp32, and the result is rounded to
bf16. Processors with bf16 instructions do the same, so their results are equal up to rounding.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack  # pyright: ignore[reportPrivateUsage]

_PRODUCTS = {torch.matmul, Tensor.matmul, Tensor.__matmul__, torch.mm, Tensor.mm, torch.bmm, Tensor.bmm}


@cache
def cpu_multiplies_bf16() -> bool:
    """Return whether this processor has bf16 instructions that torch uses for matrix products."""
    return torch.ops.mkldnn._is_mkldnn_bf16_supported()


def arithmetic(device_type: str, precision: str) -> AbstractContextManager[Any]:
    """Return the context manager for a forward pass: autocast if `precision` is `bf16`, else one that does nothing.

    Enter it before `CpuKernels`, so that it also covers the products computed there.
    """
    if precision != "bf16":
        return nullcontext()
    stack = ExitStack()
    if device_type == "cpu" and not cpu_multiplies_bf16():
        stack.enter_context(Bf16Products())
    stack.enter_context(torch.autocast(device_type, dtype=torch.bfloat16))
    return stack


class Bf16Products(TorchFunctionMode):
    """A context in which bf16 products of CPU tensors are computed in fp32, as the module's docstring describes.

    A product is in bf16 if autocast or the tensors' dtype says so. Enter this context before other torch function
    modes, so that it also covers their products.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        options = dict(kwargs or {})
        if func is functional.linear and in_bf16(args[0]):
            return _linear(*args, **options)
        if func is functional.scaled_dot_product_attention and in_bf16(args[0]):
            return _attention(*args, **options)
        if func in _PRODUCTS and in_bf16(args[0]):
            with torch.autocast("cpu", enabled=False):
                return func(*(each.bfloat16().float() for each in args), **options).bfloat16()
        return func(*args, **options)


def emulating() -> bool:
    """Return whether the calling code runs inside the `with` block of a `Bf16Products`."""
    return any(isinstance(mode, Bf16Products) for mode in _get_current_function_mode_stack())


def in_bf16(tensor: Tensor) -> bool:
    """Return whether a product of this CPU tensor would be computed in bf16. False for tensors on other devices."""
    if tensor.device.type != "cpu" or not tensor.is_floating_point():
        return False
    if torch.is_autocast_enabled("cpu"):
        return torch.get_autocast_dtype("cpu") is torch.bfloat16
    return tensor.dtype is torch.bfloat16


def _linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:  # noqa: A002
    with torch.autocast("cpu", enabled=False):
        return _Bf16Linear.apply(input.bfloat16(), weight.bfloat16(), bias if bias is None else bias.bfloat16())


def _attention(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, **options: Any) -> Tensor:
    # Sums and softmax are in fp32, as in torch's kernel.
    with torch.autocast("cpu", enabled=False):
        rounded = (each.bfloat16().float() for each in (query, key, value))
        mask = attn_mask.float() if attn_mask is not None and attn_mask.is_floating_point() else attn_mask
        return functional.scaled_dot_product_attention(*rounded, attn_mask=mask, **options).bfloat16()


class _Bf16Linear(torch.autograd.Function):
    # Plain autograd would save fp32 copies of input and weight for the backward pass.
    @staticmethod
    def forward(ctx: Any, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:  # noqa: A002  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.save_for_backward(input, weight)
        ctx.has_bias = bias is not None
        return functional.linear(input.float(), weight.float(), bias if bias is None else bias.float()).bfloat16()

    @staticmethod
    def backward(ctx: Any, output_gradient: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        input_, weight = ctx.saved_tensors
        needs_input, needs_weight, needs_bias = ctx.needs_input_grad
        gradient = output_gradient.float()
        rows = gradient.flatten(0, -2)
        return (
            (gradient @ weight.float()).bfloat16() if needs_input else None,
            (rows.T @ input_.flatten(0, -2).float()).bfloat16() if needs_weight else None,
            rows.sum(dim=0).bfloat16() if needs_bias else None,
        )
