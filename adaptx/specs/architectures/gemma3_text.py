"""The text-only sizes of Gemma 3 (Gemma Team 2025, arXiv:2503.19786)."""

from adaptx.specs.architectures.architecture import NO_HEADS
from adaptx.specs.architectures.gemma2 import GEMMA2

GEMMA3_TEXT = GEMMA2.kin(
    "gemma3_text",
    head_norms=True,
    eager=False,
    adapters_refused="in gemma3_text the adapters library puts adapters between the feed-forward and the norm after it",
    library_heads=NO_HEADS,
    step_memory=None,
)
