"""Classification of a text or a pair of texts by a linear head on the pooled vector. Loss unit: the example.

Suffixes of tensor and array names, one letter per dimension: N examples, C labels, D hidden size.
"""

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
from adaptx.specs import Classification, Hidden


def new_head(task_format: Classification, base: HeadBase) -> nn.Module:
    """Return an untrained head, whose weights are drawn from torch's global generator."""
    return LinearHead(base.hidden_size, len(task_format.labels), base.dropout)


def items(examples: Examples, task_format: Classification, reading: Reading) -> Items:
    """Return one item per example, each of one sequence. The target is the label's index in the format's label set."""
    place = {label: index for index, label in enumerate(task_format.labels)}
    return one_sequence_each(_encode(examples, reading), [place[label] for label in examples.columns["label"]])


def loss_sum(backbone: Backbone, head: nn.Module, piece: Piece, framing: Hidden) -> Tensor:
    """Return the cross-entropy, summed over the examples of the micro-batch."""
    logits_NC = head(backbone.pooled(piece.batch, framing))
    gold_N = torch.tensor(piece.targets, device=logits_NC.device)
    return nn.functional.cross_entropy(logits_NC, gold_N, reduction="sum")


def encode(examples: Examples, _format: Classification, reading: Reading) -> Inputs:
    """Encode the examples, one sequence each, for the forward pass `probabilities`."""
    encoded = _encode(examples, reading)
    texts = [text for role in ("text", "pair") for text in examples.columns.get(role, ())]
    return Inputs((Pass(one_sequence_each(encoded, [None] * len(encoded)), probabilities),), [encoded], texts)


def probabilities(model: Model, piece: Piece) -> Tensor:
    """Return the label probabilities of each example [N, C]."""
    assert model.head is not None
    return model.head(model.backbone.pooled(piece.batch, model.reading.hidden)).softmax(dim=-1)


def decode(answers: Answers) -> Predictions:
    """Predict the name of the most probable label per example. The records hold the probability of every label."""
    labels, examples, (shares,) = answers.model.format.labels, answers.examples, answers.values
    predictions = [labels[int(share.argmax())] for share in shares]
    records = [{"probabilities": dict(zip(labels, share.tolist(), strict=True))} for share in shares]
    return Predictions(
        predictions=predictions,
        golds=examples.columns.get("label"),
        rows=examples.rows,
        inputs=answers.inputs,
        records=records,
    )


def _encode(examples: Examples, reading: Reading) -> Encoding:
    """Encode each text or pair of texts. If a pair is too long, its longer text is cut first."""
    texts, pairs = examples.columns["text"], examples.columns.get("pair")
    return encode_texts(reading.tokenizer, texts, pairs, reading.hidden.prefix, reading.max_length)


CLASSIFICATION = Format(encode, decode, FormatTraining(items, SummedLoss(loss_sum), new_head))
