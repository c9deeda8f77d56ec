"""Multiple choice: each choice is read with its text and gets a score; a softmax runs over a question's choices.

Loss unit: the question (Radford et al. 2018, Improving Language Understanding by Generative Pre-Training, section 3.3).

Suffixes of tensor and array names, one letter per dimension: N sequences (choices of all questions), D hidden size.
"""

from itertools import accumulate, pairwise

import torch
from torch import Tensor, nn

from adaptx.backbones.backbone import Backbone
from adaptx.backbones.batching import Encoding, encode_texts
from adaptx.data.examples import Examples
from adaptx.formats.heads import LinearHead
from adaptx.formats.interface import (
    Answers,
    Format,
    FormatTraining,
    HeadBase,
    Inputs,
    Items,
    Model,
    Pass,
    Piece,
    Predictions,
    Reading,
    SummedLoss,
    one_sequence_each,
)
from adaptx.specs import Hidden, MultipleChoice


def new_head(_format: MultipleChoice, base: HeadBase) -> nn.Module:
    return LinearHead(base.hidden_size, 1, base.dropout)


def items(examples: Examples, _format: MultipleChoice, reading: Reading) -> Items:
    """Return one item per question, with a sequence for each choice. The target is the index of the right choice."""
    encoded, members = _encode(examples, reading)
    return Items(encoded=encoded, members=members, targets=list(examples.columns["label"]), units=[1] * len(members))


def loss_sum(backbone: Backbone, head: nn.Module, piece: Piece, framing: Hidden) -> Tensor:
    """Return the cross-entropy over each question's choices, summed over questions."""
    scores_N = head(backbone.pooled(piece.batch, framing)).squeeze(-1)
    losses = [
        nn.functional.cross_entropy(scores_N[members], torch.tensor(target, device=scores_N.device))
        for members, target in zip(piece.members, piece.targets, strict=True)
    ]
    return torch.stack(losses).sum()


def encode(examples: Examples, _format: MultipleChoice, reading: Reading) -> Inputs:
    """Encode each choice as an item of its own. In evaluation, a question's choices need not be in one micro-batch."""
    encoded, _ = _encode(examples, reading)
    # The text is read once per choice, so the token statistics count it once per choice.
    texts = [f"{text} {_second(question, c)}" for text, question, choices in _rows(examples) for c in choices]
    return Inputs((Pass(one_sequence_each(encoded, [None] * len(encoded)), scores),), [encoded], texts)


def scores(model: Model, piece: Piece) -> Tensor:
    """Return the score of each choice [N]."""
    assert model.head is not None
    return model.head(model.backbone.pooled(piece.batch, model.reading.hidden)).squeeze(-1)


def decode(answers: Answers) -> Predictions:
    """Predict, for each question, the index of the choice with the highest score (the first one if several are equal).

    The records hold the probability of each choice.
    """
    examples, (scores_N,) = answers.examples, answers.values
    shares = [scores_N[members].softmax(dim=-1) for members in _indices_of_choices(examples)]
    records = [{"probabilities": share.tolist()} for share in shares]
    predictions = [int(share.argmax()) for share in shares]
    return Predictions(
        predictions=predictions,
        golds=examples.columns.get("label"),
        rows=examples.rows,
        inputs=answers.inputs,
        records=records,
    )


def _encode(examples: Examples, reading: Reading) -> tuple[Encoding, list[list[int]]]:
    """Encode a pair of texts for each choice: the row's text, and the question joined with the choice.

    Return the pairs of all rows in order, and the indices of each row's pairs. If a pair is too long, its longer text
    is cut first.
    """
    first, second = list[str](), list[str]()
    for text, question, choices in _rows(examples):
        first += [text] * len(choices)
        second += [_second(question, choice) for choice in choices]
    encoded = encode_texts(reading.tokenizer, first, second, reading.hidden.prefix, reading.max_length)
    return encoded, _indices_of_choices(examples)


def _indices_of_choices(examples: Examples) -> list[list[int]]:
    counts = [len(choices) for choices in examples.columns["choices"]]
    return [list(range(begin, end)) for begin, end in pairwise(accumulate(counts, initial=0))]


def _rows(examples: Examples) -> list[tuple[str, str, list[str]]]:
    """Return (text, question, choices) per row; the question is empty if the rows have none."""
    columns = examples.columns
    questions = columns.get("question") or [""] * len(examples)
    return list(zip(columns["text"], questions, columns["choices"], strict=True))


def _second(question: str, choice: str) -> str:
    return f"{question} {choice}" if question else choice


MULTIPLE_CHOICE = Format(encode, decode, FormatTraining(items, SummedLoss(loss_sum), new_head))
