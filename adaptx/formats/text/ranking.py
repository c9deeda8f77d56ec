"""The likeliest of each row's candidates, by what the framing divides log-likelihoods by.

Suffix: C candidates of a row.
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


def ranking(prompts: Encoding, candidates: Sequence[Candidates]) -> Pass:
    """Return the pass that reads the log-likelihoods of each row's candidates behind its prompt."""
    behind = [sum(map(len, each.ids)) for each in candidates]
    return Pass(one_sequence_each(prompts, list(candidates)), candidate_likelihoods, behind)


def candidate_likelihoods(model: Model, piece: Piece) -> list[Tensor]:
    """Read the log-likelihoods [C] of each row's candidates, on the CPU."""
    behind = [candidates.ids for candidates in piece.targets]
    found = log_likelihoods(model.backbone.network, piece.ids, behind, piece.device)
    return [scores_C.float().cpu() for scores_C in found]


def candidate_scores(answers: Answers, place: int, normalisation: Normalisation) -> list[Tensor]:
    """Return the scores [C] of each row's candidates, read in the pass of that place."""
    rows = zip(answers.values[place], answers.inputs.passes[place].items.targets, strict=True)
    return [scores_C / _size(candidates, normalisation) for scores_C, candidates in rows]


def _size(candidates: Candidates, normalisation: Normalisation) -> Tensor:
    """What the log-likelihoods [C] are divided by."""
    match normalisation:
        case Normalisation.NONE:
            return torch.ones(len(candidates.ids))
        case Normalisation.TOKENS:
            return torch.tensor([len(ids) for ids in candidates.ids])
        case Normalisation.CHARACTERS:
            return torch.tensor([len(text) for text in candidates.texts])
