"""Bottleneck adapters at one place of every layer; each is a module of the adapters library (Poth et al. 2023,
arXiv:2311.11077).

Of the library no more is used in training than its adapter modules. Its own classes of networks replace attention and
linear maps too, differ from transformers' in some architectures, and are lacking for others; here a network stays as
transformers made it, and what lies around the adapter is the same everywhere. Where the library has a class that is
right it computes the same (`adapters_classes`, which its folders are written from).

Suffixes: B sequences, T tokens, A adapters, D hidden size.
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
    """The adapters of one layer and the mixing layers over them.

    order: names in the order in which they run; several at once are mixed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.adapters = nn.ModuleDict()
        self.fusions = nn.ModuleDict()
        self.order: list[tuple[str, ...]] = []

    def over(self, states_BTD: Tensor, norm: Callable[[Tensor], Tensor]) -> Tensor:
        """What the states become; each adapter reads them through `norm`, and adds to them as they are."""
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
    """Make room for adapters in every layer of a transformers network; its forward pass stays as it was."""
    place = ARCHITECTURES[network.config.model_type].bottleneck
    assert place is not None, "planning refuses bottleneck adapters whose place is not known"
    extend = _inside_norm if isinstance(place, InsideNorm) else _after_layer
    for path in sites_of(network).layer_paths():
        layer = network.get_submodule(path)
        holder = layer.get_submodule(place.norm) if isinstance(place, InsideNorm) else layer
        # Not a hook: what transformers records as a layer's output would be what it was before the hook.
        holder.__class__ = extend(type(holder))
        holder.bottleneck = Adapters()


def add_adapter(network: Any, reduction_factor: float, activation: str, name: str) -> dict[Key, nn.Parameter]:
    """Add one adapter over those that are there; its up-projection starts at zero.

    The parameters are keyed by layer; `adapter_down.0.weight` is called `down.weight`.
    """
    from adapters import SeqBnConfig
    from adapters.methods.modeling import Adapter

    # `mam_adapter` is the library's name for Kaiming-uniform down and zero up (He et al. 2022, arXiv:2110.04366).
    config = SeqBnConfig(reduction_factor=reduction_factor, non_linearity=activation, init_weights="mam_adapter")
    size = network.config.hidden_size
    found: dict[Key, nn.Parameter] = {}
    for layer, place in _places(network):
        adapter = Adapter(name, size, int(size // reduction_factor), config)
        place.adapters[name] = adapter.train(place.training)
        place.order.append((name,))
        for path, parameter in adapter.named_parameters():
            found[layer, SITE, plain_tensor(path)] = parameter
    return found


def plain_tensor(path: str) -> str:
    """What a tensor of the library's adapters is called here."""
    return path.replace("adapter_down.0", "down").replace("adapter_up", "up")


def add_fusion(
    network: Any, names: list[str], below: list[str], make: Callable[[int], FusionLayer]
) -> list[FusionLayer]:
    """Mix the outputs of the adapters `names`, above the frozen ones in `below`, by one mixing layer in each layer.

    make: layer -> a module that is given what the adapters read, their outputs and the states. Returns them all.
    """
    made: list[FusionLayer] = []
    for layer, place in _places(network):
        made.append(make(layer).train(place.training))
        place.fusions[",".join(names)] = made[-1]
        place.order = [*((name,) for name in below), tuple(names)]
    return made


def adapter_names(network: Any) -> list[str]:
    """Names of the adapters at work, lowest first."""
    return [name for names in _places(network)[0][1].order for name in names]


def _places(network: Any) -> list[tuple[int, Adapters]]:
    """Of every layer, in order."""
    sites = sites_of(network)
    found = [(sites.layer(path), each) for path, each in network.named_modules() if isinstance(each, Adapters)]
    assert found, "the network has not been through `prepare`"
    return cast(list[tuple[int, Adapters]], found)


def _inside_norm(plain: type[nn.Module]) -> type[nn.Module]:
    """The class of a norm that adapters lie before."""

    def forward(self: Any, states_BTD: Tensor) -> Tensor:
        def norm(states_BTD: Tensor) -> Tensor:
            return plain.forward(self, states_BTD)

        return norm(self.bottleneck.over(states_BTD, norm))

    return type(plain.__name__, (plain,), {"forward": forward})


def _after_layer(plain: type[nn.Module]) -> type[nn.Module]:
    """The class of a layer that adapters lie behind."""

    def forward(self: Any, *args: Any, **options: Any) -> Any:
        output = plain.forward(self, *args, **options)
        if isinstance(output, tuple):
            states_BTD, *more = cast(tuple[Any, ...], output)
            return (self.bottleneck.over(states_BTD, _as_it_is), *more)
        return self.bottleneck.over(output, _as_it_is)

    return type(plain.__name__, (plain,), {"forward": forward})


def _as_it_is(states_BTD: Tensor) -> Tensor:
    return states_BTD
