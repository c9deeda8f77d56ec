"""Known encoder-decoders."""

from adaptx.specs import Exposure, ModelFamily, ModelSpec, SeenData, Shape

_T5_CITATION = (
    "Raffel et al. 2020, Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer, "
    "arXiv:1910.10683"
)
_MT5_CITATION = "Xue et al. 2021, mT5: A Massively Multilingual Pre-trained Text-to-Text Transformer, arXiv:2010.11934"
_UMT5_CITATION = (
    "Chung et al. 2023, UniMax: Fairer and More Effective Language Sampling for Large-Scale Multilingual Pretraining, "
    "arXiv:2304.09151"
)
_BYT5_CITATION = (
    "Xue et al. 2022, ByT5: Towards a Token-Free Future with Pre-trained Byte-to-Byte Models, arXiv:2105.13626"
)
_MBART_CITATION = (
    "Liu et al. 2020, Multilingual Denoising Pre-training for Neural Machine Translation, arXiv:2001.08210"
)
_MBART50_CITATION = (
    "Tang et al. 2020, Multilingual Translation with Extensible Multilingual Pretraining and Finetuning, "
    "arXiv:2008.00401"
)

_TOGETHER = "trained as part of a multi-task mixture, written as text (sections 2.3 and 3.7)"
_T5_SEEN = (
    SeenData("nyu-mll/glue", Exposure.LABELS, ("en",), _TOGETHER),
    SeenData("aps/super_glue", Exposure.LABELS, ("en",), _TOGETHER),
    SeenData("rajpurkar/squad", Exposure.LABELS, ("en",), _TOGETHER),
    SeenData("parallel text", Exposure.KIND, ("en", "de", "fr", "ro"), "WMT, in the same mixture"),
    SeenData("nli", Exposure.KIND, ("en",), "of GLUE and SuperGLUE (MNLI, QNLI, RTE, CB), in the same mixture"),
    SeenData("paraphrase", Exposure.KIND, ("en",), "of GLUE (MRPC, QQP), in the same mixture"),
    SeenData("question answering", Exposure.KIND, ("en",), "SQuAD, MultiRC, ReCoRD and BoolQ, in the same mixture"),
)


_SIZES = {
    "small": (512, 1024, 6),
    "base": (768, 2048, 12),
    "large": (1024, 2816, 16),
    "xl": (2048, 5120, 32),
}
"""Hidden size, intermediate size and heads of T5 v1.1, mT5 and umT5."""


def _spec(
    hub_id: str, shape: Shape, citation: str, licence: str = "Apache-2.0", seen: tuple[SeenData, ...] = ()
) -> ModelSpec:
    return ModelSpec(hub_id, ModelFamily.ENCODER_DECODER, shape=shape, licence=licence, citation=citation, seen=seen)


def _t5_first_version(size: str, layers: int, hidden_size: int, heads: int) -> ModelSpec:
    shape = Shape("t5", layers, hidden_size, 4 * hidden_size, heads, 32_128, 0, decoder_layers=layers)
    return _spec(f"google-t5/t5-{size}", shape, _T5_CITATION, seen=_T5_SEEN)


def _later_t5_shape(
    model_type: str, vocabulary: int, sizes: tuple[int, int, int], layers: int, decoder_layers: int | None = None
) -> Shape:
    # T5 v1.1, mT5, umT5 and ByT5 have a gate and a separate output matrix.
    hidden_size, inner, heads = sizes
    return Shape(
        model_type,
        layers,
        hidden_size,
        inner,
        heads,
        vocabulary,
        # Positions are relative, so their number is not limited.
        positions=0,
        decoder_layers=decoder_layers or layers,
        # Attention heads have 64 elements in all of them.
        head_size=None if hidden_size == 64 * heads else 64,
        tied=False,
        gated=True if model_type == "t5" else None,
    )


def _t5_v1_1(size: str, layers: int) -> ModelSpec:
    return _spec(f"google/t5-v1_1-{size}", _later_t5_shape("t5", 32_128, _SIZES[size], layers), _T5_CITATION)


def _mt5(size: str, layers: int) -> ModelSpec:
    return _spec(f"google/mt5-{size}", _later_t5_shape("mt5", 250_112, _SIZES[size], layers), _MT5_CITATION)


def _umt5(size: str, layers: int) -> ModelSpec:
    return _spec(f"google/umt5-{size}", _later_t5_shape("umt5", 256_384, _SIZES[size], layers), _UMT5_CITATION)


def _byt5(size: str, layers: int, decoder_layers: int, sizes: tuple[int, int, int]) -> ModelSpec:
    return _spec(f"google/byt5-{size}", _later_t5_shape("t5", 384, sizes, layers, decoder_layers), _BYT5_CITATION)


def _mbart(name: str, vocabulary: int, citation: str, seen: tuple[SeenData, ...] = ()) -> ModelSpec:
    shape = Shape("mbart", 12, 1024, 4096, 16, vocabulary, 1024, decoder_layers=12)
    return _spec(f"facebook/{name}", shape, citation, "MIT", seen)


T5_SMALL = _t5_first_version("small", 6, 512, 8)
T5_BASE = _t5_first_version("base", 12, 768, 12)
T5_LARGE = _t5_first_version("large", 24, 1024, 16)
T5_V1_1_SMALL = _t5_v1_1("small", 8)
T5_V1_1_BASE = _t5_v1_1("base", 12)
T5_V1_1_LARGE = _t5_v1_1("large", 24)
T5_V1_1_XL = _t5_v1_1("xl", 24)
MT5_SMALL = _mt5("small", 8)
MT5_BASE = _mt5("base", 12)
MT5_LARGE = _mt5("large", 24)
MT5_XL = _mt5("xl", 24)
UMT5_SMALL = _umt5("small", 8)
UMT5_BASE = _umt5("base", 12)
UMT5_XL = _umt5("xl", 24)
BYT5_SMALL = _byt5("small", 12, 4, (1472, 3584, 6))
BYT5_BASE = _byt5("base", 18, 6, (1536, 3968, 12))
BYT5_LARGE = _byt5("large", 36, 12, (1536, 3840, 16))
MBART_CC25 = _mbart("mbart-large-cc25", 250_027, _MBART_CITATION)
MBART50 = _mbart("mbart-large-50", 250_054, _MBART50_CITATION)
MBART50_MANY_TO_MANY = _mbart(
    "mbart-large-50-many-to-many-mmt",
    250_054,
    _MBART50_CITATION,
    (SeenData("parallel text", Exposure.KIND, note="trained on translation between English and 49 languages (ML50)"),),
)

ENCODER_DECODERS = tuple(each for each in list(globals().values()) if isinstance(each, ModelSpec))
