"""Known decoders. They are base checkpoints, which were only trained to continue text."""

from adaptx.catalog.reading import FRAMING
from adaptx.specs import Exposure, ModelFamily, ModelSpec, SeenData, Shape

_QWEN2_CITATION = "Yang et al. 2024, Qwen2 Technical Report, arXiv:2407.10671"
_QWEN2_5_CITATION = "Qwen Team 2024, Qwen2.5 Technical Report, arXiv:2412.15115"
_QWEN3_CITATION = "Qwen Team 2025, Qwen3 Technical Report, arXiv:2505.09388"
_LLAMA3_CITATION = "Grattafiori et al. 2024, The Llama 3 Herd of Models, arXiv:2407.21783"
_SMOLLM2_CITATION = (
    "Ben Allal et al. 2025, SmolLM2: When Smol Goes Big, Data-Centric Training of a Small Language Model, "
    "arXiv:2502.02737"
)
_MISTRAL_CITATION = "Jiang et al. 2023, Mistral 7B, arXiv:2310.06825"
_GEMMA2_CITATION = "Gemma Team 2024, Gemma 2: Improving Open Language Models at a Practical Size, arXiv:2408.00118"
_GEMMA3_CITATION = "Gemma Team 2025, Gemma 3 Technical Report, arXiv:2503.19786"
_BLOOM_CITATION = (
    "BigScience Workshop 2022, BLOOM: A 176B-Parameter Open-Access Multilingual Language Model, arXiv:2211.05100"
)
_XGLM_CITATION = "Lin et al. 2022, Few-shot Learning with Multilingual Generative Language Models, arXiv:2112.10668"

_QWEN2_SEEN = (
    SeenData("instructions", Exposure.KIND, note="multi-task instruction data within pre-training; no set is named"),
)


def _decoder(hub_id: str, shape: Shape, licence: str, citation: str, seen: tuple[SeenData, ...] = ()) -> ModelSpec:
    framing = FRAMING[ModelFamily.DECODER]
    return ModelSpec(
        hub_id,
        ModelFamily.DECODER,
        framing=framing,
        embedding=framing,
        shape=shape,
        licence=licence,
        citation=citation,
        seen=seen,
    )


def _qwen2(hub_id: str, shape: Shape) -> ModelSpec:
    return _decoder(hub_id, shape, "Apache-2.0", _QWEN2_CITATION, _QWEN2_SEEN)


def _qwen2_5(hub_id: str, shape: Shape, licence: str = "Apache-2.0") -> ModelSpec:
    return _decoder(hub_id, shape, licence, _QWEN2_5_CITATION)


def _qwen3(hub_id: str, shape: Shape) -> ModelSpec:
    return _decoder(hub_id, shape, "Apache-2.0", _QWEN3_CITATION)


def _llama3(hub_id: str, licence: str, shape: Shape) -> ModelSpec:
    return _decoder(hub_id, shape, licence, _LLAMA3_CITATION)


def _smollm2(size: str, shape: Shape) -> ModelSpec:
    return _decoder(f"HuggingFaceTB/SmolLM2-{size}", shape, "Apache-2.0", _SMOLLM2_CITATION)


def _gemma2(size: str, shape: Shape) -> ModelSpec:
    return _decoder(f"google/gemma-2-{size}", shape, "Gemma", _GEMMA2_CITATION)


def _gemma3(size: str, shape: Shape) -> ModelSpec:
    return _decoder(f"google/gemma-3-{size}", shape, "Gemma", _GEMMA3_CITATION)


def _bloom(size: str, layers: int, hidden_size: int, heads: int) -> ModelSpec:
    # Attention decreases with the distance between tokens (ALiBi), so the number of positions is not limited.
    shape = Shape("bloom", layers, hidden_size, 4 * hidden_size, heads, 250_880, 0)
    return _decoder(f"bigscience/bloom-{size}", shape, "BigScience RAIL 1.0", _BLOOM_CITATION)


