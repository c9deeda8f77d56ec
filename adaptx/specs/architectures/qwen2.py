"""Qwen 2 and 2.5 (Yang et al. 2024, arXiv:2407.10671)."""

from adaptx.specs.architectures.llama import LLAMA, LLAMA_HEADS

QWEN2 = LLAMA.kin(
    "qwen2", biases=("query", "key", "value"), adapters_refused=None, library_heads=LLAMA_HEADS, step_memory=None
)
