"""LoRA through peft (Hu et al. 2021, arXiv:2106.09685): low-rank updates beside the linear maps of chosen sites."""

import warnings
from typing import Any

from torch import nn

from adaptx.backbones.sites import Key, Sites
from adaptx.methods.quantised import quieten
from adaptx.specs import Lora

TENSORS = ("lora_A", "lora_B")


def attach(network: nn.Module, sites: Sites, method: Lora, name: str) -> dict[Key, nn.Parameter]:
    """Inject a LoRA module at the method's sites and their companions.

    Modules injected before stay active, and their outputs add up.
    """
    # Before peft is imported, which imports bitsandbytes wherever it is installed.
    quieten()
    from peft import LoraConfig, inject_adapter_in_model

    from adaptx.methods.quantised_outline import let_lora_over

    targets = sites.modules(method.sites)
    others = {name for _, layer in _lora_layers(network) for name in layer.lora_A}
    config = LoraConfig(
        r=method.rank,
        lora_alpha=method.alpha,  # pyright: ignore[reportArgumentType]  # peft takes any number
        lora_dropout=method.dropout,
        target_modules=list(targets),
    )
    let_lora_over(config)
    with warnings.catch_warnings():
        # peft warns of a second module in one network, which stacking means to have.
        warnings.filterwarnings("ignore", message="Already found a `peft_config` attribute")
        inject_adapter_in_model(config, network, name)
    parameters: dict[Key, nn.Parameter] = {}
    for path, layer in _lora_layers(network):
        present = [other for other in layer.lora_A if other in others or other == name]
        layer.set_adapter(present)
        if name in layer.lora_A:
            number, site = targets[path]
            for tensor in TENSORS:
                parameters[number, site, tensor] = getattr(layer, tensor)[name].weight
    return parameters


def scaling(method: Lora) -> float:
    """What B A x is multiplied by."""
    return method.alpha / method.rank


def fold(network: nn.Module) -> None:
    """Add every LoRA module into the weights beside it and remove it: what full fine-tuning starts from."""
    for path, layer in list(_lora_layers(network)):
        layer.merge()
        parent, _, child = path.rpartition(".")
        setattr(network.get_submodule(parent), child, layer.get_base_layer())


def _lora_layers(network: nn.Module) -> list[tuple[str, Any]]:
    quieten()
    from peft.tuners.lora import LoraLayer

    return [(path, module) for path, module in network.named_modules() if isinstance(module, LoraLayer)]
