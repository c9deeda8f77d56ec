"""Classification of a text or a pair: a linear head over the pooled vector. Loss unit: the example.

Suffixes: N examples, C labels, D hidden size.
"""

from typing import Any

import torch
from torch import Tensor, nn

from adaptx.backbones.batching import Encoded, TokenBatch, encode_texts
from adaptx.backbones.encoder import Encoder
from adaptx.data.examples import Examples
from adaptx.specs import Classification, Hidden


class Head(nn.Module):
    """Dropout and a linear map, in fp32: pooled [N, D] -> logits [N, C]."""

    def __init__(self, hidden_size: int, num_labels: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(hidden_size, num_labels)
        nn.init.normal_(self.linear.weight, std=0.02)
        nn.init.zeros_(self.linear.bias)

    def forward(self, pooled_ND: Tensor) -> Tensor:
        with torch.autocast(pooled_ND.device.type, enabled=False):
            return self.linear(self.dropout(pooled_ND))


def new_head(task_format: Classification, hidden_size: int, dropout: float) -> Head:
    """A fresh head; initial values come from torch's global generator."""
    return Head(hidden_size, len(task_format.labels), dropout)


def encode(examples: Examples, tokenizer: Any, framing: Hidden, max_length: int) -> Encoded:
    """Token ids of the text, or of the pair with the tokenizer's own separators; the longer side is cut first."""
    return encode_texts(tokenizer, examples.columns["text"], examples.columns.get("pair"), framing.prefix, max_length)


def gold_ids(examples: Examples, task_format: Classification) -> list[int]:
    """Label ids in the order of the format's label set."""
    ids = {label: index for index, label in enumerate(task_format.labels)}
    return [ids[label] for label in examples.columns["label"]]


def logits(backbone: Encoder, head: nn.Module, batch: TokenBatch, framing: Hidden) -> Tensor:
    """[N, C] in fp32."""
    return head(backbone.pooled(batch, framing))


def loss_sum(logits_NC: Tensor, gold_N: Tensor) -> Tensor:
    """Cross-entropy summed over examples (scalar): the caller divides by the examples of the whole batch."""
    return nn.functional.cross_entropy(logits_NC, gold_N, reduction="sum")
