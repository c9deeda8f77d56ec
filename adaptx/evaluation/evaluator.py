"""Predict and score, one language at a time, with the model that training left."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from adaptx.backbones.backbone import Backbone
from adaptx.backbones.batching import cut
from adaptx.backbones.finite import check_finite
from adaptx.composition.mixing_record import MixingRecord
from adaptx.data.examples import Examples
from adaptx.data.golds import ranked
from adaptx.errors import NotFinite, UserError
from adaptx.files.left_out import LeftOut
from adaptx.formats import behaviour as behaviour_of
from adaptx.formats.interface import Answers, Format, Model, Pass, Predictions, Reading, TrainedHead, piece_of
from adaptx.formats.row_cache import RowCache
from adaptx.methods.quantised import without_notes
from adaptx.metrics import METRICS
from adaptx.specs import Task
from adaptx.training.gradients import Setting
from adaptx.training.progress import Progress, Silent


class Evaluator:
    """A model in evaluation mode with the way it is read: predictions for any rows.

    rows: what tokenises rows, and reads a retrieval task's pool. limit: of the pool's rows. memory: vectors of pools,
    shared by evaluators of one model. record: if set, is told of each batch that is read. pool_left_out: what of the
    last pool did not become a candidate.
    """

    def __init__(
        self,
        backbone: Backbone,
        reading: Reading,
        setting: Setting,
        rows: RowCache,
        limit: int | None = None,
        progress: Progress | None = None,
        name: str = "",
        memory: dict[object, Tensor] | None = None,
    ) -> None:
        self.backbone = backbone
        self.reading, self.setting, self.rows, self.limit = reading, setting, rows, limit
        self.progress, self.name = progress or Silent(), name
        self.memory = {} if memory is None else memory
        self.record: MixingRecord | None = None
        self.pool_left_out: tuple[LeftOut, ...] = ()

    def predict(self, examples: Examples, task: Task, head: TrainedHead | None) -> Predictions:
        """Predictions for the rows, with golds where they are labelled."""
        self.backbone.eval()
        if head is not None:
            head.module.eval()
        task_format = task.format
        if head is not None and task_format.labels:
            # In the order of the head's rows; the sets agree, as planning has checked.
            task_format = replace(task_format, labels=head.format.labels)
        behaviour = behaviour_of(task_format, self.reading.framing)
        model = Model(self.backbone, head.module if head is not None else None, self.reading, task_format)
        inputs = self.rows.inputs(behaviour, examples, task_format, self.reading)
        pool, pool_vectors = None, None
        with without_notes():
            if behaviour.encode_pool is not None:
                examples, pool = ranked(examples, task, lambda wanted: self.rows.pool(task, self.limit, wanted))
                self.pool_left_out = pool.left_out
                pool_vectors = self._remembered(pool, task, model, behaviour)
            values = tuple(self.read(one, model) for one in inputs.passes)
        return behaviour.decode(
            Answers(examples=examples, model=model, inputs=inputs, values=values, pool=pool, pool_vectors=pool_vectors)
        )

    def _remembered(self, pool: Examples, task: Task, model: Model, behaviour: Format) -> Tensor:
        """The vectors of candidates, embedded once for all languages that the same model ranks them for."""
        key = (task.pool, tuple(pool.columns["id"]), task.format, self.reading.framing)
        if key not in self.memory:
            one = self.rows.candidates(behaviour, pool, task.format, self.reading)
            self.memory[key] = self.read(one, model)
        return self.memory[key]

    def read(self, one: Pass, model: Model) -> Any:
        """What the model reads of each item of a pass, in order: a tensor [items, ...], fp32 on the CPU, or a list."""
        found: Any = None
        budget = self.setting.budget
        self.progress.start(self.name, len(one.items), "sequence" if one.behind is None else "example")
        done = 0
        for group in cut(one.tokens, budget.tokens, budget.items):
            piece = piece_of(one.items, group, self.setting.device)
            if self.record is not None and one.behind is None:
                self.record.reading(piece.encoded, piece.batch)
            with torch.inference_mode(), self.setting.forward_pass():
                values = one.read(model, piece)
            # The format that made other values has checked them.
            if isinstance(values, Tensor):
                values = check_finite(values.float().cpu(), "outputs of the model")
                found = torch.empty(len(one.items), *values.shape[1:]) if found is None else found
                found[group] = values
            else:
                found = [None] * len(one.items) if found is None else found
                for item, value in zip(group, values, strict=True):
                    found[item] = value
            done += len(group)
            self.progress.advance(done)
        return [] if found is None else found


def scores(task: Task, predicted: Predictions, language: str) -> Mapping[str, float]:
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
