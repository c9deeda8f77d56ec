"""Reading the `Shape` of a checkpoint from its config.json."""

from typing import Any

from adaptx.errors import UserError
from adaptx.specs import Shape
from adaptx.specs.architectures import ARCHITECTURES, unsupported
from adaptx.specs.architectures.architecture import Architecture, ModelFamily

SPELLINGS: dict[str, tuple[str, ...]] = {
    "layers": ("num_hidden_layers", "num_layers", "n_layers", "n_layer", "encoder_layers"),
    "hidden size": ("hidden_size", "d_model", "dim", "n_embed"),
    "intermediate size": ("intermediate_size", "d_ff", "hidden_dim", "ffn_dim", "encoder_ffn_dim"),
    "heads": ("num_attention_heads", "num_heads", "n_heads", "n_head", "attention_heads", "encoder_attention_heads"),
    "decoder layers": ("num_decoder_layers", "decoder_layers"),
    "head size": ("head_dim", "d_kv"),
    "vocabulary": ("vocab_size",),
    "positions": ("max_position_embeddings",),
}
"""Size -> the keys that architectures use for it in config.json."""

SET_NOWHERE = ("attention_bias", "mlp_bias", "norm_bias", "conv_kernel_size", "use_bidirectional_attention")
"""Settings under which layers differ from those of every supported architecture."""

OF_DECODERS = ("is_decoder", "add_cross_attention")
"""Settings that turn an encoder into a decoder, whose tokens do not see the tokens after them."""

SHARED_ROTATIONS = ("dynamic", "longrope", "su")
"""Kinds of rotary positions that change with the longest text of a batch.

With them, a text's hidden states would depend on the other texts in its batch."""


def read_shape(config: dict[str, Any]) -> Shape:
    """Return the shape that config.json describes. Missing entries have transformers' defaults.

    Raises:
        UserError: the architecture is not supported, its layers differ from the supported ones, or a size is missing.
    """
    model_type: Any = config.get("model_type")
    if (reason := unsupported(model_type)) is not None:
        raise UserError(reason)
    if (odd := departure(config)) is not None:
        raise UserError(f"{odd}, which is not supported in {model_type}; use another checkpoint")
    architecture = ARCHITECTURES[model_type]
    written = architecture.config
    hidden_size, heads = _size(config, "hidden size"), _size(config, "heads")
    head_size = _found(config, "head size") or written.head_size
    two_stacks = architecture.family is ModelFamily.ENCODER_DECODER
    layers = _size(config, "layers")
    return Shape(
        model_type,
        layers,
        hidden_size,
        hidden_size * written.inner_factor if written.inner_factor else _size(config, "intermediate size"),
        heads,
        _size(config, "vocabulary"),
        _size(config, "positions") if written.bounded else 0,
        decoder_layers=(_found(config, "decoder layers") or layers) if two_stacks else 0,
        kv_heads=_none_if(config.get("num_key_value_heads"), heads),
        head_size=_none_if(head_size, hidden_size // heads),
        tied=config.get("tie_word_embeddings", architecture.tied) if architecture.output_matrix else True,
        gated=_gated(config, architecture),
        embedding_size=config.get("input_embedding_size", written.embedding_size) if written.embedding_size else None,
    )


def _size(config: dict[str, Any], name: str) -> int:
    size = _found(config, name)
    if size is None:
        raise UserError(f"it has no {name}; add one of the entries {', '.join(SPELLINGS[name])}")
    return size


def _found(config: dict[str, Any], name: str) -> int | None:
    return next((config[key] for key in SPELLINGS[name] if config.get(key) is not None), None)


def _none_if(value: Any, usual: Any) -> Any:
    # Shapes with the same sizes must be equal as values, so usual sizes are not written out.
    return None if value == usual else value


def _gated(config: dict[str, Any], architecture: Architecture) -> bool | None:
    if not architecture.either_gated:
        return None
    return _none_if(_feed_forward(config, architecture) == "gated-gelu", architecture.gated)


def _feed_forward(config: dict[str, Any], architecture: Architecture) -> str:
    return config.get("feed_forward_proj", "relu" if architecture.either_gated else "gated-gelu")


def departure(config: dict[str, Any]) -> str | None:
    """Return a setting that makes the layers differ from those of the architecture, or None if there is none."""
    architecture = ARCHITECTURES[config["model_type"]]
    if (set_here := next((name for name in SET_NOWHERE if config.get(name)), None)) is not None:
        return f"{set_here} is set"
    if architecture.family is ModelFamily.ENCODER:
        if (set_here := next((name for name in OF_DECODERS if config.get(name)), None)) is not None:
            return f"{set_here} is set"
        if (kind := config.get("position_embedding_type")) not in (None, "absolute"):
            return f"position_embedding_type is {kind!r}"
    # transformers 4 writes `rope_scaling`, and transformers 5 writes `rope_parameters`.
    rotation = config.get("rope_scaling") or config.get("rope_parameters") or {}
    if (kind := rotation.get("rope_type", rotation.get("type"))) in SHARED_ROTATIONS:
        return f"rope_scaling is {kind!r}, which depends on the other texts of a batch"
    forms = ("relu", "gated-gelu") if architecture.either_gated else ("gated-gelu",)
    if (form := _feed_forward(config, architecture)) not in forms:
        return f"feed_forward_proj is {form!r}"
    for name in ("ffn_dim", "attention_heads"):
        first, second = config.get(f"encoder_{name}"), config.get(f"decoder_{name}")
        if first != second:
            return f"encoder_{name} is {first} and decoder_{name} {second}"
    return _entry_departure(config, architecture)


def _entry_departure(config: dict[str, Any], architecture: Architecture) -> str | None:
    written = architecture.config
    for name, value in written.needed.items():
        if _as_sorted_list(config.get(name)) != _as_sorted_list(value):
            return f"{name} is {config.get(name)!r}, not {value!r}"
    for name, value in written.fixed.items():
        if config.get(name, value) != value:
            return f"{name} is {config[name]!r}"
    for name, factor in written.multiples.items():
        if config.get(name) not in (None, factor * _size(config, "hidden size")):
            return f"{name} is {config[name]}"
    return None


def _as_sorted_list(value: Any) -> Any:
    # A string such as `a|b` is a list too.
    several = value.split("|") if isinstance(value, str) else value
    return sorted(several) if isinstance(several, list) else several
