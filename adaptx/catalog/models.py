"""Known checkpoints as plain values, so that planning works with no network."""

import json
from pathlib import Path
from typing import Any

from adaptx.catalog.near import near
from adaptx.specs import Exposure, Hidden, ModelFamily, ModelSpec, Pooling, Seen, Shape
from adaptx.specs.architecture import ARCHITECTURES

_E5_CITATION = "Wang et al. 2024, Multilingual E5 Text Embeddings, arXiv:2402.05672"
_XLMR_CITATION = "Conneau et al. 2020, Unsupervised Cross-lingual Representation Learning at Scale, arXiv:1911.02116"
_XLMR_XL_CITATION = (
    "Goyal et al. 2021, Larger-Scale Transformers for Multilingual Masked Language Modeling, arXiv:2105.00572"
)
_MT5_CITATION = "Xue et al. 2021, mT5: A Massively Multilingual Pre-trained Text-to-Text Transformer, arXiv:2010.11934"
_QWEN3_CITATION = "Qwen Team 2025, Qwen3 Technical Report, arXiv:2505.09388"
_LLAMA3_CITATION = "Grattafiori et al. 2024, The Llama 3 Herd of Models, arXiv:2407.21783"
_E5_EMBEDDING = Hidden(pooling=Pooling.MEAN, prefix="query: ")

# From the E5 paper's account of its two training stages: weakly supervised text pairs, then supervised sets.
_E5_SEEN = (
    Seen("parallel text", Exposure.KIND, note="contrastive pre-training on translation pairs"),
    Seen("nli", Exposure.KIND, ("en",), "supervised stage: NLI pairs (entailed sentences as positives)"),
    Seen("question answering", Exposure.KIND, note="supervised stage: SQuAD, TriviaQA, NQ, Mr. TyDi and others"),
)
_E5_MINI_SEEN = (
    *_E5_SEEN,
    Seen("stanfordnlp/snli", Exposure.TEXT, ("en",)),
    Seen("nyu-mll/glue", Exposure.TEXT, ("en",)),
    Seen("afaji/indonli", Exposure.TEXT, ("id",)),
    Seen("klue/klue", Exposure.TEXT, ("ko",), "the evaluated validation split's own text"),
    Seen(
        "nala-cub/americas_nli", Exposure.TEXT, ("aym", "gn", "quy"), "validation split, not the evaluated test split"
    ),
    Seen("Davlan/sib200", Exposure.TEXT, note="train and validation splits"),
    Seen("rajpurkar/squad", Exposure.TEXT, ("en",)),
    Seen("google/xtreme", Exposure.TEXT, note="TyDiQA train, UD English train"),
)

E5_MINI = ModelSpec(
    "adaptx/e5-mini",
    embedding=_E5_EMBEDDING,
    shape=Shape("bert", 6, 384, 1536, 12, 16_000, 512),
    licence="MIT",
    citation=f"distilled from intfloat/multilingual-e5-small ({_E5_CITATION})",
    seen=_E5_MINI_SEEN,
)
E5_SMALL = ModelSpec(
    "intfloat/multilingual-e5-small",
    embedding=_E5_EMBEDDING,
    shape=Shape("bert", 12, 384, 1536, 12, 250_037, 512),
    licence="MIT",
    citation=_E5_CITATION,
    seen=_E5_SEEN,
)
XLMR_BASE = ModelSpec(
    "FacebookAI/xlm-roberta-base",
    embedding=Hidden(layer=8),
    shape=Shape("xlm-roberta", 12, 768, 3072, 12, 250_002, 514),
    licence="MIT",
    citation=_XLMR_CITATION,
)
XLMR_LARGE = ModelSpec(
    "FacebookAI/xlm-roberta-large",
    embedding=Hidden(layer=14),
    shape=Shape("xlm-roberta", 24, 1024, 4096, 16, 250_002, 514),
    licence="MIT",
    citation=_XLMR_CITATION,
)
MBERT = ModelSpec(
    "google-bert/bert-base-multilingual-cased",
    embedding=Hidden(layer=8),
    shape=Shape("bert", 12, 768, 3072, 12, 119_547, 512),
    licence="Apache-2.0",
    citation="Devlin et al. 2019, BERT, arXiv:1810.04805",
)


