"""Use of the adapters library's network classes (Poth et al. 2023, arXiv:2311.11077) to write folders in its format.

`prepare` must run before peft injects anything. Otherwise the library replaces the linear layers and silently drops the
LoRA layers in them.
"""

from pathlib import Path
from typing import Any, cast

from torch import nn

from adaptx.methods.adapters_backend import FUSION_SITE, SITE, plain_tensor
from adaptx.specs.sites import Key, sites_of


def prepare(network: Any) -> None:
    """Turn a bare transformers network into one of the library's classes. Its forward pass does not change."""
    import adapters

    assert not any("lora_" in name for name, _ in network.named_parameters()), "prepare() must run before LoRA layers"
    adapters.init(network)


def add_adapter(network: Any, reduction_factor: float, activation: str, name: str) -> dict[Key, nn.Parameter]:
    """Add and activate an adapter on top of the active ones. Return its parameters, keyed as in `adapters_backend`."""
    from adapters import SeqBnConfig

    network.add_adapter(name, config=SeqBnConfig(reduction_factor=reduction_factor, non_linearity=activation))
    below = adapter_names(network)
    network.set_active_adapters(_stack(*below, name) if below else name)
    return _parameters_under(network, ".adapters.", name, SITE)


def add_fusion(network: Any, names: list[str], below: list[str]) -> dict[Key, nn.Parameter]:
    """Add a fusion of the adapters `names` above the adapters `below`. Return its parameters, as `add_adapter` does."""
    from adapters.composition import Fuse

    network.add_adapter_fusion(names)
    # The library annotates each of its variable arguments as a list, hence the cast.
    fusion: Any = cast(Any, Fuse)(*names)
    network.set_active_adapters(_stack(*below, fusion) if below else fusion)
    return _parameters_under(network, ".adapter_fusion_layer.", fusion.name, FUSION_SITE)


def save_active(network: Any, folder: Path) -> None:
    """Write the active adapters and the fusion over them as a folder in the library's format.

    A single adapter is written to the folder itself, for `load_adapter`. Several adapters and their composition are
    written to subfolders, for `load_adapter_setup`.
    """
    active = network.adapters_config.active_setup
    names = _names_in_order(active)
    if len(names) == 1:
        network.save_adapter(str(folder), names[0])
    else:
        network.save_adapter_setup(str(folder), active)


def adapter_names(network: Any) -> list[str]:
    """Return the names of the active adapters, in the order in which they were stacked."""
    active = network.active_adapters
    return _names_in_order(active) if active is not None else []


def _stack(*layers: Any) -> Any:
    from adapters.composition import Stack

    return cast(Any, Stack)(*layers)


def _names_in_order(composition: Any) -> list[str]:
    # The library's `flatten` returns a set, whose order differs between processes.
    children = ([child] if isinstance(child, str) else _names_in_order(child) for child in composition.children)
    return [name for names in children for name in names]


def _parameters_under(network: nn.Module, marker: str, name: str, site: str) -> dict[Key, nn.Parameter]:
    sites = sites_of(network)
    found: dict[Key, nn.Parameter] = {}
    for path, parameter in network.named_parameters():
        _, there, tail = path.partition(f"{marker}{name}.")
        if there:
            found[sites.layer(path), site, plain_tensor(tail)] = parameter
    return found
