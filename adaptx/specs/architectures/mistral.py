"""Mistral (Jiang et al. 2023, arXiv:2310.06825)."""

from adaptx.specs.architectures.llama import LLAMA, LLAMA_HEADS

MISTRAL = LLAMA.kin("mistral", adapters_refused=None, library_heads=LLAMA_HEADS, step_memory=None)
