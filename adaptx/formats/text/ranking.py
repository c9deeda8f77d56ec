"""Rank each row's candidate answers by log-likelihood, divided by the candidate's length if the framing says so.

Suffixes of tensor and array names, one letter per dimension: C candidates of a row.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from adaptx.backbones.batching import Encoding
from adaptx.backbones.choosing import log_likelihoods
from adaptx.formats.interface import Answers, Model, Pass, Piece, one_sequence_each
from adaptx.specs import Normalisation, Rank


@dataclass(frozen=True)
class Candidates:
    """The possible answers to one prompt: their texts and token ids, which include the end token if it is scored."""

    texts: Sequence[str]
    ids: Sequence[Sequence[int]]

    @property
    def longest(self) -> int:
        """The number of tokens of the longest candidate."""
        return max(map(len, self.ids))


def counts_end(rank: Rank) -> bool:
    """Return whether the end token is part of a candidate's score."""
    # Planning has replaced None (`adaptx.planning.framings`).
    assert rank.end is not None
    return rank.end


def ranking(prompts: Encoding, candidates: Sequence[Candidates]) -> Pass:
    """Return a `Pass` that computes the log-likelihoods of each row's candidates after its prompt."""
    behind = [sum(map(len, each.ids)) for each in candidates]
    return Pass(one_sequence_each(prompts, list(candidates)), candidate_likelihoods, behind)


def candidate_likelihoods(model: Model, piece: Piece) -> list[Tensor]:
    """Return the log-likelihoods [C] of each row's candidates, as fp32 tensors on the CPU."""
    behind = [candidates.ids for candidates in piece.targets]
    found = log_likelihoods(model.backbone.network, piece.ids, behind, piece.device)
    return [scores_C.float().cpu() for scores_C in found]


def candidate_scores(answers: Answers, place: int, normalisation: Normalisation) -> list[Tensor]:
    """Return the normalised log-likelihoods [C] of each row's candidates, from the pass with the index `place`."""
    rows = zip(answers.values[place], answers.inputs.passes[place].items.targets, strict=True)
    return [scores_C / _divisors(candidates, normalisation) for scores_C, candidates in rows]


def _divisors(candidates: Candidates, normalisation: Normalisation) -> Tensor:
    """Return the number [C] by which each candidate's log-likelihood is divided."""
    match normalisation:
        case Normalisation.NONE:
            return torch.ones(len(candidates.ids))
        case Normalisation.TOKENS:
            return torch.tensor([len(ids) for ids in candidates.ids])
        case Normalisation.CHARACTERS:
            return torch.tensor([len(text) for text in candidates.texts])
