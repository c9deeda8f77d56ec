"""Gemma 2 (Gemma Team 2024, arXiv:2408.00118)."""

from dataclasses import replace

from adaptx.specs.architectures.architecture import NO_HEADS
from adaptx.specs.architectures.llama import LLAMA

GEMMA2 = LLAMA.kin(
    "gemma2",
    config=replace(LLAMA.config, head_size=256),
    layer_norms=4,
    tied=True,
    padded="masks tokens outside a window and counts token positions over the whole row",
    # It caps attention scores, which torch's fused kernel does not do.
    eager=True,
    adapters_refused="in gemma2 the adapters library puts adapters between the feed-forward and the norm after it",
    # transformers has a class for tagging, but the attention that it chooses leaves out the cap on scores.
    library_heads=NO_HEADS,
    step_memory=None,
)
