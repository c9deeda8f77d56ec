"""The adapters library's own classes of networks (Poth et al. 2023, arXiv:2311.11077): what its folders are written by.

`prepare` must run before peft injects anything: in the other order its replacement of linear maps silently drops
the LoRA layers.
"""

from pathlib import Path
from typing import Any, cast

from torch import nn

from adaptx.methods.adapters_backend import FUSION_SITE, SITE, plain_tensor
from adaptx.specs.sites import Key, sites_of


def prepare(network: Any) -> None:
    """Make a bare transformers network one of the library's; its forward pass stays as it was."""
    import adapters

    assert not any("lora_" in name for name, _ in network.named_parameters()), "adapters come before LoRA"
    adapters.init(network)


def add_adapter(network: Any, reduction_factor: float, activation: str, name: str) -> dict[Key, nn.Parameter]:
    """Add and activate one adapter over the active ones; parameters are keyed as those of `adapters_backend` are."""
    from adapters import SeqBnConfig

    network.add_adapter(name, config=SeqBnConfig(reduction_factor=reduction_factor, non_linearity=activation))
    below = adapter_names(network)
    network.set_active_adapters(_stack(*below, name) if below else name)
    return _parameters(network, ".adapters.", name, SITE)


def add_fusion(network: Any, names: list[str], below: list[str]) -> dict[Key, nn.Parameter]:
    """Mix the outputs of the adapters `names`, above those in `below`; the layers' tensors are called as ours."""
    from adapters.composition import Fuse

    network.add_adapter_fusion(names)
    # The library annotates its varargs as a list each, hence the cast.
    fusion: Any = cast(Any, Fuse)(*names)
    network.set_active_adapters(_stack(*below, fusion) if below else fusion)
    return _parameters(network, ".adapter_fusion_layer.", fusion.name, FUSION_SITE)


def save_active(network: Any, folder: Path) -> None:
    """Write the active adapters, and the mixing over them, as the library's own folder.

    One adapter lies in the folder itself (`load_adapter`); several with their composition in folders below it
    (`load_adapter_setup`).
    """
    active = network.adapters_config.active_setup
    names = _names(active)
    if len(names) == 1:
        network.save_adapter(str(folder), names[0])
    else:
        network.save_adapter_setup(str(folder), active)


def adapter_names(network: Any) -> list[str]:
    """Names of the active adapters, lowest first."""
    active = network.active_adapters
    return _names(active) if active is not None else []


def _stack(*layers: Any) -> Any:
    from adapters.composition import Stack

    return cast(Any, Stack)(*layers)


def _names(composition: Any) -> list[str]:
    """In order; the library's own `flatten` returns a set, whose order changes from process to process."""
    children = ([child] if isinstance(child, str) else _names(child) for child in composition.children)
    return [name for names in children for name in names]


def _parameters(network: nn.Module, marker: str, name: str, site: str) -> dict[Key, nn.Parameter]:
    """The parameters of one adapter or fusion, keyed by layer."""
    sites = sites_of(network)
    found: dict[Key, nn.Parameter] = {}
    for path, parameter in network.named_parameters():
        _, there, tail = path.partition(f"{marker}{name}.")
        if there:
            found[sites.layer(path), site, plain_tensor(tail)] = parameter
    return found
