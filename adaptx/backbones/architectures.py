"""Networks of a given shape with random weights, from no checkpoint: for measuring and predicting memory and time.

The caller chooses where and in which numbers: `with torch.device("meta"): build_network(shape)` takes no memory.
"""

from collections.abc import Callable
from typing import Any

from torch import nn

from adaptx.specs import ModelFamily, Shape

WITH_POOLER = ("bert", "xlm-roberta", "xlm-roberta-xl", "rembert")
"""Encoders whose network comes with a pooler, unless told otherwise; nothing here reads it."""
EAGER = ("gemma2",)
"""Architectures that run under eager attention alone: Gemma 2 caps scores, which the fused kernel leaves out."""


def network_config(shape: Shape) -> Any:
    """The transformers configuration of that shape, with the padding id and dropout that its checkpoints have.

    Rotary angles are those of short texts: they change values, but neither sizes nor work.

    Raises:
        UserError: the architecture is not supported.
    """
    from transformers import AutoConfig

    _ = shape.architecture
    settings = _SETTINGS[shape.model_type](shape)
    return AutoConfig.for_model(shape.model_type, attn_implementation=attention_of(shape.model_type), **settings)


def attention_of(model_type: str) -> str:
    """Return transformers' name of the attention that the architecture runs under: fused where its version has one."""
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_MAPPING

    network: Any = MODEL_MAPPING[type(AutoConfig.for_model(model_type))]
    return "sdpa" if network._supports_sdpa and model_type not in EAGER else "eager"


def build_network(shape: Shape) -> nn.Module:
    """The bare network in evaluation mode: of encoders without a pooler, of all others with scores over the vocabulary.

    Weights are random, on torch's default device and in its default dtype. Their number is `shape.parameters`.

    Raises:
        UserError: the architecture is not supported.
    """
    from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSeq2SeqLM

    config = network_config(shape)
    match shape.architecture.family:
        case ModelFamily.ENCODER:
            # Some encoders have no pooler that could be left out.
            bare = {"add_pooling_layer": False} if shape.model_type in WITH_POOLER else {}
            network: Any = AutoModel.from_config(config, trust_remote_code=False, **bare)
        case ModelFamily.ENCODER_DECODER:
            network = AutoModelForSeq2SeqLM.from_config(config, trust_remote_code=False)
            if not shape.tied:
                _untie(network)
        case ModelFamily.DECODER:
            network = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    return network.eval()


def _untie(network: Any) -> None:
    """Transformers 5 ties the scores of T5's kin to their embeddings whatever the configuration says."""
    if network.lm_head.weight is network.shared.weight:
        network.lm_head.weight = nn.Parameter(network.lm_head.weight.detach().clone())
        network.config.tie_word_embeddings = False


def _encoder(shape: Shape) -> dict[str, Any]:
    plain = shape.model_type in ("bert", "rembert")
    settings = {
        **_shared(shape),
        "type_vocab_size": shape.architecture.type_rows,
        "pad_token_id": 0 if plain else 1,
        "layer_norm_eps": 1e-12 if plain else 1e-5,
    }
    if shape.embedding_size is not None:
        settings["input_embedding_size"] = shape.embedding_size
    return settings


def _distilbert(shape: Shape) -> dict[str, Any]:
    return {
        "vocab_size": shape.vocabulary,
        "dim": shape.hidden_size,
        "hidden_dim": shape.intermediate_size,
        "n_layers": shape.layers,
        "n_heads": shape.heads,
        "max_position_embeddings": shape.positions,
        "pad_token_id": 0,
    }


def _deberta(shape: Shape) -> dict[str, Any]:
    return {
        **_shared(shape),
        "type_vocab_size": 0,
        "relative_attention": True,
        "position_buckets": shape.architecture.distance_rows // 2,
        "max_relative_positions": -1,
        "pos_att_type": ["p2c", "c2p"],
        "share_att_key": True,
        "norm_rel_ebd": "layer_norm",
        "position_biased_input": False,
        "pad_token_id": 0,
    }


def _modernbert(shape: Shape) -> dict[str, Any]:
    special = {"pad_token_id": 0, "eos_token_id": 1, "sep_token_id": 1, "bos_token_id": 2, "cls_token_id": 2}
    # Compiling parts of it would take longer than a prediction does.
    return {**_shared(shape), **special, "reference_compile": False}


def _t5(shape: Shape) -> dict[str, Any]:
    return {
        "vocab_size": shape.vocabulary,
        "d_model": shape.hidden_size,
        "d_kv": shape.size_of_head,
        "d_ff": shape.intermediate_size,
        "num_heads": shape.heads,
        "num_layers": shape.layers,
        "num_decoder_layers": shape.decoder_layers,
        "relative_attention_num_buckets": shape.architecture.position_buckets,
        "feed_forward_proj": "gated-gelu" if "gate" in shape.linear_maps else "relu",
        "tie_word_embeddings": shape.tied,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "decoder_start_token_id": 0,
        "use_cache": False,
    }


def _mbart(shape: Shape) -> dict[str, Any]:
    return {
        "vocab_size": shape.vocabulary,
        "d_model": shape.hidden_size,
        "encoder_layers": shape.layers,
        "decoder_layers": shape.decoder_layers,
        "encoder_ffn_dim": shape.intermediate_size,
        "decoder_ffn_dim": shape.intermediate_size,
        "encoder_attention_heads": shape.heads,
        "decoder_attention_heads": shape.heads,
        "max_position_embeddings": shape.positions,
        "tie_word_embeddings": shape.tied,
        "scale_embedding": True,
        "use_cache": False,
    }


def _decoder(shape: Shape) -> dict[str, Any]:
    return {
        **_shared(shape),
        "num_key_value_heads": shape.kv_heads or shape.heads,
        "head_dim": shape.size_of_head,
        "tie_word_embeddings": shape.tied,
        "pad_token_id": None,
        # What is kept for generating one token after another would count as memory of training.
        "use_cache": False,
    }


def _bloom(shape: Shape) -> dict[str, Any]:
    return {
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.hidden_size,
        "n_layer": shape.layers,
        "n_head": shape.heads,
        "tie_word_embeddings": shape.tied,
        "use_cache": False,
    }


def _xglm(shape: Shape) -> dict[str, Any]:
    return {
        "vocab_size": shape.vocabulary,
        "d_model": shape.hidden_size,
        "ffn_dim": shape.intermediate_size,
        "num_layers": shape.layers,
        "attention_heads": shape.heads,
        "max_position_embeddings": shape.positions,
        "tie_word_embeddings": shape.tied,
        "use_cache": False,
    }


def _shared(shape: Shape) -> dict[str, Any]:
    return {
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.hidden_size,
        "intermediate_size": shape.intermediate_size,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "max_position_embeddings": shape.positions,
    }


_SETTINGS: dict[str, Callable[[Shape], dict[str, Any]]] = {
    "bert": _encoder,
    "xlm-roberta": _encoder,
    "xlm-roberta-xl": _encoder,
    "distilbert": _distilbert,
    "deberta-v2": _deberta,
    "rembert": _encoder,
    "modernbert": _modernbert,
    "t5": _t5,
    "mt5": _t5,
    "umt5": _t5,
    "mbart": _mbart,
    "qwen2": _decoder,
    "qwen3": _decoder,
    "llama": _decoder,
    "mistral": _decoder,
    "gemma2": _decoder,
    "gemma3_text": _decoder,
    "bloom": _bloom,
    "xglm": _xglm,
}
