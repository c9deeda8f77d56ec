"""Where the sites of `adaptx.specs.linear_maps.SITES` and their companions lie in each architecture of transformers.

A tensor of a backbone is keyed by (layer, site, tensor): layer None is outside the layers, else layers are numbered
through all stacks (an encoder-decoder's encoder first); site is a shared name where one exists, else the
parameter's own path.
"""

from dataclasses import dataclass, replace
from typing import Any, Self

from adaptx.specs.architecture import ATTENTION
from adaptx.specs.linear_maps import with_companions

Key = tuple[int | None, str, str]


@dataclass(frozen=True)
class LayerStack:
    """Layers of one kind: `layer` is the path of one, with `{}` for its number; `paths` those of its linear maps below
    it, by site, companion (`gate`) or, where one map is several sites', fused name (`query_key_value`).

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
        # A second stack is the decoder of an encoder-decoder; T5's kin and BART's name its size differently.
        second = getattr(config, "num_decoder_layers", None) or getattr(config, "decoder_layers", 0)
        counts = (config.num_hidden_layers, second)
        stacks: list[LayerStack] = []
        for stack, layers in zip(self.stacks, counts, strict=False):
            stacks.append(replace(stack, first=sum(before.layers for before in stacks), layers=layers))
        return type(self)(tuple(stacks), _prefix(network, self.stacks[0].layer.removesuffix(".{}")))

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

    def layer_paths(self) -> list[str]:
        """Dotted paths of all layers, in the order of their numbers."""
        return [f"{self.prefix}{stack.layer.format(place)}" for stack in self.stacks for place in range(stack.layers)]

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
    config = network.config
    gated = config.model_type == "t5" and config.is_gated_act
    return (_GATED_T5 if gated else SITES_OF[config.model_type]).placed(network)


def _prefix(network: Any, layers: str) -> str:
    """What lies before the path of the layers."""
    paths = (path for path, _ in network.named_modules())
    return next(path.removesuffix(layers) for path in paths if f".{path}".endswith(f".{layers}"))


def _t5_attention(prefix: str, attention: str) -> dict[str, str]:
    return {f"{prefix}{site}": f"{attention}.{site[0]}" for site in ATTENTION}


def _t5(feed_forward: dict[str, str]) -> Sites:
    def layer(place: int) -> dict[str, str]:
        inner = {site: f"layer.{place}.DenseReluDense.{name}" for site, name in feed_forward.items()}
        return {**_t5_attention("", "layer.0.SelfAttention"), **inner}

    crossed = {**layer(2), **_t5_attention("cross_", "layer.1.EncDecAttention")}
    return Sites((LayerStack("encoder.block.{}", layer(1)), LayerStack("decoder.block.{}", crossed)))


def _bart_attention(prefix: str, attention: str) -> dict[str, str]:
    names = {"query": "q_proj", "key": "k_proj", "value": "v_proj", "output": "out_proj"}
    return {f"{prefix}{site}": f"{attention}.{name}" for site, name in names.items()}


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
_DISTILBERT = LayerStack(
    "transformer.layer.{}",
    {
        "query": "attention.q_lin",
        "key": "attention.k_lin",
        "value": "attention.v_lin",
        "output": "attention.out_lin",
        "up": "ffn.lin1",
        "down": "ffn.lin2",
    },
)
_DEBERTA = LayerStack(
    "encoder.layer.{}",
    {
        **_BERT.paths,
        "query": "attention.self.query_proj",
        "key": "attention.self.key_proj",
        "value": "attention.self.value_proj",
    },
)
_MODERNBERT = LayerStack(
    "layers.{}", {"query_key_value": "attn.Wqkv", "output": "attn.Wo", "up_gate": "mlp.Wi", "down": "mlp.Wo"}
)
_GATED_T5 = _t5({"gate": "wi_0", "up": "wi_1", "down": "wo"})
_BART_LAYER = {**_bart_attention("", "self_attn"), "up": "fc1", "down": "fc2"}
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

_BLOOM = LayerStack(
    "h.{}",
    {
        "query_key_value": "self_attention.query_key_value",
        "output": "self_attention.dense",
        "up": "mlp.dense_h_to_4h",
        "down": "mlp.dense_4h_to_h",
    },
)

SITES_OF: dict[str, Sites] = {
    "bert": Sites((_BERT,)),
    "xlm-roberta": Sites((_BERT,)),
    "xlm-roberta-xl": Sites((_BERT,)),
    "distilbert": Sites((_DISTILBERT,)),
    "deberta-v2": Sites((_DEBERTA,)),
    "rembert": Sites((_BERT,)),
    "modernbert": Sites((_MODERNBERT,)),
    # Of its first version; later ones are gated, as `sites_of` sees.
    "t5": _t5({"up": "wi", "down": "wo"}),
    "mt5": _GATED_T5,
    "umt5": _GATED_T5,
    "mbart": Sites(
        (
            LayerStack("encoder.layers.{}", _BART_LAYER),
            LayerStack("decoder.layers.{}", {**_BART_LAYER, **_bart_attention("cross_", "encoder_attn")}),
        )
    ),
    "qwen2": Sites((_LLAMA,)),
    "qwen3": Sites((_LLAMA,)),
    "llama": Sites((_LLAMA,)),
    "mistral": Sites((_LLAMA,)),
    "gemma2": Sites((_LLAMA,)),
    "gemma3_text": Sites((_LLAMA,)),
    "bloom": Sites((_BLOOM,)),
    "xglm": Sites((LayerStack("layers.{}", _BART_LAYER),)),
}
"""A config.json's `model_type` -> its sites, not yet placed in a network."""
