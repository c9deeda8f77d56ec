"""The likeliest of each row's candidates, by what the framing divides log-likelihoods by.

Suffix: C candidates of a row.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from adaptx.backbones.batching import Encoded
from adaptx.backbones.choosing import log_likelihoods
from adaptx.formats.interface import Forward
from adaptx.specs import Normalisation, Rank


@dataclass(frozen=True)
class Candidates:
    """The possible answers to one prompt: their texts and token ids, with the end token if it counts."""

    texts: Sequence[str]
    ids: Sequence[Sequence[int]]

    @property
    def longest(self) -> int:
        """In tokens."""
        return max(map(len, self.ids))


def counts_end(rank: Rank) -> bool:
    """Return whether candidates are ranked with the end of the answer, which `adaptx.planning.framings` has settled."""
    assert rank.end is not None
    return rank.end


def candidate_scores(
    prompts: Encoded, candidates: Sequence[Candidates], normalisation: Normalisation, forward: Forward
) -> list[Tensor]:
    """Scores [C] of each row's candidates, on the CPU."""
    backbone = forward.backbone
    device = next(backbone.network.parameters()).device

    def read(group: Sequence[int]) -> list[Tensor]:
        given = [prompts.ids[row] for row in group]
        return [
            scores_C.float().cpu()
            for scores_C in log_likelihoods(backbone.network, given, [candidates[row].ids for row in group], device)
        ]

    tokens = [len(ids) + sum(map(len, each.ids)) for ids, each in zip(prompts.ids, candidates, strict=True)]
    sums = forward.in_groups(tokens, read)
    return [scores_C / _size(each, normalisation) for scores_C, each in zip(sums, candidates, strict=True)]


def _size(candidates: Candidates, normalisation: Normalisation) -> Tensor:
    """What the log-likelihoods [C] are divided by."""
    match normalisation:
        case Normalisation.NONE:
            return torch.ones(len(candidates.ids))
        case Normalisation.TOKENS:
            return torch.tensor([len(ids) for ids in candidates.ids])
        case Normalisation.CHARACTERS:
            return torch.tensor([len(text) for text in candidates.texts])
