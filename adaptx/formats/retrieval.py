"""Retrieval by sentence embedding: each query's nearest candidate by cosine, exact search in blocks.

Suffixes: Q queries, N candidates, D hidden size.
"""

from typing import Any

import torch
from torch import Tensor

from adaptx.backbones.batching import Encoded, encode_texts
from adaptx.data.examples import Examples
from adaptx.specs import Hidden

SIDES = ("query", "candidate")
BLOCK = 4_096


def encode(examples: Examples, side: str, tokenizer: Any, framing: Hidden, max_length: int) -> Encoded:
    """Token ids of one side's sentences, with the framing's prefix."""
    return encode_texts(tokenizer, examples.columns[side], None, framing.prefix, max_length)


def nearest(queries_QD: Tensor, candidates_ND: Tensor, centred: bool) -> list[int]:
    """Index of the candidate with the highest cosine for each query; the first of equal ones.

    centred: subtract each side's own mean vector first, which takes out what is common to one language.
    """
    queries_QD, candidates_ND = _unit(queries_QD, centred), _unit(candidates_ND, centred)
    found: list[int] = []
    for queries_bD in queries_QD.split(BLOCK):
        best_b = torch.full((len(queries_bD),), -2.0)
        index_b = torch.zeros(len(queries_bD), dtype=torch.long)
        for first in range(0, len(candidates_ND), BLOCK):
            scores_bn = queries_bD @ candidates_ND[first : first + BLOCK].T
            top_b, at_b = scores_bn.max(dim=1)
            better_b = top_b > best_b
            best_b = torch.where(better_b, top_b, best_b)
            index_b = torch.where(better_b, at_b + first, index_b)
        found += index_b.tolist()
    return found


def _unit(vectors: Tensor, centred: bool) -> Tensor:
    vectors = vectors.float().cpu()
    return torch.nn.functional.normalize(vectors - vectors.mean(dim=0) if centred else vectors, dim=1)
