"""Tiny random checkpoints of every architecture, with the kind and class of tokenizer that real checkpoints have."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from adaptx.specs import ModelFamily
from adaptx.specs.architectures import architecture_of
from support import tiny, tokenizers_of

POSITIONS = 256


@dataclass(frozen=True)
class Kind:
    """One architecture: its tokenizer (of known words and letters), and its configuration without the vocabulary.

    ids: special tokens in the configuration other than those of padding, beginning and end.
    """

    tokenizer: tokenizers_of.Make
    settings: dict[str, Any]
    ids: tuple[str, ...] = ()


def write_checkpoint(
    folder: Path, model_type: str, words: Sequence[str], letters: Sequence[str], extra: int = 3, width: int = 1
) -> None:
    """Write a random checkpoint with its tokenizer.

    extra: number of embedding rows without a token, as many checkpoints have.

    width: factor for the sizes.
    """
    from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForSeq2SeqLM

    kind = KINDS[model_type]
    tokenizer = kind.tokenizer(words, letters)
    ids = {
        name: value
        for name in ("pad_token_id", "bos_token_id", "eos_token_id", *kind.ids)
        if (value := getattr(tokenizer, name)) is not None
    }
    config = AutoConfig.for_model(model_type, vocab_size=len(tokenizer) + extra, **ids, **widened(kind.settings, width))
    auto = {
        ModelFamily.ENCODER: AutoModel,
        ModelFamily.ENCODER_DECODER: AutoModelForSeq2SeqLM,
        ModelFamily.DECODER: AutoModelForCausalLM,
    }[architecture_of(model_type).family]
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = auto.from_config(config)
        # Drawn here, because versions of transformers draw in different orders. Initial norms and biases would hide
        # that they were lost, and at this size a plain initialisation gives every token nearly the same vector.
        for _, tensor in sorted(network.state_dict().items()):
            if tensor.is_floating_point():
                noise = torch.randn(tensor.shape)
                tensor.copy_(tensor + 0.1 * noise if tensor.ndim == 1 else tiny.INITIALISATION * noise)
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    assert json.loads((folder / "config.json").read_text())["model_type"] == model_type


def widened(settings: dict[str, Any], width: int) -> dict[str, Any]:
    """Return a configuration whose hidden states, heads and feed-forward layers are `width` times as wide."""
    return {name: value * width if name in _WIDTHS else value for name, value in settings.items()}


_WIDTHS = {
    *("hidden_size", "intermediate_size", "d_model", "d_kv", "d_ff", "dim", "hidden_dim", "ffn_dim", "head_dim"),
    *("encoder_ffn_dim", "decoder_ffn_dim", "query_pre_attn_scalar"),
}
_HEAD = tiny.HIDDEN_SIZE // tiny.HEADS
_SIZES = {
    "hidden_size": tiny.HIDDEN_SIZE,
    "intermediate_size": 2 * tiny.HIDDEN_SIZE,
    "num_hidden_layers": tiny.LAYERS,
    "num_attention_heads": tiny.HEADS,
    "max_position_embeddings": POSITIONS,
}
_GROUPED = {**_SIZES, "num_key_value_heads": tiny.HEADS // 2, "head_dim": _HEAD}
# Windows that are shorter than most texts of the tests.
_GEMMA = {**_GROUPED, "sliding_window": 8, "query_pre_attn_scalar": _HEAD,
          "layer_types": ["sliding_attention", "full_attention"]}  # fmt: skip
_T5 = {
    "d_model": tiny.HIDDEN_SIZE,
    "d_kv": _HEAD,
    "d_ff": 2 * tiny.HIDDEN_SIZE,
    "num_layers": tiny.LAYERS,
    "num_decoder_layers": tiny.LAYERS,
    "num_heads": tiny.HEADS,
    "decoder_start_token_id": 0,
}
_MBART = {
    "d_model": tiny.HIDDEN_SIZE,
    **{f"{stack}_layers": tiny.LAYERS for stack in ("encoder", "decoder")},
    **{f"{stack}_attention_heads": tiny.HEADS for stack in ("encoder", "decoder")},
    **{f"{stack}_ffn_dim": 2 * tiny.HIDDEN_SIZE for stack in ("encoder", "decoder")},
    "max_position_embeddings": POSITIONS,
    "scale_embedding": True,
    "decoder_start_token_id": 2,
}
_DEBERTA = {
    "relative_attention": True,
    "share_att_key": True,
    "position_biased_input": False,
    "norm_rel_ebd": "layer_norm",
    "position_buckets": 256,
    "max_relative_positions": -1,
    "pos_att_type": ["p2c", "c2p"],
    "type_vocab_size": 0,
}
KINDS: dict[str, Kind] = {
    "distilbert": Kind(
        tokenizers_of.distilbert,
        {
            "dim": tiny.HIDDEN_SIZE,
            "hidden_dim": 2 * tiny.HIDDEN_SIZE,
            "n_layers": tiny.LAYERS,
            "n_heads": tiny.HEADS,
            "max_position_embeddings": POSITIONS,
        },
    ),
    "deberta-v2": Kind(tokenizers_of.deberta, {**_SIZES, **_DEBERTA}),
    "rembert": Kind(
        tokenizers_of.rembert,
        {**_SIZES, "input_embedding_size": 16, "output_embedding_size": 24, "type_vocab_size": 2},
    ),
    "modernbert": Kind(
        tokenizers_of.modernbert,
        {**_SIZES, "local_attention": 8, "global_attn_every_n_layers": 2, "reference_compile": False},
        ("cls_token_id", "sep_token_id"),
    ),
    "t5": Kind(tokenizers_of.t5, {**_T5, "feed_forward_proj": "relu", "tie_word_embeddings": True}),
    "mt5": Kind(tokenizers_of.t5, {**_T5, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}),
    "umt5": Kind(tokenizers_of.t5, {**_T5, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": True}),
    "mbart": Kind(tokenizers_of.mbart, _MBART),
    "qwen2": Kind(tokenizers_of.qwen, {**_GROUPED, "tie_word_embeddings": True}),
    "qwen3": Kind(tokenizers_of.qwen, {**_GROUPED, "tie_word_embeddings": True}),
    "llama": Kind(tokenizers_of.llama3, {**_GROUPED, "tie_word_embeddings": False}),
    "mistral": Kind(tokenizers_of.mistral, {**_GROUPED, "sliding_window": 160, "tie_word_embeddings": False}),
    "gemma2": Kind(tokenizers_of.gemma, _GEMMA),
    "gemma3_text": Kind(tokenizers_of.gemma, _GEMMA),
    "bloom": Kind(tokenizers_of.bloom, {"hidden_size": tiny.HIDDEN_SIZE, "n_layer": tiny.LAYERS, "n_head": tiny.HEADS}),
    "xglm": Kind(
        tokenizers_of.xglm,
        {
            "d_model": tiny.HIDDEN_SIZE,
            "ffn_dim": 2 * tiny.HIDDEN_SIZE,
            "num_layers": tiny.LAYERS,
            "attention_heads": tiny.HEADS,
            "max_position_embeddings": POSITIONS,
        },
    ),
}
