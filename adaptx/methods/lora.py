"""LoRA through peft (Hu et al. 2021, arXiv:2106.09685): trained low-rank updates of the linear maps at chosen sites.

Biases may be trained as well. peft would change the network's own biases (`bias="lora_only"`). Here a module holds the
difference that it adds to a bias, so that biases can be stacked, merged and folded like the low-rank updates.
"""

import warnings
from typing import Any

import torch
from torch import Tensor, nn

from adaptx.backbones.fp32_guise import fp32_guise
from adaptx.errors import UserError
from adaptx.methods.interface import Behaviour, Parameters
from adaptx.methods.lora_peft import BIAS, DOWN, UP, to_peft
from adaptx.methods.quantised import without_notes
from adaptx.specs import Lora
from adaptx.specs.sites import Sites

TENSORS = (DOWN, UP)


class ShiftedLinear(nn.Module):
    """A linear map plus a trained vector, which is the change that a LoRA module makes to the map's bias.

    The wrapped map is called `base_layer`, because that is the name under which peft looks for it.
    """

    def __init__(self, base_layer: nn.Module, output_size: int, device: torch.device) -> None:
        super().__init__()
        self.base_layer = base_layer
        self.bias = nn.Parameter(torch.zeros(output_size, device=device))

    def forward(self, *inputs: Any, **options: Any) -> Tensor:
        output: Tensor = self.base_layer(*inputs, **options)
        return output + self.bias.to(output.dtype)


def attach(network: nn.Module, sites: Sites, method: Lora, name: str) -> Parameters:
    """Inject a LoRA module at the method's sites and their companions (for example, at `gate` if `up` is a site).

    Modules that were injected earlier stay active, and their outputs are summed.

    Raises:
        UserError: the method trains biases, but no linear map at its sites has a bias.
    """
    with without_notes():
        from peft import LoraConfig, inject_adapter_in_model

    from adaptx.methods.quantised_outline import let_lora_over

    targets = sites.modules(method.sites)
    others = {name for _, layer in _lora_layers(network) for name in layer.lora_A}
    config = LoraConfig(
        r=method.rank,
        lora_alpha=method.alpha,  # pyright: ignore[reportArgumentType]  # peft takes any number
        lora_dropout=method.dropout,
        target_modules=list(targets),
        rank_pattern={path: method.rank_at(site) for path, (_, site) in targets.items()} if method.ranks else {},
        alpha_pattern={path: method.alpha_at(site) for path, (_, site) in targets.items()} if method.alphas else {},  # pyright: ignore[reportArgumentType]
    )
    let_lora_over(config)
    with warnings.catch_warnings(), fp32_guise(network):
        # peft warns about a second module in one network, which is intended when modules are stacked.
        warnings.filterwarnings("ignore", message="Already found a `peft_config` attribute")
        inject_adapter_in_model(config, network, name)
    parameters: Parameters = {}
    for path, layer in _lora_layers(network):
        present = [other for other in layer.lora_A if other in others or other == name]
        layer.set_adapter(present)
        if name in layer.lora_A:
            number, site = targets[path]
            for tensor in TENSORS:
                parameters[number, site, tensor] = getattr(layer, tensor)[name].weight
            if method.bias and layer.get_base_layer().bias is not None:
                layer.base_layer = ShiftedLinear(
                    layer.base_layer, layer.out_features, layer.get_base_layer().weight.device
                )
                parameters[number, site, BIAS] = layer.base_layer.bias
    if method.bias and not any(tensor == BIAS for _, _, tensor in parameters):
        raise UserError(f"{method}: no linear map at these sites has a bias to train; use Lora(bias=False)")
    return parameters


def fold(network: nn.Module) -> None:
    """Add every LoRA update to its linear map, and put the plain map in the place of the LoRA layer."""
    for path, layer in list(_lora_layers(network)):
        layer.merge()
        linear, below = layer.get_base_layer(), layer.base_layer
        while isinstance(below, ShiftedLinear):
            linear.bias.data += below.bias.data
            below = below.base_layer
        parent, _, child = path.rpartition(".")
        setattr(network.get_submodule(parent), child, linear)


def _lora_layers(network: nn.Module) -> list[tuple[str, Any]]:
    with without_notes():
        from peft.tuners.lora import LoraLayer

    return [(path, module) for path, module in network.named_modules() if isinstance(module, LoraLayer)]


def _unchanged(tensor: Tensor, own: Tensor | None) -> None:
    """Return None. This is never called, because merging treats LoRA's products of two tensors separately."""


BEHAVIOUR = Behaviour(attach=attach, prepare=None, fold=fold, unchanged=_unchanged, to_peft=to_peft)
