"""Known encoders."""

from adaptx.specs import Exposure, Hidden, ModelSpec, Pooling, SeenData, Shape

_E5_CITATION = "Wang et al. 2024, Multilingual E5 Text Embeddings, arXiv:2402.05672"
_XLMR_CITATION = "Conneau et al. 2020, Unsupervised Cross-lingual Representation Learning at Scale, arXiv:1911.02116"
_XLMR_XL_CITATION = (
    "Goyal et al. 2021, Larger-Scale Transformers for Multilingual Masked Language Modeling, arXiv:2105.00572"
)
_E5_EMBEDDING = Hidden(pooling=Pooling.MEAN, prefix="query: ")

# The E5 paper describes two training stages: weakly supervised text pairs, then supervised sets.
_E5_SEEN = (
    SeenData("parallel text", Exposure.KIND, note="contrastive pre-training on translation pairs"),
    SeenData("nli", Exposure.KIND, ("en",), "supervised stage: NLI pairs (entailed sentences as positives)"),
    SeenData("question answering", Exposure.KIND, note="supervised stage: SQuAD, TriviaQA, NQ, Mr. TyDi and others"),
)
_E5_MINI_SEEN = (
    *_E5_SEEN,
    SeenData("stanfordnlp/snli", Exposure.TEXT, ("en",)),
    SeenData("nyu-mll/glue", Exposure.TEXT, ("en",)),
    SeenData("afaji/indonli", Exposure.TEXT, ("id",)),
    SeenData("klue/klue", Exposure.TEXT, ("ko",), "the evaluated validation split's own text"),
    SeenData(
        "nala-cub/americas_nli", Exposure.TEXT, ("aym", "gn", "quy"), "validation split, not the evaluated test split"
    ),
    SeenData("Davlan/sib200", Exposure.TEXT, note="train and validation splits"),
    SeenData("rajpurkar/squad", Exposure.TEXT, ("en",)),
    SeenData("google/xtreme", Exposure.TEXT, note="TyDiQA train, UD English train"),
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


XLMR_XL = _xlmr_xl("facebook/xlm-roberta-xl", 36, 2560)
XLMR_XXL = _xlmr_xl("facebook/xlm-roberta-xxl", 48, 4096)
DISTILMBERT = ModelSpec(
    "distilbert/distilbert-base-multilingual-cased",
    shape=Shape("distilbert", 6, 768, 3072, 12, 119_547, 512),
    licence="Apache-2.0",
    citation="Sanh et al. 2019, DistilBERT, a distilled version of BERT, arXiv:1910.01108",
)
MINILM = ModelSpec(
    "microsoft/Multilingual-MiniLM-L12-H384",
    shape=E5_SMALL.shape,
    licence="MIT",
    citation="Wang et al. 2020, MiniLM: Deep Self-Attention Distillation for Task-Agnostic Compression of Pre-Trained "
    "Transformers, arXiv:2002.10957",
)
MDEBERTA = ModelSpec(
    "microsoft/mdeberta-v3-base",
    shape=Shape("deberta-v2", 12, 768, 3072, 12, 251_000, 512),
    licence="MIT",
    citation="He et al. 2021, DeBERTaV3: Improving DeBERTa using ELECTRA-Style Pre-Training with Gradient-Disentangled "
    "Embedding Sharing, arXiv:2111.09543",
)
REMBERT = ModelSpec(
    "google/rembert",
    shape=Shape("rembert", 32, 1152, 4608, 18, 250_300, 512, embedding_size=256),
    licence="Apache-2.0",
    citation="Chung et al. 2021, Rethinking Embedding Coupling in Pre-trained Language Models, arXiv:2010.12821",
)

_FLAN = "Tulu Flan, instruction data that holds labelled rows of such tasks: 15.3 billion tokens of pre-training"


def _mmbert(size: str, hidden_size: int, heads: int) -> ModelSpec:
    return ModelSpec(
        f"jhu-clsp/mmBERT-{size}",
        shape=Shape("modernbert", 22, hidden_size, 1152, heads, 256_000, 8192),
        licence="MIT",
        citation="Marone et al. 2025, mmBERT: A Modern Multilingual Encoder with Annealed Language Learning, "
        "arXiv:2509.06888",
        seen=tuple(
            SeenData(kind, Exposure.KIND, ("en",), _FLAN)
            for kind in ("nli", "paraphrase", "question answering", "multiple choice")
        ),
    )


MMBERT_SMALL = _mmbert("small", 384, 6)
MMBERT_BASE = _mmbert("base", 768, 12)

ENCODERS = tuple(each for each in list(globals().values()) if isinstance(each, ModelSpec))
