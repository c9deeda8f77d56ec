"""The supported architectures, one per file, looked up by the `model_type` in config.json.

Llama 3 and SmolLM have the type `llama`, ByT5 has the type `t5`.
"""

from adaptx.errors import UserError
from adaptx.specs.architectures.architecture import Architecture
from adaptx.specs.architectures.bert import BERT
from adaptx.specs.architectures.bloom import BLOOM
from adaptx.specs.architectures.deberta_v2 import DEBERTA_V2
from adaptx.specs.architectures.distilbert import DISTILBERT
from adaptx.specs.architectures.gemma2 import GEMMA2
from adaptx.specs.architectures.gemma3_text import GEMMA3_TEXT
from adaptx.specs.architectures.llama import LLAMA
from adaptx.specs.architectures.mbart import MBART
from adaptx.specs.architectures.mistral import MISTRAL
from adaptx.specs.architectures.modernbert import MODERNBERT
from adaptx.specs.architectures.mt5 import MT5
from adaptx.specs.architectures.qwen2 import QWEN2
from adaptx.specs.architectures.qwen3 import QWEN3
from adaptx.specs.architectures.rembert import REMBERT
from adaptx.specs.architectures.t5 import T5
from adaptx.specs.architectures.umt5 import UMT5
from adaptx.specs.architectures.xglm import XGLM
from adaptx.specs.architectures.xlm_roberta import XLM_ROBERTA
from adaptx.specs.architectures.xlm_roberta_xl import XLM_ROBERTA_XL

ARCHITECTURES: dict[str, Architecture] = {
    each.model_type: each
    for each in (
        *(BERT, XLM_ROBERTA, XLM_ROBERTA_XL, DISTILBERT, DEBERTA_V2, REMBERT, MODERNBERT),
        *(T5, MT5, UMT5, MBART),
        *(QWEN2, QWEN3, LLAMA, MISTRAL, GEMMA2, GEMMA3_TEXT, BLOOM, XGLM),
    )
}
ARCHITECTURES_REFUSED: dict[str, str] = {
    "gemma3": "it reads images too; use a text-only size, 270m or 1b, whose type is gemma3_text",
}
"""`model_type` that looks like a supported one -> why it is not supported."""


def unsupported(model_type: str | None) -> str | None:
    """Return why an architecture is not supported, or None if it is supported."""
    if model_type in ARCHITECTURES:
        return None
    why = ARCHITECTURES_REFUSED.get(model_type or "", f"supported: {', '.join(ARCHITECTURES)}")
    return f"architecture {model_type!r} is not supported; {why}"


def architecture_of(model_type: str) -> Architecture:
    """Return the architecture with that `model_type`.

    Raises:
        UserError: the architecture is not supported.
    """
    if (reason := unsupported(model_type)) is not None:
        raise UserError(reason)
    return ARCHITECTURES[model_type]
