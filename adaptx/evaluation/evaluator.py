"""Predict and score, one language at a time, with the model that training left."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from adaptx.backbones.backbone import Backbone
from adaptx.backbones.batching import Encoded, TokenBatch, collate, cut
from adaptx.backbones.finite import check_finite
from adaptx.composition.mixing_record import MixingRecord
from adaptx.data.examples import Examples
from adaptx.data.reading import read_pool
from adaptx.errors import NotFinite, UserError
from adaptx.files.left_out import LeftOut
from adaptx.formats import behaviour
from adaptx.formats.interface import Predicted, Read, Reading, TrainedHead
from adaptx.methods.quantised import without_notes
from adaptx.metrics import METRICS
from adaptx.sources.sources import Sources
from adaptx.specs import Task
from adaptx.training.gradients import Setting
from adaptx.training.progress import Progress, Silent


class Evaluator:
    """A model in evaluation mode with the way it is read: predictions for any rows.

    sources, limit: for a retrieval task's pool. memory: vectors of pools, shared by evaluators of one model. record: if
    set, is told of each batch that is read. pool_left_out: what of the last pool did not become a candidate.
    """

    def __init__(
        self,
        backbone: Backbone,
        reading: Reading,
        setting: Setting,
        sources: Sources,
        limit: int | None = None,
        progress: Progress | None = None,
        name: str = "",
        memory: dict[object, Tensor] | None = None,
    ) -> None:
        self.backbone = backbone
        self.reading, self.setting, self.sources, self.limit = reading, setting, sources, limit
        self.progress, self.name = progress or Silent(), name
        self.memory = {} if memory is None else memory
        self.record: MixingRecord | None = None
        self.pool_left_out: tuple[LeftOut, ...] = ()

    def predict(self, examples: Examples, task: Task, head: TrainedHead | None) -> Predicted:
        """Predictions for the rows, with golds where they are labelled."""
        self.backbone.eval()
        if head is not None:
            head.module.eval()
        with without_notes():
            return behaviour(task.format, self.reading.framing).predict(examples, task, head, self)

    def each(self, encoded: Encoded, read: Read) -> list[Any]:
        """What `read` returns for each sequence, in the given order, on the CPU."""
        found: list[Any] = [None] * len(encoded)
        for sequences, batch in self._batches(encoded):
            with torch.inference_mode(), self.setting.forward_pass():
                values = read(batch, sequences)
            # The format that made other values has checked them.
            if isinstance(values, Tensor):
                values = check_finite(values.float().cpu(), "outputs of the model")
            for sequence, value in zip(sequences, values, strict=True):
                found[sequence] = value
        return found

    def in_groups(self, tokens: Sequence[int], read: Callable[[list[int]], Sequence[Any]]) -> list[Any]:
        """What `read` returns for each of a group of items, for all items of so many `tokens`, in the given order."""
        found: list[Any] = [None] * len(tokens)
        self.progress.start(self.name, len(tokens), "example")
        done = 0
        for group in cut(tokens, self.setting.budget.tokens, self.setting.budget.items):
            with torch.inference_mode(), self.setting.forward_pass():
                values = read(group)
            for item, value in zip(group, values, strict=True):
                found[item] = value
            done += len(group)
            self.progress.advance(done)
        return found

    def vectors(self, encoded: Encoded) -> Tensor:
        """Pooled vectors [sequences, hidden], fp32 on the CPU, in the given order."""
        vectors_SD = torch.empty(len(encoded), self.backbone.hidden_size)
        for sequences, batch in self._batches(encoded):
            with torch.inference_mode(), self.setting.forward_pass():
                pooled_ND = self.backbone.pooled(batch, self.reading.hidden)
            vectors_SD[sequences] = check_finite(pooled_ND.float().cpu(), "numbers of the embeddings")
        return vectors_SD

    def pool(self, task: Task, wanted: Sequence[str]) -> Examples:
        """The task's candidates; under a row limit, at least those that are right for the `wanted` ids."""
        pool = read_pool(task, self.sources, self.limit, wanted)
        self.pool_left_out = pool.left_out
        return pool

    def remembered(self, key: object, make: Callable[[], Tensor]) -> Tensor:
        """What `make` returned for that key before, with the same model and framing."""
        whole = (key, self.reading.framing)
        if whole not in self.memory:
            self.memory[whole] = make()
        return self.memory[whole]

    def _batches(self, encoded: Encoded) -> Iterator[tuple[list[int], TokenBatch]]:
        """(sequences, their batch) until all sequences were in one."""
        self.progress.start(self.name, len(encoded), "sequence")
        done = 0
        budget = self.setting.budget
        for sequences in cut(encoded.lengths, budget.tokens, budget.items):
            batch = collate(encoded, sequences, self.setting.device)
            if self.record is not None:
                self.record.reading(encoded, batch)
            yield sequences, batch
            done += len(sequences)
            self.progress.advance(done)


def scores(task: Task, predicted: Predicted, language: str) -> Mapping[str, float]:
    """The task's metrics over one set, shares in [0, 1].

    Raises:
        UserError: the rows are unlabelled.
        NotFinite: a metric is undefined over them.
    """
    if predicted.golds is None:
        raise UserError(f"rows of {task.name} in {language} have no gold labels to score against")
    golds = predicted.golds
    found = {name: METRICS[name].score(predicted.predictions, golds, language) for name in task.metrics}
    for name, value in found.items():
        if not math.isfinite(value):
            raise NotFinite(
                f"{name} of {task.name} in {language} is {value}: it is undefined over these {len(golds)} rows. Give "
                "more rows, or another metric: Task(metrics=...)"
            )
    return found
