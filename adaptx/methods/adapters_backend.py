"""Bottleneck adapters, one per layer, built from layers of the adapters library (Poth et al. 2023, arXiv:2311.11077).

Adapters are inserted into the network that transformers built. The library's own network classes are not used here,
because they do not exist for every architecture. Where they exist and are correct, the values are the same.
`adapters_classes.py` uses the library's network classes to write folders in its format.

Suffixes of tensor and array names, one letter per dimension: B sequences, T tokens, A adapters, D hidden size.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from adaptx.specs.architectures import ARCHITECTURES
from adaptx.specs.architectures.architecture import InsideNorm
from adaptx.specs.sites import Key, sites_of

SITE = "adapter"
FUSION_SITE = "adapter_fusion"
FusionLayer = TypeVar("FusionLayer", bound=nn.Module)


class Adapters(nn.Module):
    """The adapters of one layer, and the fusion layers that mix their outputs.

    order: the steps in the order in which they run. For example, [("a",), ("b", "c")] runs the adapter a, and then the
    fusion of the adapters b and c.
    """

    def __init__(self) -> None:
        super().__init__()
        self.adapters = nn.ModuleDict()
        self.fusions = nn.ModuleDict()
        self.order: list[tuple[str, ...]] = []

    def over(self, states_BTD: Tensor, norm: Callable[[Tensor], Tensor]) -> Tensor:
        """Return the states after all steps. An adapter reads `norm(states)` and adds its output to the states."""
        for names in self.order:
            read_BTD = norm(states_BTD)
            if len(names) == 1:
                states_BTD, _, _ = self.adapters[names[0]](read_BTD, states_BTD)
            else:
                outputs = [self.adapters[name](read_BTD, states_BTD)[2] for name in names]
                outputs_BTAD = torch.stack(outputs, dim=-2)
                states_BTD = self.fusions[",".join(names)](read_BTD, outputs_BTAD, states_BTD)
        return states_BTD


def prepare(network: Any) -> None:
    """Prepare every layer of a transformers network for adapters. Its forward pass does not change.

    The class of each layer (or of a norm inside it) is replaced by a subclass that also runs the layer's adapters.
    """
    place = ARCHITECTURES[network.config.model_type].bottleneck
    assert place is not None, "planning refuses bottleneck adapters whose place is not known"
    extend = _norm_with_adapters if isinstance(place, InsideNorm) else _layer_with_adapters
    for path in sites_of(network).layer_paths():
        layer = network.get_submodule(path)
        holder = layer.get_submodule(place.norm) if isinstance(place, InsideNorm) else layer
        # A subclass, not a forward hook: transformers would record a layer's output as it was before the hook.
        holder.__class__ = extend(type(holder))
        holder.bottleneck = Adapters()


def add_adapter(network: Any, reduction_factor: float, activation: str, name: str) -> dict[Key, nn.Parameter]:
    """Add an adapter to every layer, on top of existing adapters, and return its parameters.

    The up-projection starts at zero, so the forward pass does not change. Keys are (layer, site, tensor), such as
    (0, "adapter", "down.weight").
    """
    from adapters import SeqBnConfig
    from adapters.methods.modeling import Adapter

    # `mam_adapter` is the library's name for Kaiming-uniform down and zero up (He et al. 2022, arXiv:2110.04366).
    config = SeqBnConfig(reduction_factor=reduction_factor, non_linearity=activation, init_weights="mam_adapter")
    size = network.config.hidden_size
    found: dict[Key, nn.Parameter] = {}
    for layer, place in _layers_with_adapters(network):
        adapter = Adapter(name, size, int(size // reduction_factor), config)
        place.adapters[name] = adapter.train(place.training)
        place.order.append((name,))
        for path, parameter in adapter.named_parameters():
            found[layer, SITE, plain_tensor(path)] = parameter
    return found


def plain_tensor(path: str) -> str:
    """Return adaptx's name for a tensor of the library, such as `down.weight` for `adapter_down.0.weight`."""
    return path.replace("adapter_down.0", "down").replace("adapter_up", "up")


def add_fusion(
    network: Any, names: list[str], below: list[str], make: Callable[[int], FusionLayer]
) -> list[FusionLayer]:
    """Add a fusion layer to every layer of the network, and return all fusion layers in order.

    A fusion layer mixes the outputs of the adapters `names`. It runs after the frozen adapters `below`. make: returns
    the fusion layer for a layer's index.
    """
    made: list[FusionLayer] = []
    for layer, place in _layers_with_adapters(network):
        made.append(make(layer).train(place.training))
        place.fusions[",".join(names)] = made[-1]
        place.order = [*((name,) for name in below), tuple(names)]
    return made


def adapter_names(network: Any) -> list[str]:
    """Return the names of the active adapters, in the order in which they were stacked."""
    return [name for names in _layers_with_adapters(network)[0][1].order for name in names]


def _layers_with_adapters(network: Any) -> list[tuple[int, Adapters]]:
    sites = sites_of(network)
    found = [(sites.layer(path), each) for path, each in network.named_modules() if isinstance(each, Adapters)]
    assert found, "`prepare` must be called on the network first"
    return cast(list[tuple[int, Adapters]], found)


def _norm_with_adapters(plain: type[nn.Module]) -> type[nn.Module]:
    def forward(self: Any, states_BTD: Tensor) -> Tensor:
        def norm(states_BTD: Tensor) -> Tensor:
            return plain.forward(self, states_BTD)

        return norm(self.bottleneck.over(states_BTD, norm))

    return type(plain.__name__, (plain,), {"forward": forward})


def _layer_with_adapters(plain: type[nn.Module]) -> type[nn.Module]:
    def forward(self: Any, *args: Any, **options: Any) -> Any:
        output = plain.forward(self, *args, **options)
        if isinstance(output, tuple):
            states_BTD, *more = cast(tuple[Any, ...], output)
            return (self.bottleneck.over(states_BTD, _as_it_is), *more)
        return self.bottleneck.over(output, _as_it_is)

    return type(plain.__name__, (plain,), {"forward": forward})


def _as_it_is(states_BTD: Tensor) -> Tensor:
    return states_BTD
