"""Quantised linear maps by their sizes alone, to predict memory where bitsandbytes need not be.

A map here has the storages of bitsandbytes' own (0.50), and its passes make the tensors that those of
`bitsandbytes.autograd` and peft's LoRA over them make and keep, in the same order; the values mean nothing. On fake
tensors only shapes count. What differs between its kernels for a CPU and for CUDA is told apart by `cuda`.

Suffixes: M rows of inputs, K inputs of a map, N its outputs.
"""

from typing import Any

import torch
from peft import LoraConfig
from peft.tuners.lora import Linear as LoraLinear
from torch import Tensor, nn

from adaptx.methods.quantised import replace_linear
from adaptx.specs.quantisation import Quantisation

BLOCK = 64
"""NF4 weights that share a scale (QLoRA, section 3)."""
SCALES_BLOCK = 256
"""Scales that share a scale of their own (double quantisation)."""


class Outlined4bit(nn.Linear):
    """NF4: two weights a byte, a byte for each scale, an fp32 number for 256 of these, and both tables of codes."""

    scales: Tensor
    scales_of_scales: Tensor
    offset: Tensor
    codes: Tensor
    codes_of_scales: Tensor

    def __init__(self, linear: Any, bf16: bool, cuda: bool) -> None:
        super().__init__(linear.in_features, linear.out_features, linear.bias is not None, "meta")
        self.compute_dtype = torch.bfloat16 if bf16 else torch.float32
        self.cuda_kernels = cuda
        weights = linear.in_features * linear.out_features
        blocks = -(-weights // BLOCK)
        self.weight = _bytes(torch.empty(-(-weights // 2), 1, dtype=torch.uint8, device="meta"))
        self.register_buffer("scales", torch.empty(blocks, dtype=torch.uint8, device="meta"))
        self.register_buffer("scales_of_scales", torch.empty(-(-blocks // SCALES_BLOCK), device="meta"))
        self.register_buffer("offset", torch.empty((), device="meta"))
        self.register_buffer("codes", torch.empty(16, device="meta"))
        self.register_buffer("codes_of_scales", torch.empty(256, device="meta"))

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        input_MK = input.to(self.compute_dtype)
        if torch.is_grad_enabled() and input_MK.requires_grad:
            output: Any = _Product4bit.apply(input_MK, self)
        else:
            output = self.product(input_MK)
        return output.to(input.dtype)

    def product(self, input_MK: Tensor) -> Tensor:
        """As `gemm_4bit` without its fused kernels, which a GPU has for a few hundred rows at most."""
        byte_scales = torch.empty_like(self.scales, dtype=torch.float32)
        scales = byte_scales + self.offset
        if not self.cuda_kernels:
            del byte_scales
        weight_NK = self.whole()
        output_MN = nn.functional.linear(input_MK, weight_NK, self.bias)
        del scales
        return output_MN

    def whole(self) -> Tensor:
        """The weight [N, K] in the precision of products."""
        return torch.empty(self.out_features, self.in_features, dtype=self.compute_dtype, device=self.weight.device)


class _Product4bit(torch.autograd.Function):
    """`MatMul4Bit`: keeps no input; the weight is made whole again in the backward pass."""

    @staticmethod
    def forward(ctx: Any, input_MK: Tensor, layer: Outlined4bit) -> Tensor:
        ctx.layer = layer
        return layer.product(input_MK)

    @staticmethod
    def backward(ctx: Any, gradient_MN: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        layer: Outlined4bit = ctx.layer
        scales = torch.empty_like(layer.scales, dtype=torch.float32)
        weight_NK = layer.whole()
        del scales
        return torch.matmul(gradient_MN, weight_NK.to(gradient_MN.dtype)), None


class Outlined8bit(nn.Linear):
    """INT8: a byte a weight and an fp32 scale a row."""

    scales: Tensor

    def __init__(self, linear: Any, bf16: bool, cuda: bool) -> None:  # noqa: ARG002
        super().__init__(linear.in_features, linear.out_features, linear.bias is not None, "meta")
        self.cuda_kernels = cuda
        self.weight = _bytes(torch.empty(self.out_features, self.in_features, dtype=torch.int8, device="meta"))
        self.register_buffer("scales", torch.empty(self.out_features, device="meta"))

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        bias: Any = self.bias
        if bias is not None and bias.dtype != input.dtype:
            bias.data = bias.data.to(input.dtype)
        product: Any = _Product8bit if self.cuda_kernels else _ProductWhole
        return product.apply(input, self)

    def whole(self, dtype: torch.dtype) -> Tensor:
        """The weight [N, K] in that precision."""
        weight_NK = torch.empty_like(self.weight, dtype=dtype)
        scales_N1 = torch.mul(self.scales.unsqueeze(1), 1.0 / 127.0)
        if not self.cuda_kernels and dtype is not torch.float32:
            # A CPU multiplies different precisions in fp32: of the weight, and of what comes out.
            both = torch.empty_like(weight_NK, dtype=torch.float32), torch.empty_like(weight_NK, dtype=torch.float32)
            del both
        del scales_N1
        return weight_NK


class _ProductWhole(torch.autograd.Function):
    """`MatMul8bitFp`, which trains on a CPU.

    Its input is kept as a plain attribute, as there: until the whole graph goes, also under gradient_checkpointing.
    """

    @staticmethod
    def forward(ctx: Any, input: Tensor, layer: Outlined8bit) -> Tensor:  # noqa: A002
        weight_NK = layer.whole(input.dtype)
        output = nn.functional.linear(input, weight_NK, layer.bias)
        ctx.layer, ctx.input = layer, input
        return output

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _input_gradient(ctx, gradient, ctx.input.dtype, ctx.input.shape), None


class _Product8bit(torch.autograd.Function):
    """`MatMul8bitLt`, which trains on CUDA: inputs in eight bits too. Outliers, which values decide: none."""

    @staticmethod
    def forward(ctx: Any, input: Tensor, layer: Outlined8bit) -> Tensor:  # noqa: A002
        input_MK = input.reshape(-1, input.shape[-1])
        half_MK = input_MK.to(torch.float16)
        scales_M = torch.empty(len(half_MK), dtype=torch.float32, device=half_MK.device)
        bytes_MK = torch.empty_like(half_MK, dtype=torch.int8)
        outliers_MK = half_MK.abs() >= 0
        del half_MK, outliers_MK
        sums_MN = torch.empty(len(input_MK), layer.out_features, dtype=torch.int32, device=input_MK.device)
        half_MN = torch.empty_like(sums_MN, dtype=torch.float16)
        output_MN = half_MN.to(input_MK.dtype)
        del bytes_MK, scales_M, sums_MN, half_MN
        ctx.layer, ctx.dtype, ctx.shape = layer, input_MK.dtype, input.shape
        ctx.input = input_MK if ctx.needs_input_grad[0] else None
        return output_MN.reshape(*input.shape[:-1], layer.out_features)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _input_gradient(ctx, gradient, ctx.dtype, ctx.shape), None


def _input_gradient(ctx: Any, gradient: Tensor, dtype: torch.dtype, shape: torch.Size) -> Tensor | None:
    if not ctx.needs_input_grad[0]:
        return None
    gradient_MN = gradient.reshape(-1, gradient.shape[-1]).contiguous()
    weight_NK = ctx.layer.whole(dtype)
    return torch.matmul(gradient_MN.to(dtype), weight_NK).view(shape)


class OutlinedLora(LoraLinear):
    """As peft's `lora.bnb.Linear4bit` and `lora.bnb.Linear8bitLt`."""

    def forward(self, x: Tensor, *_: Any, **__: Any) -> Tensor:
        base: Any = self.get_base_layer()
        result: Tensor = self.base_layer(x)
        if isinstance(base, Outlined4bit):
            result = result.clone()
        # It looks for CUDA's autocast alone, and casts by itself elsewhere.
        autocast = base.cuda_kernels and torch.is_autocast_enabled("cpu")
        for name in self.active_adapters:
            down: Any = self.lora_A[name]
            up: Any = self.lora_B[name]
            if not autocast:
                x = self._cast_input_dtype(x, down.weight.dtype)
            output = up(down(self.lora_dropout[name](x))) * self.scaling[name]
            if not autocast:
                output = output.to(result.dtype)
            result = result + output
        return result


def outline_quantised(network: Any, kind: Quantisation, bf16: bool, cuda: bool) -> None:
    """Put outlined maps where `quantised.quantise` puts bitsandbytes' own, on the meta device."""
    outlined = {Quantisation.NF4: Outlined4bit, Quantisation.INT8: Outlined8bit}[kind]
    replace_linear(network, lambda linear: outlined(linear, bf16, cuda))


def let_lora_over(config: LoraConfig) -> None:
    """Let peft put `OutlinedLora` over outlined maps; over others nothing changes."""
    config._register_custom_module({Outlined4bit: OutlinedLora, Outlined8bit: OutlinedLora})  # pyright: ignore[reportPrivateUsage]


def _bytes(tensor: Tensor) -> nn.Parameter:
    return nn.Parameter(tensor, requires_grad=False)