def _xlmr_xl(hub_id: str, layers: int, hidden_size: int) -> ModelSpec:
    shape = Shape("xlm-roberta-xl", layers, hidden_size, 4 * hidden_size, 32, 250_880, 514)
    return ModelSpec(hub_id, shape=shape, licence="MIT", citation=_XLMR_XL_CITATION)


def _mt5(hub_id: str, layers: int, hidden_size: int, intermediate_size: int, heads: int) -> ModelSpec:
    # Positions are relative, so nothing bounds them; heads are of one size in all of them.
    head_size = None if hidden_size == 64 * heads else 64
    shape = Shape("mt5", layers, hidden_size, intermediate_size, heads, 250_112, 0, layers, None, head_size, tied=False)
    return ModelSpec(hub_id, ModelFamily.ENCODER_DECODER, shape=shape, licence="Apache-2.0", citation=_MT5_CITATION)


def _qwen3(hub_id: str, shape: Shape) -> ModelSpec:
    return ModelSpec(hub_id, ModelFamily.DECODER, shape=shape, licence="Apache-2.0", citation=_QWEN3_CITATION)


def _llama3(hub_id: str, licence: str, shape: Shape) -> ModelSpec:
    return ModelSpec(hub_id, ModelFamily.DECODER, shape=shape, licence=licence, citation=_LLAMA3_CITATION)


XLMR_XL = _xlmr_xl("facebook/xlm-roberta-xl", 36, 2560)
XLMR_XXL = _xlmr_xl("facebook/xlm-roberta-xxl", 48, 4096)
MT5_SMALL = _mt5("google/mt5-small", 8, 512, 1024, 6)
MT5_BASE = _mt5("google/mt5-base", 12, 768, 2048, 12)
MT5_LARGE = _mt5("google/mt5-large", 24, 1024, 2816, 16)
MT5_XL = _mt5("google/mt5-xl", 24, 2048, 5120, 32)
QWEN3_600M = _qwen3(
    "Qwen/Qwen3-0.6B-Base", Shape("qwen3", 28, 1024, 3072, 16, 151_936, 32_768, kv_heads=8, head_size=128)
)
QWEN3_1_7B = _qwen3("Qwen/Qwen3-1.7B-Base", Shape("qwen3", 28, 2048, 6144, 16, 151_936, 32_768, kv_heads=8))
QWEN3_4B = _qwen3("Qwen/Qwen3-4B-Base", Shape("qwen3", 36, 2560, 9728, 32, 151_936, 32_768, kv_heads=8, head_size=128))
QWEN3_8B = _qwen3("Qwen/Qwen3-8B-Base", Shape("qwen3", 36, 4096, 12_288, 32, 151_936, 32_768, kv_heads=8, tied=False))
LLAMA3_1B = _llama3(
    "meta-llama/Llama-3.2-1B", "Llama 3.2 Community", Shape("llama", 16, 2048, 8192, 32, 128_256, 131_072, kv_heads=8)
)
LLAMA3_3B = _llama3(
    "meta-llama/Llama-3.2-3B", "Llama 3.2 Community", Shape("llama", 28, 3072, 8192, 24, 128_256, 131_072, kv_heads=8)
)
LLAMA3_8B = _llama3(
    "meta-llama/Llama-3.1-8B",
    "Llama 3.1 Community",
    Shape("llama", 32, 4096, 14_336, 32, 128_256, 131_072, kv_heads=8, tied=False),
)

_ALL = (
    *(E5_MINI, E5_SMALL, XLMR_BASE, XLMR_LARGE, MBERT, XLMR_XL, XLMR_XXL),
    *(MT5_SMALL, MT5_BASE, MT5_LARGE, MT5_XL),
    *(QWEN3_600M, QWEN3_1_7B, QWEN3_4B, QWEN3_8B),
    *(LLAMA3_1B, LLAMA3_3B, LLAMA3_8B),
)
MODELS: dict[str, ModelSpec] = {model.hub_id: model for model in _ALL}

