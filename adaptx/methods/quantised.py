"""Frozen linear maps stored in few digits below LoRA (QLoRA, Dettmers et al. 2023, arXiv:2305.14314; LLM.int8, Dettmers
et al. 2022, arXiv:2208.07339). The only file that imports bitsandbytes.

A network is quantised on the meta device, before LoRA is attached; its weights come one by one afterwards, so that they
are never all there in full precision. Embeddings, norms, biases and the output matrix stay as they are.
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
"""Columns of inputs with a larger value than this are multiplied in 16 bits, on a GPU (LLM.int8, section 3.2)."""


def replace_linear(network: Any, make: Callable[[nn.Linear], nn.Linear]) -> None:
    """Put `make(linear)` in the place of each linear map of a network's layers but those that stay whole."""
    sites = sites_of(network)
    whole = ARCHITECTURES[network.config.model_type].whole_sites
    for path, module in list(network.named_modules()):
        if isinstance(module, nn.Linear) and sites.layer(path) is not None:
            _, site, _ = sites.key(f"{path}.weight")
            if site not in whole:
                parent, _, child = path.rpartition(".")
                setattr(network.get_submodule(parent), child, make(module))


def quantise(network: Any, kind: Quantisation, bf16: bool) -> None:
    """Put bitsandbytes' linear maps into a network on the meta device, still without weights.

    bf16: products are taken in bf16, else in fp32.
    """
    layers = _library().nn

    def make(linear: Any) -> nn.Linear:
        sizes, bias = (linear.in_features, linear.out_features), linear.bias is not None
        match kind:
            case Quantisation.NF4:
                # Its scales are quantised again (section 3.2: 0.37 bits fewer a weight).
                layer: Any = layers.Linear4bit(
                    *sizes,
                    bias=bias,
                    compute_dtype=torch.bfloat16 if bf16 else torch.float32,
                    compress_statistics=True,
                    quant_type="nf4",
                    device="meta",
                )
                # Else it puts its weights in another order as soon as it is evaluated on a CPU with bf16 (of some sizes
                # it cannot), and takes products in bf16 whatever was asked.
                layer.support_avx512bf16_for_cpu = False
                return layer
            case Quantisation.INT8:
                return layers.Linear8bitLt(*sizes, bias=bias, has_fp16_weights=False, threshold=OUTLIER, device="meta")

    replace_linear(network, make)
    # peft takes its own layers for these by the network's word alone.
    network.is_loaded_in_4bit = kind is Quantisation.NF4
    network.is_loaded_in_8bit = kind is Quantisation.INT8


def give_weights(model: nn.Module, weight_of: Callable[[nn.Linear], Tensor]) -> None:
    """Quantise and store the weight of each map that `quantise` has put there, one after the other.

    weight_of: a map -> its weight [outputs, inputs] in full precision, on the device on which it is to be.
    """
    library = _library()
    for layer in _found(model, library.nn.Linear4bit):
        weight = weight_of(layer)
        packed, state = library.functional.quantize_4bit(weight, compress_statistics=True, quant_type="nf4")
        inputs = weight.shape[1]
        if weight.device.type == "cpu" and inputs % state.blocksize and _misreads_partial_blocks():
            raise UserError(
                f"nf4: bitsandbytes {library.__version__} misreads a linear map of {inputs} inputs, no multiple of "
                f"{state.blocksize}, on a CPU with AVX-512; take int8, or train on a GPU"
            )
        layer.weight = library.nn.Params4bit(
            packed, requires_grad=False, quant_state=state, quant_type="nf4", module=layer, bnb_quantized=True
        )
        layer.quant_state = state
    for layer in _found(model, library.nn.Linear8bitLt):
        rows, scales, _ = library.functional.int8_vectorwise_quant(weight_of(layer).to(torch.float16))
        layer.weight = library.nn.Int8Params(rows, requires_grad=False, has_fp16_weights=False, CB=rows, SCB=scales)


def quantise_loaded(network: Any, kind: Quantisation, bf16: bool, device: torch.device) -> None:
    """Quantise the maps of a network with weights, one after the other; all of it is on `device` then.

    Weights are rounded to bf16 before, so that what is stored is the same whatever products are taken in.
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
        # Gone from memory once it is quantised.
        weight = before.pop(paths[layer]).weight.detach().bfloat16()
        return weight.to(device, torch.bfloat16 if bf16 else torch.float32)

    give_weights(network, weight_of)
    network.to(device)


def scales(model: nn.Module) -> Iterator[Tensor]:
    """What bitsandbytes holds beside parameters and buffers: scales, and the tables of values that codes stand for."""
    library = _library()
    for layer in _found(model, library.nn.Linear4bit):
        state = layer.weight.quant_state
        yield from (state.absmax, state.code, state.offset, state.state2.absmax, state.state2.code)
    for layer in _found(model, library.nn.Linear8bitLt):
        # The first forward pass moves them.
        yield layer.weight.SCB if layer.state.SCB is None else layer.state.SCB


def count_weights(model: nn.Module) -> int:
    """Parameters of a model with quantised weights: a byte may hold two."""
    packed = {id(layer.weight): layer.in_features * layer.out_features
              for layer in _found(model, _library().nn.Linear4bit)}  # fmt: skip
    return sum(packed.get(id(parameter), parameter.numel()) for parameter in model.parameters())


def _misreads_partial_blocks() -> bool:
    """Whether the library takes the scale of a wrong block where a row does not end with one (seen in 0.50.2)."""
    return torch.backends.cpu.get_cpu_capability() == "AVX512"


def _found(model: nn.Module, kind: type) -> list[Any]:
    return [module for module in model.modules() if isinstance(module, kind)]


def without_notes() -> AbstractContextManager[None]:
    """Silence bitsandbytes' note at each product that it rounds, and that on its import of a package it does without.

    peft imports it wherever it is installed.
    """
    return quiet("bitsandbytes")


def _library() -> Any:
    with without_notes():
        import bitsandbytes

    return bitsandbytes
