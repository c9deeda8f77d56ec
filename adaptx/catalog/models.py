"""Known checkpoints as plain values, so that planning works with no network."""

import json
from pathlib import Path

from adaptx.catalog.near import near
from adaptx.specs import Exposure, Hidden, ModelFamily, ModelSpec, Pooling, Seen, Shape

_E5_CITATION = "Wang et al. 2024, Multilingual E5 Text Embeddings, arXiv:2402.05672"
_XLMR_CITATION = "Conneau et al. 2020, Unsupervised Cross-lingual Representation Learning at Scale, arXiv:1911.02116"
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

MODELS: dict[str, ModelSpec] = {model.hub_id: model for model in (E5_MINI, E5_SMALL, XLMR_BASE, XLMR_LARGE, MBERT)}

FAMILIES: dict[str, ModelFamily] = {"bert": ModelFamily.ENCODER, "xlm-roberta": ModelFamily.ENCODER}
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
    shape = Shape(
        model_type,
        config["num_hidden_layers"],
        config["hidden_size"],
        config["intermediate_size"],
        config["num_attention_heads"],
        config["vocab_size"],
        config["max_position_embeddings"],
    )
    known = next((model for model in MODELS.values() if model.shape == shape), None)
    # A local copy of a catalog checkpoint keeps what is known of it: how it embeds and what it has seen.
    if known is not None:
        return ModelSpec(hub_id, known.family, known.framing, known.embedding, None, shape, known.licence,
                         known.citation, known.seen)  # fmt: skip
    return ModelSpec(hub_id, FAMILIES[model_type], shape=shape)
