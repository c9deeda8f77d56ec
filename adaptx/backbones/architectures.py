"""Networks of a given shape with random weights, from no checkpoint: for measuring and predicting memory and time.

The caller chooses where and in which numbers: `with torch.device("meta"): build_network(shape)` takes no memory.
"""

from collections.abc import Callable
from typing import Any

from torch import nn

from adaptx.specs import ModelFamily, Shape


def network_config(shape: Shape) -> Any:
    """The transformers configuration of that shape, with the padding id and dropout that its checkpoints have.

    Rotary angles are those of short texts: they change values, but neither sizes nor work.

    Raises:
        ValueError: the architecture is not supported.
    """
    from transformers import AutoConfig

    settings = _SETTINGS[shape.architecture.family](shape)
    return AutoConfig.for_model(shape.model_type, attn_implementation=attention(shape), **settings)


def attention(shape: Shape) -> str:
    """What transformers calls the attention that the architecture runs under."""
    import transformers

    # Before transformers 5, mT5 has no scaled-dot-product attention.
    old = int(transformers.__version__.partition(".")[0]) < 5
    return "eager" if shape.model_type == "mt5" and old else "sdpa"


def build_network(shape: Shape) -> nn.Module:
    """The bare network in evaluation mode: of encoders without a pooler, of all others with scores over the vocabulary.

    Weights are random, on torch's default device and in its default dtype. Their number is `shape.parameters`.

    Raises:
        ValueError: the architecture is not supported.
    """
    from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSeq2SeqLM

    config = network_config(shape)
    match shape.architecture.family:
        case ModelFamily.ENCODER:
            network: Any = AutoModel.from_config(config, add_pooling_layer=False)
        case ModelFamily.ENCODER_DECODER:
            network = AutoModelForSeq2SeqLM.from_config(config)
            if not shape.tied:
                _untie(network)
        case ModelFamily.DECODER:
            network = AutoModelForCausalLM.from_config(config)
    return network.eval()


def _untie(network: Any) -> None:
    """Transformers 5 ties mT5's scores to its embeddings whatever the configuration says."""
    if network.lm_head.weight is network.shared.weight:
        network.lm_head.weight = nn.Parameter(network.lm_head.weight.detach().clone())
        network.config.tie_word_embeddings = False


def _encoder(shape: Shape) -> dict[str, Any]:
    bert = shape.model_type == "bert"
    return {
        **_shared(shape),
        "type_vocab_size": shape.architecture.type_rows,
        "pad_token_id": 0 if bert else 1,
        "layer_norm_eps": 1e-12 if bert else 1e-5,
    }


def _encoder_decoder(shape: Shape) -> dict[str, Any]:
    return {
        "vocab_size": shape.vocabulary,
        "d_model": shape.hidden_size,
        "d_kv": shape.size_of_head,
        "d_ff": shape.intermediate_size,
        "num_heads": shape.heads,
        "num_layers": shape.layers,
        "num_decoder_layers": shape.decoder_layers,
        "relative_attention_num_buckets": shape.architecture.position_buckets,
        "feed_forward_proj": "gated-gelu",
        "tie_word_embeddings": shape.tied,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "decoder_start_token_id": 0,
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


def _shared(shape: Shape) -> dict[str, Any]:
    return {
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.hidden_size,
        "intermediate_size": shape.intermediate_size,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "max_position_embeddings": shape.positions,
    }


_SETTINGS: dict[ModelFamily, Callable[[Shape], dict[str, Any]]] = {
    ModelFamily.ENCODER: _encoder,
    ModelFamily.ENCODER_DECODER: _encoder_decoder,
    ModelFamily.DECODER: _decoder,
}
