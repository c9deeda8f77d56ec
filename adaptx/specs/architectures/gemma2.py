"""Gemma 2 (Gemma Team 2024, arXiv:2408.00118)."""

from dataclasses import replace

from adaptx.specs.architectures.architecture import NO_HEADS
from adaptx.specs.architectures.llama import LLAMA

GEMMA2 = LLAMA.kin(
    "gemma2",
    config=replace(LLAMA.config, head_size=256),
    layer_norms=4,
    tied=True,
    padded="masks what lies outside a window of tokens, counted over the whole row",
    # It caps scores, which the fused kernel leaves out.
    eager=True,
    adapters_refused="in gemma2 the adapters library puts adapters before the norm after the feed-forward",
    # transformers has a class for tags, but under the attention that it chooses it leaves out the cap on scores.
    library_heads=NO_HEADS,
    step_memory=None,
)