def _xglm(size: str, layers: int, hidden_size: int, heads: int) -> ModelSpec:
    shape = Shape("xglm", layers, hidden_size, 4 * hidden_size, heads, 256_008, 2048)
    return _decoder(f"facebook/xglm-{size}", shape, "MIT", _XGLM_CITATION)


QWEN2_500M = _qwen2("Qwen/Qwen2-0.5B", Shape("qwen2", 24, 896, 4864, 14, 151_936, 131_072, kv_heads=2))
QWEN2_1_5B = _qwen2("Qwen/Qwen2-1.5B", Shape("qwen2", 28, 1536, 8960, 12, 151_936, 131_072, kv_heads=2))
QWEN2_7B = _qwen2("Qwen/Qwen2-7B", Shape("qwen2", 28, 3584, 18_944, 28, 152_064, 131_072, kv_heads=4, tied=False))
QWEN2_5_500M = _qwen2_5("Qwen/Qwen2.5-0.5B", Shape("qwen2", 24, 896, 4864, 14, 151_936, 32_768, kv_heads=2))
QWEN2_5_1_5B = _qwen2_5("Qwen/Qwen2.5-1.5B", Shape("qwen2", 28, 1536, 8960, 12, 151_936, 131_072, kv_heads=2))
QWEN2_5_3B = _qwen2_5(
    "Qwen/Qwen2.5-3B", Shape("qwen2", 36, 2048, 11_008, 16, 151_936, 32_768, kv_heads=2), "Qwen Research"
)
QWEN2_5_7B = _qwen2_5("Qwen/Qwen2.5-7B", Shape("qwen2", 28, 3584, 18_944, 28, 152_064, 131_072, kv_heads=4, tied=False))
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
SMOLLM2_135M = _smollm2("135M", Shape("llama", 30, 576, 1536, 9, 49_152, 8192, kv_heads=3))
SMOLLM2_360M = _smollm2("360M", Shape("llama", 32, 960, 2560, 15, 49_152, 8192, kv_heads=5))
SMOLLM2_1_7B = _smollm2("1.7B", Shape("llama", 24, 2048, 8192, 32, 49_152, 8192))
MISTRAL_7B = _decoder(
    "mistralai/Mistral-7B-v0.3",
    Shape("mistral", 32, 4096, 14_336, 32, 32_768, 32_768, kv_heads=8, tied=False),
    "Apache-2.0",
    _MISTRAL_CITATION,
)
GEMMA2_2B = _gemma2("2b", Shape("gemma2", 26, 2304, 9216, 8, 256_000, 8192, kv_heads=4, head_size=256))
GEMMA2_9B = _gemma2("9b", Shape("gemma2", 42, 3584, 14_336, 16, 256_000, 8192, kv_heads=8, head_size=256))
GEMMA3_270M = _gemma3("270m", Shape("gemma3_text", 18, 640, 2048, 4, 262_144, 32_768, kv_heads=1, head_size=256))
GEMMA3_1B = _gemma3("1b-pt", Shape("gemma3_text", 26, 1152, 6912, 4, 262_144, 32_768, kv_heads=1, head_size=256))
BLOOM_560M = _bloom("560m", 24, 1024, 16)
BLOOM_1B1 = _bloom("1b1", 24, 1536, 16)
BLOOM_1B7 = _bloom("1b7", 24, 2048, 16)
BLOOM_3B = _bloom("3b", 30, 2560, 32)
BLOOM_7B1 = _bloom("7b1", 30, 4096, 32)
XGLM_564M = _xglm("564M", 24, 1024, 16)
XGLM_1_7B = _xglm("1.7B", 24, 2048, 16)
XGLM_2_9B = _xglm("2.9B", 48, 2048, 16)
XGLM_7_5B = _xglm("7.5B", 32, 4096, 32)

DECODERS = tuple(each for each in list(globals().values()) if isinstance(each, ModelSpec))
