"""(IA)^3 through peft (Liu et al. 2022, arXiv:2205.05638): a trained vector scales the outputs of a linear map.

At the down projection of the feed-forward block, the vector scales the inputs instead.
"""

import functools
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from adaptx.backbones.fp32_guise import fp32_guise
from adaptx.methods.interface import Behaviour, Parameters
from adaptx.methods.module import Module
from adaptx.methods.peft_parts import PeftParts, Place, places_of, target_pattern
from adaptx.methods.quantised import without_notes
from adaptx.specs import Ia3
from adaptx.specs.sites import Sites

SCALE = "scale"
"""Name of a module's tensor at a linear map. Its shape is [outputs, 1], or [1, inputs] if inputs are scaled."""
SCALES_INPUTS = "down"


def attach(network: nn.Module, sites: Sites, method: Ia3, name: str) -> Parameters:
    """Inject vectors at the method's sites and their companions (for example, at `gate` if `up` is a site).

    Vectors that were injected earlier stay active. A linear map is scaled by the product of all its vectors.
    """
    with without_notes():
        from peft import IA3Config, inject_adapter_in_model

    targets = sites.modules(method.sites)
    others = {other for _, layer in _layers(network) for other in layer.ia3_l}
    scaling_inputs = [path for path, (_, site) in targets.items() if site == SCALES_INPUTS]
    config = IA3Config(target_modules=list(targets), feedforward_modules=scaling_inputs)
    with warnings.catch_warnings(), fp32_guise(network):
        # peft warns about a second module in one network, which is intended when modules are stacked.
        warnings.filterwarnings("ignore", message="Already found a `peft_config` attribute")
        inject_adapter_in_model(config, network, name)
    parameters: Parameters = {}
    for path, layer in _layers(network):
        layer.set_adapter([other for other in layer.ia3_l if other in others or other == name])
        if name in layer.ia3_l:
            parameters[*targets[path], SCALE] = layer.ia3_l[name]
    return parameters


def fold(network: nn.Module) -> None:
    """Multiply the vectors into the weights and biases of their linear maps, and remove them."""
    for path, layer in _layers(network):
        layer.merge()
        parent, _, child = path.rpartition(".")
        setattr(network.get_submodule(parent), child, layer.get_base_layer())


def _layers(network: nn.Module) -> list[tuple[str, Any]]:
    with without_notes():
        from peft.tuners.ia3 import IA3Layer

    return [(path, module) for path, module in network.named_modules() if isinstance(module, IA3Layer)]


def _unchanged(tensor: Tensor, own: Tensor | None) -> Tensor:
    return torch.ones_like(tensor, dtype=torch.float32)


def _to_peft(modules: Sequence[Module], sites: Sites) -> PeftParts:
    # A peft folder has one vector per linear map, so it gets the product of all modules' vectors.
    places = places_of(key for module in modules for key in module.tensors)
    scales: dict[Place, Tensor] = {}
    for place in places:
        own = [module.tensors[*place, SCALE].float() for module in modules if (*place, SCALE) in module.tensors]
        scales[place] = functools.reduce(torch.mul, own)
    scaling_inputs = [place for place in places if place[1] == SCALES_INPUTS]
    config = {
        "peft_type": "IA3",
        "feedforward_modules": target_pattern(scaling_inputs, sites) if scaling_inputs else [],
        "init_ia3_weights": True,
    }
    return PeftParts(places, config, {f"{sites.module(*place)}.ia3_l": scale for place, scale in scales.items()})


BEHAVIOUR = Behaviour(attach=attach, prepare=None, fold=fold, unchanged=_unchanged, to_peft=_to_peft)
