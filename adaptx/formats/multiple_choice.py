"""Multiple choice: one score for each choice read with its text, softmax over a question's choices. Loss unit: the
question (Radford et al. 2018, Improving Language Understanding by Generative Pre-Training, section 3.3).

Suffixes: N sequences (choices of all questions), D hidden size.
"""

from itertools import accumulate, pairwise

import torch
from torch import Tensor, nn

from adaptx.backbones.backbone import Backbone
from adaptx.backbones.batching import Encoded, encode_texts
from adaptx.data.examples import Examples
from adaptx.formats.heads import LinearHead
from adaptx.formats.interface import (
    Format,
    Forward,
    HeadBase,
    Items,
    Piece,
    Predicted,
    Reading,
    SummedLoss,
    TrainedHead,
    Training,
)
from adaptx.specs import Hidden, MultipleChoice, Task


def new_head(_format: MultipleChoice, base: HeadBase) -> nn.Module:
    return LinearHead(base.hidden_size, 1, base.dropout)


def items(examples: Examples, _format: MultipleChoice, reading: Reading) -> Items:
    """A sequence for each choice; the target is the right choice's index."""
    encoded, members = _encode(examples, reading)
    return Items(encoded, members, list(examples.columns["label"]), [1] * len(members))


def loss_sum(backbone: Backbone, head: nn.Module, drawn: Items, piece: Piece, framing: Hidden) -> Tensor:
    """Cross-entropy over each question's choices, summed over questions."""
    scores_N = head(backbone.pooled(piece.batch, framing)).squeeze(-1)
    place = piece.position()
    losses = [
        nn.functional.cross_entropy(
            scores_N[[place[sequence] for sequence in drawn.members[item]]],
            torch.tensor(drawn.targets[item], device=scores_N.device),
        )
        for item in piece.items
    ]
    return torch.stack(losses).sum()


def predict(examples: Examples, _task: Task, head: TrainedHead | None, forward: Forward) -> Predicted:
    """Index of the highest-scoring choice, the first of equal ones; the records hold each choice's probability."""
    assert head is not None
    framing = forward.reading.hidden
    encoded, members = _encode(examples, forward.reading)
    scores = forward.each(encoded, lambda batch, _: head.module(forward.backbone.pooled(batch, framing)).squeeze(-1))
    shares = [torch.stack([scores[sequence] for sequence in each]).softmax(dim=-1) for each in members]
    records = [{"probabilities": share.tolist()} for share in shares]
    # A text is read once for each of its choices, and counts so.
    texts = [f"{text} {_second(question, c)}" for text, question, choices in _rows(examples) for c in choices]
    predictions = [int(share.argmax()) for share in shares]
    return Predicted(predictions, examples.columns.get("label"), examples.rows, [encoded], texts, records=records)


def _encode(examples: Examples, reading: Reading) -> tuple[Encoded, list[list[int]]]:
    """Pairs (text; question and choice), a row's choices next to one another; the longer side is cut first."""
    first, second, counts = list[str](), list[str](), list[int]()
    for text, question, choices in _rows(examples):
        first += [text] * len(choices)
        second += [_second(question, choice) for choice in choices]
        counts.append(len(choices))
    encoded = encode_texts(reading.tokenizer, first, second, reading.hidden.prefix, reading.max_length)
    return encoded, [list(range(begin, end)) for begin, end in pairwise(accumulate(counts, initial=0))]


def _rows(examples: Examples) -> list[tuple[str, str, list[str]]]:
    columns = examples.columns
    questions = columns.get("question") or [""] * len(examples)
    return list(zip(columns["text"], questions, columns["choices"], strict=True))


def _second(question: str, choice: str) -> str:
    return f"{question} {choice}" if question else choice


MULTIPLE_CHOICE = Format(predict, Training(items, SummedLoss(loss_sum), new_head))
