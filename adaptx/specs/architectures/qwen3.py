"""Qwen 3 (Qwen Team 2025, arXiv:2505.09388)."""

from dataclasses import replace

from adaptx.specs.architectures.llama import LLAMA, LLAMA_HEADS

QWEN3 = LLAMA.kin(
    "qwen3",
    config=replace(LLAMA.config, head_size=128),
    head_norms=True,
    adapters_refused=None,
    library_heads=LLAMA_HEADS,
    step_memory=None,
)
