"""The only file that imports the adapters library (Poth et al. 2023, arXiv:2311.11077).

`prepare` must run before peft injects anything: in the other order its replacement of linear maps silently drops
the LoRA layers.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from torch import nn

from adaptx.backbones.sites import Key, sites_of

SITE = "adapter"
FUSION_SITE = "adapter_fusion"
_ADAPTER = ".adapters."
FusionLayer = TypeVar("FusionLayer", bound=nn.Module)


def prepare(network: Any) -> None:
    """Make a bare transformers network able to hold adapters; its forward pass stays as it was."""
    import adapters

    assert not any("lora_" in name for name, _ in network.named_parameters()), "adapters come before LoRA"
    # Its note that no adapter is active yet would be printed at each forward pass of a bare network.
    logging.getLogger("adapters").setLevel(logging.ERROR)
    adapters.init(network)


def add_adapter(network: Any, reduction_factor: float, activation: str, name: str) -> dict[Key, nn.Parameter]:
    """Add and activate one adapter over the active ones; its up-projection starts at zero."""
    from adapters import SeqBnConfig

    # `mam_adapter` is the library's name for Kaiming-uniform down and zero up (He et al. 2022, arXiv:2110.04366).
    config = SeqBnConfig(reduction_factor=reduction_factor, non_linearity=activation, init_weights="mam_adapter")
    network.add_adapter(name, config=config)
    below = _active(network)
    network.set_active_adapters(_stack(*below, name) if below else name)
    return _parameters(network, _ADAPTER, name, SITE)


def add_fusion(
    network: Any, names: list[str], below: list[str], make: Callable[[int], FusionLayer]
) -> list[FusionLayer]:
    """Mix the outputs of the adapters `names`, above the frozen ones in `below`, by one fusion layer in each layer.

    make: layer -> a module called as the library calls its own fusion layer, whose place it takes. Returns them all.
    """
    from adapters.composition import Fuse

    network.add_adapter_fusion(names)
    # The library annotates its varargs as a list each, hence the cast.
    fusion: Any = cast(Any, Fuse)(*names)
    network.set_active_adapters(_stack(*below, fusion) if below else fusion)
    sites = sites_of(network)
    made: list[FusionLayer] = []
    for path, module in network.named_modules():
        layers = getattr(module, "adapter_fusion_layer", None)
        if isinstance(layers, nn.ModuleDict) and fusion.name in layers:
            layer = sites.layer(path)
            assert layer is not None, path
            made.append(make(layer))
            layers[fusion.name] = made[-1]
    return made


def add_plain_fusion(network: Any, names: list[str], below: list[str]) -> dict[Key, nn.Parameter]:
    """As `add_fusion`, with the library's own layers: what its folders hold. Their tensors are called as ours."""
    from adapters.composition import Fuse

    network.add_adapter_fusion(names)
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


def forward_contexts() -> list[Any]:
    """What the library's layers run in during a forward pass, for layers computed again; empty outside of one."""
    from adapters.context import ForwardContext

    context = ForwardContext.get_context()
    return [] if context is None else [context]


def adapter_names(network: Any) -> list[str]:
    """Names of the active adapters, lowest first."""
    return _active(network)


def _stack(*layers: Any) -> Any:
    from adapters.composition import Stack

    return cast(Any, Stack)(*layers)


def _active(network: Any) -> list[str]:
    active = getattr(network, "active_adapters", None)
    return _names(active) if active is not None and hasattr(active, "children") else []


def _names(composition: Any) -> list[str]:
    """In order; the library's own `flatten` returns a set, whose order changes from process to process."""
    children = ([child] if isinstance(child, str) else _names(child) for child in composition.children)
    return [name for names in children for name in names]


def _parameters(network: nn.Module, marker: str, name: str, site: str) -> dict[Key, nn.Parameter]:
    """The parameters of one adapter or fusion, keyed by layer; `adapter_down.0.weight` becomes `down.weight`."""
    sites = sites_of(network)
    found: dict[Key, nn.Parameter] = {}
    for path, parameter in network.named_parameters():
        _, there, tail = path.partition(f"{marker}{name}.")
        if there:
            tensor = tail.replace("adapter_down.0", "down").replace("adapter_up", "up")
            found[sites.layer(path), site, tensor] = parameter
    return found
