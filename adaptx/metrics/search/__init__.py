"""Exact nearest neighbours by inner product, computed in blocks within a memory budget."""

from adaptx.metrics.search.best import BestMatches
from adaptx.metrics.search.exact import MEMORY_BYTES, top_k, top_k_both
from adaptx.metrics.search.sides import Vectors

__all__ = ["MEMORY_BYTES", "BestMatches", "Vectors", "top_k", "top_k_both"]
