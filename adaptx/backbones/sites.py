"""Where the sites of `adaptx.specs.method.SITES` and their companions lie in each architecture of transformers.

A tensor of a backbone is keyed by (layer, site, tensor): layer None is outside the layers, else layers are numbered
through all stacks (an encoder-decoder's encoder first); site is a shared name where one exists, else the
parameter's own path.
"""

from dataclasses import dataclass, replace
from typing import Any, Self

from adaptx.specs.method import with_companions

Key = tuple[int | None, str, str]


@dataclass(frozen=True)
class LayerStack:
    """Layers of one kind: `layer` is the path of one, with `{}` for its number; `paths` those of the sites below it.

    `{}` is the path's end. first: the number of the first layer here. layers: how many there are. Both are
    known once placed in a network.
    """

    layer: str
    paths: dict[str, str]
    first: int = 0
    layers: int = 0

    def place(self, path: str) -> tuple[int, str] | None:
        """The number of the layer that a module lies in and its path below it; None where it lies elsewhere."""
        before = self.layer.removesuffix("{}")
        place, _, inner = path.removeprefix(before).partition(".")
        if not path.startswith(before) or not place.isdigit():
            return None
        return self.first + int(place), inner


@dataclass(frozen=True)
class Sites:
    """The stacks of an architecture, or of one network: then their layers are counted and numbered through.

    prefix: what the paths of the network's backbone begin with.
    """

    stacks: tuple[LayerStack, ...]
    prefix: str = ""

    def placed(self, network: Any) -> Self:
        """As they lie in a transformers network, bare or with a head over its backbone."""
        config = network.config
        # A second stack is the decoder of an encoder-decoder.
        counts = (config.num_hidden_layers, getattr(config, "num_decoder_layers", 0))
        stacks: list[LayerStack] = []
        for stack, layers in zip(self.stacks, counts, strict=False):
            stacks.append(replace(stack, first=sum(before.layers for before in stacks), layers=layers))
        return type(self)(tuple(stacks), "" if network.base_model is network else f"{network.base_model_prefix}.")

    @property
    def num_layers(self) -> int:
        """Layers of all stacks."""
        return sum(stack.layers for stack in self.stacks)

    def module(self, layer: int, site: str) -> str:
        """Dotted path of a site's linear map."""
        stack = next(stack for stack in self.stacks if layer < stack.first + stack.layers)
        return f"{self.prefix}{stack.layer.format(layer - stack.first)}.{stack.paths[site]}"

    def modules(self, sites: tuple[str, ...]) -> dict[str, tuple[int, str]]:
        """Dotted path -> (layer, site) of the linear maps of these sites, with their companions, in every layer."""
        return {
            self.module(stack.first + place, site): (stack.first + place, site)
            for stack in self.stacks
            for place in range(stack.layers)
            for site in with_companions(sites)
            if site in stack.paths
        }

    def layer(self, path: str) -> int | None:
        """The number of the layer that a module or parameter lies in; None: it lies in none."""
        return next((found[0] for stack in self.stacks if (found := stack.place(self._inner(path)))), None)

    def key(self, parameter: str) -> Key:
        """The key of a parameter by its dotted name in the network."""
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
    """The sites of a transformers network, bare or with a head over its backbone."""
    return SITES_OF[network.config.model_type].placed(network)


def _t5_layer(feed_forward: str) -> dict[str, str]:
    return {
        "query": "layer.0.SelfAttention.q",
        "key": "layer.0.SelfAttention.k",
        "value": "layer.0.SelfAttention.v",
        "output": "layer.0.SelfAttention.o",
        "gate": f"{feed_forward}.wi_0",
        "up": f"{feed_forward}.wi_1",
        "down": f"{feed_forward}.wo",
    }


_BERT = LayerStack(
    "encoder.layer.{}",
    {
        "query": "attention.self.query",
        "key": "attention.self.key",
        "value": "attention.self.value",
        "output": "attention.output.dense",
        "up": "intermediate.dense",
        "down": "output.dense",
    },
)
_T5_CROSS = {
    "cross_query": "layer.1.EncDecAttention.q",
    "cross_key": "layer.1.EncDecAttention.k",
    "cross_value": "layer.1.EncDecAttention.v",
    "cross_output": "layer.1.EncDecAttention.o",
}
_T5_ENCODER = LayerStack("encoder.block.{}", _t5_layer("layer.1.DenseReluDense"))
_T5_DECODER = LayerStack("decoder.block.{}", {**_t5_layer("layer.2.DenseReluDense"), **_T5_CROSS})
_LLAMA = LayerStack(
    "layers.{}",
    {
        "query": "self_attn.q_proj",
        "key": "self_attn.k_proj",
        "value": "self_attn.v_proj",
        "output": "self_attn.o_proj",
        "gate": "mlp.gate_proj",
        "up": "mlp.up_proj",
        "down": "mlp.down_proj",
    },
)

SITES_OF: dict[str, Sites] = {
    "bert": Sites((_BERT,)),
    "xlm-roberta": Sites((_BERT,)),
    "xlm-roberta-xl": Sites((_BERT,)),
    "mt5": Sites((_T5_ENCODER, _T5_DECODER)),
    "qwen3": Sites((_LLAMA,)),
    "llama": Sites((_LLAMA,)),
}
"""A config.json's `model_type` -> its sites, not yet placed in a network."""
