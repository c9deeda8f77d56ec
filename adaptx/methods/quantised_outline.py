"""Stand-ins for quantised linear maps, used to predict memory on machines without bitsandbytes.

A stand-in has tensors of the same sizes as bitsandbytes' class (version 0.50). Its forward and backward passes create,
keep and free the same tensors in the same order as `bitsandbytes.autograd` and peft's LoRA layers do. The values are
meaningless: stand-ins run on fake tensors, which have no values. `cuda` says whether to imitate the library's kernels
for CUDA or for a CPU, because these create different tensors.

Suffixes of tensor and array names, one letter per dimension: M rows of inputs, K inputs of a map, N outputs of a map.
"""

from typing import Any

import torch
from peft import LoraConfig
from peft.tuners.lora import Linear as LoraLinear
from torch import Tensor, nn

from adaptx.methods.quantised import replace_linear
from adaptx.specs.quantisation import Quantisation

BLOCK = 64
"""Number of NF4 weights that share a scale (QLoRA, section 3)."""
SCALES_BLOCK = 256
"""Number of scales that share a second-level scale (double quantisation)."""


class Outlined4bit(nn.Linear):
    """An NF4 map: two weights per byte, one byte per scale, one fp32 number per 256 scales, and two code tables."""

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
            output: Any = _OutlinedMatMul4Bit.apply(input_MK, self)
        else:
            output = self.product(input_MK)
        return output.to(input.dtype)

    def product(self, input_MK: Tensor) -> Tensor:
        """Create the tensors that `gemm_4bit` creates, and return the product."""
        # GPUs have fused kernels, but only for inputs of at most a few hundred rows. They are not imitated.
        byte_scales = torch.empty_like(self.scales, dtype=torch.float32)
        scales = byte_scales + self.offset
        if not self.cuda_kernels:
            del byte_scales
        weight_NK = self.whole()
        output_MN = nn.functional.linear(input_MK, weight_NK, self.bias)
        del scales
        return output_MN

    def whole(self) -> Tensor:
        """Return the dequantised weight [N, K], in the dtype in which products are computed."""
        return torch.empty(self.out_features, self.in_features, dtype=self.compute_dtype, device=self.weight.device)


class _OutlinedMatMul4Bit(torch.autograd.Function):
    # bitsandbytes saves no input, and dequantises the weight again in the backward pass.
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
    """An INT8 map: one byte per weight and one fp32 scale per row."""

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
        product: Any = _OutlinedMatMul8bitLt if self.cuda_kernels else _OutlinedMatMul8bitFp
        return product.apply(input, self)

    def whole(self, dtype: torch.dtype) -> Tensor:
        """Return the dequantised weight [N, K] in `dtype`."""
        weight_NK = torch.empty_like(self.weight, dtype=dtype)
        scales_N1 = torch.mul(self.scales.unsqueeze(1), 1.0 / 127.0)
        if not self.cuda_kernels and dtype is not torch.float32:
            # A CPU multiplies tensors of different dtypes in fp32, which needs an fp32 copy of the weight and of the
            # result.
            both = torch.empty_like(weight_NK, dtype=torch.float32), torch.empty_like(weight_NK, dtype=torch.float32)
            del both
        del scales_N1
        return weight_NK


class _OutlinedMatMul8bitFp(torch.autograd.Function):
    # bitsandbytes uses `MatMul8bitFp` on a CPU. It stores the input as a plain attribute, so the input stays in memory
    # until the whole graph is freed, even under gradient checkpointing.
    @staticmethod
    def forward(ctx: Any, input: Tensor, layer: Outlined8bit) -> Tensor:  # noqa: A002
        weight_NK = layer.whole(input.dtype)
        output = nn.functional.linear(input, weight_NK, layer.bias)
        ctx.layer, ctx.input = layer, input
        return output

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _input_gradient(ctx, gradient, ctx.input.dtype, ctx.input.shape), None


class _OutlinedMatMul8bitLt(torch.autograd.Function):
    # bitsandbytes uses `MatMul8bitLt` on CUDA. Outliers depend on values, so they are assumed to be absent.
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
    """Stand-in for peft's `lora.bnb.Linear4bit` and `lora.bnb.Linear8bitLt`."""

    def forward(self, x: Tensor, *_: Any, **__: Any) -> Tensor:
        base: Any = self.get_base_layer()
        result: Tensor = self.base_layer(x)
        if isinstance(base, Outlined4bit):
            result = result.clone()
        # peft's layers check only for CUDA's autocast. Without it they cast inputs and outputs themselves.
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
    """Put stand-ins in a network on the meta device, in place of the linear maps that `quantise` would replace."""
    outlined = {Quantisation.NF4: Outlined4bit, Quantisation.INT8: Outlined8bit}[kind]
    replace_linear(network, lambda linear: outlined(linear, bf16, cuda))


def let_lora_over(config: LoraConfig) -> None:
    """Make peft use `OutlinedLora` for LoRA over stand-ins. Other linear maps are not affected."""
    config._register_custom_module({Outlined4bit: OutlinedLora, Outlined8bit: OutlinedLora})  # pyright: ignore[reportPrivateUsage]


def _bytes(tensor: Tensor) -> nn.Parameter:
    return nn.Parameter(tensor, requires_grad=False)
