"""The paths of an architecture's linear maps in a network of transformers.

The key of a backbone's tensor is (layer, site, tensor name), such as `(3, "query", "weight")`. Layers are numbered
through all stacks, the encoder's first. A tensor outside the layers has None as its layer. A tensor that belongs to no
site has its path in place of the site's name.
"""

from dataclasses import dataclass, replace
from typing import Any, Self

from adaptx.specs.architectures import ARCHITECTURES
from adaptx.specs.architectures.architecture import LayerStack
from adaptx.specs.linear_maps import with_companions

Key = tuple[int | None, str, str]


@dataclass(frozen=True)
class Sites:
    """The paths of linear maps in an architecture or, after `placed`, in one network.

    In a network, the stacks have numbers of layers, and every path of the backbone begins with `prefix`, such as
    `roberta.`.
    """

    stacks: tuple[LayerStack, ...]
    prefix: str = ""

    def placed(self, network: Any) -> Self:
        """Return these sites with the numbers of layers and the prefix of a network of transformers."""
        config = network.config
        # A second stack is the decoder of an encoder-decoder. T5 and BART name its number of layers differently.
        second = getattr(config, "num_decoder_layers", None) or getattr(config, "decoder_layers", 0)
        counts = (config.num_hidden_layers, second)
        stacks: list[LayerStack] = []
        for stack, layers in zip(self.stacks, counts, strict=False):
            stacks.append(replace(stack, first=sum(before.layers for before in stacks), layers=layers))
        return type(self)(tuple(stacks), _backbone_prefix(network, self.stacks[0].layer.removesuffix(".{}")))

    @property
    def num_layers(self) -> int:
        """Number of layers in all stacks."""
        return sum(stack.layers for stack in self.stacks)

    def module(self, layer: int, site: str) -> str:
        """Return the dotted path of a site's linear map in a layer."""
        stack = next(stack for stack in self.stacks if layer < stack.first + stack.layers)
        return f"{self.prefix}{stack.layer.format(layer - stack.first)}.{stack.paths[site]}"

    def modules(self, sites: tuple[str, ...]) -> dict[str, tuple[int, str]]:
        """Return dotted path -> (layer, site) for each linear map that a method at these sites may adapt."""
        return {
            self.module(stack.first + place, site): (stack.first + place, site)
            for stack in self.stacks
            for place in range(stack.layers)
            for site in with_companions(sites)
            if site in stack.paths
        }

    def layer_paths(self) -> list[str]:
        """Return the dotted paths of all layers in the order of their numbers."""
        return [f"{self.prefix}{stack.layer.format(place)}" for stack in self.stacks for place in range(stack.layers)]

    def layer(self, path: str) -> int | None:
        """Return the index of the layer to which a path in the network leads, or None if it leads outside the
        layers.
        """
        return next((found[0] for stack in self.stacks if (found := stack.place(self._inner(path)))), None)

    def key(self, parameter: str) -> Key:
        """Return the key of a parameter, given its dotted name in the network."""
        path, tensor = self._inner(parameter).rsplit(".", 1)
        for stack in self.stacks:
            if (found := stack.place(path)) is not None:
                number, inner = found
                names = {site_path: site for site, site_path in stack.paths.items()}
                return (number, names.get(inner, inner), tensor)
        return (None, path, tensor)

    def _inner(self, path: str) -> str:
        return path.removeprefix(self.prefix)


def sites_of(network: Any) -> Sites:
    """Return the sites in a network of transformers, with or without a head."""
    config = network.config
    architecture = ARCHITECTURES[config.model_type]
    gated = architecture.either_gated and config.is_gated_act
    return Sites(architecture.gated_stacks if gated else architecture.stacks).placed(network)


def _backbone_prefix(network: Any, layers: str) -> str:
    paths = (path for path, _ in network.named_modules())
    return next(path.removesuffix(layers) for path in paths if f".{path}".endswith(f".{layers}"))
