"""A checkpoint's shape from its config.json, in whose spelling it may be."""

from typing import Any

from adaptx.errors import UserError
from adaptx.specs import Shape
from adaptx.specs.architecture import ARCHITECTURES, ARCHITECTURES_REFUSED, ModelFamily

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
"""A size -> the keys under which architectures keep it."""

HEAD_SIZES = {"qwen3": 128, "gemma2": 256, "gemma3_text": 256, "t5": 64, "mt5": 64, "umt5": 64}
"""`model_type` -> what transformers takes where config.json says nothing; elsewhere heads share the hidden size."""

SET_NOWHERE = ("attention_bias", "mlp_bias", "norm_bias", "conv_kernel_size", "use_bidirectional_attention")
"""Settings that make other layers than the supported architectures have."""

OF_DECODERS = ("is_decoder", "add_cross_attention")
"""Settings that make a decoder of an encoder: its tokens no longer see what follows them."""

SHARED_ROTATIONS = ("dynamic", "longrope", "su")
"""Rotary positions that change with the longest text of a batch, so that a text would depend on those beside it."""

DEBERTA = {
    "relative_attention": True,
    "share_att_key": True,
    "position_biased_input": False,
    "norm_rel_ebd": "layer_norm",
    "position_buckets": ARCHITECTURES["deberta-v2"].distance_rows // 2,
    "type_vocab_size": 0,
}
"""What DeBERTa v3 and mDeBERTa v3 set, and their architecture is."""


def read_shape(config: dict[str, Any]) -> Shape:
    """The shape that config.json describes. What it leaves out is what transformers takes for it.

    Raises:
        UserError: an architecture that is not supported, a layer made otherwise, or a size that is not there.
    """
    model_type = config.get("model_type")
    if model_type not in ARCHITECTURES:
        why = ARCHITECTURES_REFUSED.get(model_type or "", f"supported: {', '.join(ARCHITECTURES)}")
        raise UserError(f"architecture {model_type!r} is not supported; {why}")
    if (odd := departure(config)) is not None:
        raise UserError(f"{odd}, which is not supported in {model_type}; take another checkpoint")
    architecture = ARCHITECTURES[model_type]
    hidden_size, heads = _size(config, "hidden size"), _size(config, "heads")
    head_size = _found(config, "head size") or HEAD_SIZES.get(model_type)
    two_stacks = architecture.family is ModelFamily.ENCODER_DECODER
    layers = _size(config, "layers")
    return Shape(
        model_type,
        layers,
        hidden_size,
        # BLOOM has one width for all its sizes.
        4 * hidden_size if model_type == "bloom" else _size(config, "intermediate size"),
        heads,
        _size(config, "vocabulary"),
        # Distances are all that T5 and BLOOM know.
        0 if architecture.position_buckets or model_type == "bloom" else _size(config, "positions"),
        decoder_layers=(_found(config, "decoder layers") or layers) if two_stacks else 0,
        kv_heads=_unless(config.get("num_key_value_heads"), heads),
        head_size=_unless(head_size, hidden_size // heads),
        tied=config.get("tie_word_embeddings", architecture.tied) if architecture.output_matrix else True,
        gated=_unless(_feed_forward(config) == "gated-gelu" if model_type == "t5" else None, architecture.gated),
        embedding_size=config.get("input_embedding_size", 256) if model_type == "rembert" else None,
    )


def _size(config: dict[str, Any], name: str) -> int:
    size = _found(config, name)
    if size is None:
        raise UserError(f"it has no {name} (one of {', '.join(SPELLINGS[name])})")
    return size


def _found(config: dict[str, Any], name: str) -> int | None:
    return next((config[key] for key in SPELLINGS[name] if config.get(key) is not None), None)


def _unless(value: Any, usual: Any) -> Any:
    """None where the value says what holds without it, so that equal shapes are equal values."""
    return None if value == usual else value


def _feed_forward(config: dict[str, Any]) -> str:
    return config.get("feed_forward_proj", "relu" if config["model_type"] == "t5" else "gated-gelu")


def departure(config: dict[str, Any]) -> str | None:
    """A setting under which a layer is not made as its architecture's are, or None."""
    model_type = config["model_type"]
    if (set_here := next((name for name in SET_NOWHERE if config.get(name)), None)) is not None:
        return f"{set_here} is set"
    if ARCHITECTURES[model_type].family is ModelFamily.ENCODER:
        if (set_here := next((name for name in OF_DECODERS if config.get(name)), None)) is not None:
            return f"{set_here} is set"
        if (kind := config.get("position_embedding_type")) not in (None, "absolute"):
            return f"position_embedding_type is {kind!r}"
    # The first is what transformers 4 writes, the second 5.
    rotation = config.get("rope_scaling") or config.get("rope_parameters") or {}
    if (kind := rotation.get("rope_type", rotation.get("type"))) in SHARED_ROTATIONS:
        return f"rope_scaling is {kind!r}, which depends on the other texts of a batch"
    if (form := _feed_forward(config)) not in (("relu", "gated-gelu") if model_type == "t5" else ("gated-gelu",)):
        return f"feed_forward_proj is {form!r}"
    if model_type == "deberta-v2":
        return _departure_from_deberta(config)
    if model_type == "bloom":
        inner, hidden_size = config.get("n_inner"), _size(config, "hidden size")
        return f"n_inner is {inner}" if inner not in (None, 4 * hidden_size) else None
    if model_type == "mbart" and not config.get("tie_word_embeddings", True):
        return "tie_word_embeddings is False"
    for name in ("ffn_dim", "attention_heads"):
        first, second = config.get(f"encoder_{name}"), config.get(f"decoder_{name}")
        if first != second:
            return f"encoder_{name} is {first} and decoder_{name} {second}"
    return None


def _departure_from_deberta(config: dict[str, Any]) -> str | None:
    for name, value in DEBERTA.items():
        if config.get(name, 0) != value:
            return f"{name} is {config.get(name)!r}, not {value!r}"
    kinds = config.get("pos_att_type") or ()
    if sorted(kinds.split("|") if isinstance(kinds, str) else kinds) != ["c2p", "p2c"]:
        return f"pos_att_type is {kinds!r}, not 'p2c|c2p'"
    if config.get("embedding_size", config["hidden_size"]) != config["hidden_size"]:
        return f"embedding_size is {config['embedding_size']}"
    return None