FAMILIES: dict[str, ModelFamily] = {name: architecture.family for name, architecture in ARCHITECTURES.items()}
"""Supported architectures: a config.json's `model_type` -> family."""


def find_model(name: str) -> ModelSpec:
    """The checkpoint of that hub id, short name or local folder.

    A folder that is not in the catalog is taken as it is: its architecture is read from its config.json.

    Raises:
        ValueError: neither known nor a folder with a supported config.json; near names are listed.
    """
    if name in MODELS:
        return MODELS[name]
    folder = Path(name).expanduser()
    if folder.is_dir():
        return from_config(str(folder.resolve()), folder / "config.json")
    by_short = {model.name: model for model in MODELS.values()}
    if name in by_short:
        return by_short[name]
    if name.count("/") == 1 and not name.startswith((".", "/")):
        return ModelSpec(name)
    raise ValueError(
        f"model {name!r} is neither in the catalog nor a folder nor a hub id (owner/name); "
        f"near: {near(name, [*MODELS, *by_short])}. `adaptx models` lists the catalog."
    )


def from_config(hub_id: str, config_path: Path) -> ModelSpec:
    """A checkpoint's spec from its config.json.

    Raises:
        ValueError: no config.json, or an architecture that is not supported.
    """
    if not config_path.is_file():
        raise ValueError(f"{config_path.parent} is no model folder: it has no config.json")
    config = json.loads(config_path.read_text())
    model_type = config.get("model_type")
    if model_type not in FAMILIES:
        raise ValueError(
            f"{config_path}: architecture {model_type!r} is not supported; supported: {', '.join(FAMILIES)}"
        )
    if (odd := _departure(config)) is not None:
        raise ValueError(f"{config_path}: {odd}, which is not supported in {model_type}; take another checkpoint")
    shape = _encoder_decoder_shape(config) if "d_model" in config else _shape(config)
    known = next((model for model in MODELS.values() if model.shape == shape), None)
    # A local copy of a catalog checkpoint keeps what is known of it: how it embeds and what it has seen.
    if known is not None:
        return ModelSpec(hub_id, known.family, known.framing, known.embedding, None, shape, known.licence,
                         known.citation, known.seen)  # fmt: skip
    return ModelSpec(hub_id, FAMILIES[model_type], shape=shape)


def _shape(config: dict[str, Any]) -> Shape:
    """What config.json leaves out is what transformers takes for it."""
    heads, hidden_size = config["num_attention_heads"], config["hidden_size"]
    decodes = FAMILIES[config["model_type"]] is ModelFamily.DECODER
    return Shape(
        config["model_type"],
        config["num_hidden_layers"],
        hidden_size,
        config["intermediate_size"],
        heads,
        config["vocab_size"],
        config["max_position_embeddings"],
        kv_heads=_unless(config.get("num_key_value_heads"), heads),
        head_size=_unless(config.get("head_dim"), hidden_size // heads),
        tied=config.get("tie_word_embeddings", False) if decodes else True,
    )


def _encoder_decoder_shape(config: dict[str, Any]) -> Shape:
    """Of T5's kin, which have names of their own, and relative positions."""
    heads, hidden_size, layers = config["num_heads"], config["d_model"], config["num_layers"]
    return Shape(
        config["model_type"],
        layers,
        hidden_size,
        config["d_ff"],
        heads,
        config["vocab_size"],
        0,
        decoder_layers=config.get("num_decoder_layers") or layers,
        head_size=_unless(config["d_kv"], hidden_size // heads),
        tied=config.get("tie_word_embeddings", False),
    )


def _unless(value: int | None, usual: int) -> int | None:
    """None where the value says what holds without it, so that equal shapes are equal values."""
    return None if value == usual else value


def _departure(config: dict[str, Any]) -> str | None:
    """A setting under which a layer is not made as its architecture's are, or None."""
    for name in ("attention_bias", "mlp_bias"):
        if config.get(name):
            return f"{name} is set"
    feed_forward = config.get("feed_forward_proj", "gated-gelu")
    return None if feed_forward == "gated-gelu" else f"feed_forward_proj is {feed_forward!r}"
