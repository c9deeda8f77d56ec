"""Quantised frozen linear maps below LoRA, through bitsandbytes. No other file imports that library.

NF4 is from QLoRA (Dettmers et al. 2023, arXiv:2305.14314), INT8 from LLM.int8 (Dettmers et al. 2022, arXiv:2208.07339).
Linear maps are replaced while the network is on the meta device, before LoRA is attached. The weights are then read and
quantised one by one, so they are never all in memory in full precision. Embeddings, norms, biases and the output matrix
are not quantised.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from adaptx.backbones.quiet import quiet
from adaptx.errors import UserError
from adaptx.specs.architectures import ARCHITECTURES
from adaptx.specs.quantisation import Quantisation
from adaptx.specs.sites import sites_of

OUTLIER = 6.0
"""On a GPU, input columns that hold a value above this are multiplied in 16 bits (LLM.int8, section 3.2)."""


def replace_linear(network: Any, make: Callable[[nn.Linear], nn.Linear]) -> None:
    """Replace each linear map in a network's layers by `make(linear)`, except those that must not be quantised."""
    sites = sites_of(network)
    whole = ARCHITECTURES[network.config.model_type].whole_sites
    for path, module in list(network.named_modules()):
        if isinstance(module, nn.Linear) and sites.layer(path) is not None:
            _, site, _ = sites.key(f"{path}.weight")
            if site not in whole:
                parent, _, child = path.rpartition(".")
                setattr(network.get_submodule(parent), child, make(module))


def quantise(network: Any, kind: Quantisation, bf16: bool) -> None:
    """Replace a network's linear maps by bitsandbytes' classes. The new maps are on the meta device, without weights.

    bf16: whether NF4 maps compute products in bf16; otherwise in fp32.
    """
    layers = _library().nn

    def make(linear: Any) -> nn.Linear:
        sizes, bias = (linear.in_features, linear.out_features), linear.bias is not None
        match kind:
            case Quantisation.NF4:
                # Double quantisation: the scales are quantised again (QLoRA, section 3: saves 0.37 bits per weight).
                layer: Any = layers.Linear4bit(
                    *sizes,
                    bias=bias,
                    compute_dtype=torch.bfloat16 if bf16 else torch.float32,
                    compress_statistics=True,
                    quant_type="nf4",
                    device="meta",
                )
                # Otherwise, on a CPU with bf16 instructions, the first evaluation would reorder the weights (which
                # fails for some sizes) and compute products in bf16 whatever `compute_dtype` says.
                layer.support_avx512bf16_for_cpu = False
                return layer
            case Quantisation.INT8:
                return layers.Linear8bitLt(*sizes, bias=bias, has_fp16_weights=False, threshold=OUTLIER, device="meta")

    replace_linear(network, make)
    # peft looks only at these attributes to decide whether to use its layers for quantised maps.
    network.is_loaded_in_4bit = kind is Quantisation.NF4
    network.is_loaded_in_8bit = kind is Quantisation.INT8


def give_weights(model: nn.Module, weight_of: Callable[[nn.Linear], Tensor]) -> None:
    """Quantise and store the weights of the maps that `quantise` created, one after another.

    weight_of: returns a map's weight [outputs, inputs] in full precision, on the device where it will be stored.

    Raises:
        UserError: this version of bitsandbytes would misread the weights on this CPU.
    """
    library = _library()
    for layer in _found(model, library.nn.Linear4bit):
        weight = weight_of(layer)
        packed, state = library.functional.quantize_4bit(weight, compress_statistics=True, quant_type="nf4")
        inputs = weight.shape[1]
        if weight.device.type == "cpu" and inputs % state.blocksize and _misreads_partial_blocks():
            raise UserError(
                f"nf4: on a CPU with AVX-512, bitsandbytes {library.__version__} misreads a linear map whose number of "
                f"inputs ({inputs}) is not a multiple of {state.blocksize}; use int8, or train on a GPU"
            )
        layer.weight = library.nn.Params4bit(
            packed, requires_grad=False, quant_state=state, quant_type="nf4", module=layer, bnb_quantized=True
        )
        layer.quant_state = state
    for layer in _found(model, library.nn.Linear8bitLt):
        rows, scales, _ = library.functional.int8_vectorwise_quant(weight_of(layer).to(torch.float16))
        layer.weight = library.nn.Int8Params(rows, requires_grad=False, has_fp16_weights=False, CB=rows, SCB=scales)


def quantise_loaded(network: Any, kind: Quantisation, bf16: bool, device: torch.device) -> None:
    """Quantise the linear maps of a loaded network, one after another, and move the network to `device`.

    Weights are first rounded to bf16, so that the stored numbers do not depend on the precision of products.
    """
    before: dict[str, nn.Linear] = {
        path: module for path, module in network.named_modules() if isinstance(module, nn.Linear)
    }
    quantise(network, kind, bf16)
    library, paths = _library().nn, dict[nn.Module, str]()
    for path, module in network.named_modules():
        if isinstance(module, (library.Linear4bit, library.Linear8bitLt)):
            paths[module] = path
            module.bias = before[path].bias

    def weight_of(layer: nn.Linear) -> Tensor:
        # `pop` frees each original weight after it has been quantised.
        weight = before.pop(paths[layer]).weight.detach().bfloat16()
        return weight.to(device, torch.bfloat16 if bf16 else torch.float32)

    give_weights(network, weight_of)
    network.to(device)


def scales(model: nn.Module) -> Iterator[Tensor]:
    """Yield the tensors that bitsandbytes holds outside parameters and buffers: scales, and tables of code values."""
    library = _library()
    for layer in _found(model, library.nn.Linear4bit):
        state = layer.weight.quant_state
        yield from (state.absmax, state.code, state.offset, state.state2.absmax, state.state2.code)
    for layer in _found(model, library.nn.Linear8bitLt):
        # The first forward pass moves the scales from the weight to `state`.
        yield layer.weight.SCB if layer.state.SCB is None else layer.state.SCB


def count_weights(model: nn.Module) -> int:
    """Return the number of parameters of a model with quantised weights. In NF4, one byte holds two weights."""
    packed = {id(layer.weight): layer.in_features * layer.out_features
              for layer in _found(model, _library().nn.Linear4bit)}  # fmt: skip
    return sum(packed.get(id(parameter), parameter.numel()) for parameter in model.parameters())


def _misreads_partial_blocks() -> bool:
    # bitsandbytes 0.50.2 uses wrong scales on such CPUs if rows end inside a block.
    return torch.backends.cpu.get_cpu_capability() == "AVX512"


def _found(model: nn.Module, kind: type) -> list[Any]:
    return [module for module in model.modules() if isinstance(module, kind)]


def without_notes() -> AbstractContextManager[None]:
    """Return a context that silences bitsandbytes' notes about rounded products and missing optional packages.

    Calls of peft need this context too, because peft imports bitsandbytes if it is installed.
    """
    return quiet("bitsandbytes")


def _library() -> Any:
    with without_notes():
        import bitsandbytes

    return bitsandbytes
