"""Predict and score, one language at a time, with the model that training left."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from adaptx.backbones.batching import Encoded, collate, micro_batches
from adaptx.backbones.encoder import Encoder
from adaptx.data.examples import Examples
from adaptx.formats import classification, retrieval
from adaptx.metrics import METRICS
from adaptx.progress import Progress, Silent
from adaptx.specs import Classification, Hidden, Precision, Resources
from adaptx.training import ROW_TOKENS, autocast, micro_batch_tokens


class Evaluator:
    """A model in evaluation mode with the way it is read: predictions for any rows."""

    def __init__(
        self,
        backbone: Encoder,
        framing: Hidden,
        precision: Precision,
        max_length: int,
        tokenizer: Any,
        resources: Resources,
        device: torch.device,
        progress: Progress | None = None,
    ) -> None:
        self.backbone = backbone.eval()
        self.framing, self.precision, self.max_length = framing, precision, max_length
        self.tokenizer, self.device = tokenizer, device
        self.progress = progress or Silent()
        self.tokens = micro_batch_tokens(resources, device)
        self.examples = resources.micro_batch_size

    def probabilities(self, encoded: Encoded, head: nn.Module) -> Tensor:
        """Class probabilities [examples, labels] of a classification head, fp32 on the CPU, in the given order."""
        head.eval()
        parts, order = [], []
        for rows in self._groups(encoded):
            batch = collate(encoded, rows, self.device)
            with torch.inference_mode(), autocast(self.device, self.precision):
                logits_NC = classification.logits(self.backbone, head, batch, self.framing)
            parts.append(logits_NC.softmax(dim=-1).cpu())
            order += [index for row in rows for index in row]
            self.progress.advance(len(order))
        return _in_order(torch.cat(parts), order)

    def vectors(self, encoded: Encoded, done: int = 0) -> Tensor:
        """Pooled vectors [examples, hidden], fp32 on the CPU, in the given order."""
        parts, order = [], []
        for rows in self._groups(encoded):
            batch = collate(encoded, rows, self.device)
            with torch.inference_mode(), autocast(self.device, self.precision):
                parts.append(self.backbone.pooled(batch, self.framing).cpu())
            order += [index for row in rows for index in row]
            self.progress.advance(done + len(order))
        return _in_order(torch.cat(parts), order)

    def classify(self, examples: Examples, labels: tuple[str, ...], head: nn.Module) -> tuple[list[str], Encoded]:
        """The most probable of the head's `labels` for each example."""
        encoded = classification.encode(examples, self.tokenizer, self.framing, self.max_length)
        chosen = self.probabilities(encoded, head).argmax(dim=-1).tolist()
        return [labels[index] for index in chosen], encoded

    def retrieve(self, examples: Examples) -> tuple[list[int], list[Encoded]]:
        """Index of the nearest candidate for each query."""
        sides = [
            retrieval.encode(examples, side, self.tokenizer, self.framing, self.max_length) for side in retrieval.SIDES
        ]
        queries = self.vectors(sides[0])
        candidates = self.vectors(sides[1], done=len(examples))
        return retrieval.nearest(queries, candidates, self.framing.centred), sides

    def _groups(self, encoded: Encoded) -> list[list[list[int]]]:
        return micro_batches(encoded.lengths, self.tokens, self.examples, ROW_TOKENS)


def golds(examples: Examples, task_format: object) -> list[str] | list[int]:
    """What a prediction is compared with: label names, or each query's own row."""
    if isinstance(task_format, Classification):
        return list(examples.columns["label"])
    return list(range(len(examples)))


def score(metric: str, predictions: list[Any], gold: list[Any]) -> float:
    """A metric's mean over examples, in [0, 1]."""
    return float(np.mean(METRICS[metric](predictions, gold)))


def _in_order(values: Tensor, order: list[int]) -> Tensor:
    """Undo the sorting by length."""
    placed = torch.empty_like(values)
    placed[torch.tensor(order)] = values
    return placed
