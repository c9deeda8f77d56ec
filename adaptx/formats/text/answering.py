"""Items that consist of a prompt and its answer, and the loss over answers, for all text-to-text formats.

Loss unit: the token of an answer, including the end token (as in Raffel et al. 2020, arXiv:1910.10683, section 2.1).

Suffixes of tensor and array names, one letter per dimension: M tokens of all answers, D hidden size.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from adaptx.backbones.answers import answer_states
from adaptx.backbones.backbone import Backbone
from adaptx.backbones.batching import Encoding
from adaptx.backbones.output_matrix import output_matrix
from adaptx.backbones.vocabulary_loss import summed_cross_entropy
from adaptx.formats.interface import AnswerLoss, Items, Piece


@dataclass(frozen=True)
class AnswerTokens:
    """The position of the answer in a sequence that consists of a prompt and its answer.

    first: the position in the sequence at which the answer begins. learned: the tokens that count in the loss, as
    positions in the answer.
    """

    first: int
    learned: tuple[int, ...]


def answered(
    prompts: Encoding, answers: Sequence[Sequence[int]], learned: Sequence[Sequence[int]] | None = None
) -> Items:
    """Return one item per prompt. Its sequence is the prompt and its answer, and its loss units are the learned tokens.

    learned: for each answer, the positions of the tokens that count in the loss; None means all tokens.
    """
    targets = [
        AnswerTokens(len(prompt), tuple(learned[row]) if learned is not None else tuple(range(len(answer))))
        for row, (prompt, answer) in enumerate(zip(prompts.ids, answers, strict=True))
    ]
    ids = [[*prompt, *answer] for prompt, answer in zip(prompts.ids, answers, strict=True)]
    encoded = Encoding(ids, None, prompts.pad, prompts.truncated)
    return Items(
        encoded=encoded,
        members=[[row] for row in range(len(ids))],
        targets=targets,
        units=[len(target.learned) for target in targets],
    )


def split(piece: Piece) -> tuple[list[list[int]], list[list[int]]]:
    """Return the prompts and the answers of a micro-batch whose sequences consist of a prompt and its answer."""
    rows = list(zip(piece.ids, piece.targets, strict=True))
    return [row[: target.first] for row, target in rows], [row[target.first :] for row, target in rows]


def loss_sum(backbone: Backbone, piece: Piece) -> Tensor:
    """Return the negative log-likelihood, summed over the tokens that count in the loss (`AnswerTokens.learned`)."""
    targets: list[AnswerTokens] = piece.targets
    prompts, answers = split(piece)
    states_MD = answer_states(backbone, piece.batch, prompts, answers)
    device = states_MD.device
    chosen: list[int] = []
    gold: list[int] = []
    first = 0
    for answer, target in zip(answers, targets, strict=True):
        chosen += [first + place for place in target.learned]
        gold += [answer[place] for place in target.learned]
        first += len(answer)
    chosen_M = torch.tensor(chosen, device=device)
    return summed_cross_entropy(states_MD[chosen_M], output_matrix(backbone.network), torch.tensor(gold, device=device))


LOSS = AnswerLoss(loss_sum)
