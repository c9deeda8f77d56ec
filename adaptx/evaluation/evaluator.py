"""Predictions and scores of a trained model, for one task and language at a time."""

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
    """The predictions of one model for any rows.

    Attributes:
        reading: how the model reads texts: tokenizer, framing and maximum length.
        setting: device, precision and micro-batch size.
        rows: cache that tokenises rows and reads the candidate pools of retrieval tasks.
        limit: maximum number of a pool's rows; None reads all.
        memory: cache of candidate pools' vectors. Evaluators of the same model share it.
        record: object that records the fusion weights of each batch; None records nothing.
        pool_left_out: reason -> number of rows of the last pool that did not become candidates.
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
        """Return predictions for the rows, with gold answers if the rows are labelled.

        `head` is the task's trained head, or None if the task has no head.
        """
        self.backbone.eval()
        if head is not None:
            head.module.eval()
        task_format = task.format
        if head is not None and task_format.labels:
            # Use the head's order of labels. Planning has checked that both have the same set of labels.
            task_format = replace(task_format, labels=head.format.labels)
        behaviour = behaviour_of(task_format, self.reading.framing)
        model = Model(self.backbone, head.module if head is not None else None, self.reading, task_format)
        inputs = self.rows.inputs(behaviour, examples, task_format, self.reading)
        pool, pool_vectors = None, None
        with without_notes():
            if behaviour.encode_pool is not None:
                examples, pool = ranked(examples, task, lambda wanted: self.rows.pool(task, self.limit, wanted))
                self.pool_left_out = pool.left_out
                pool_vectors = self._pool_vectors(pool, task, model, behaviour)
            values = tuple(self.read(one, model) for one in inputs.passes)
        return behaviour.decode(
            Answers(examples=examples, model=model, inputs=inputs, values=values, pool=pool, pool_vectors=pool_vectors)
        )

    def _pool_vectors(self, pool: Examples, task: Task, model: Model, behaviour: Format) -> Tensor:
        # The vectors are the same for every language with this pool.
        key = (task.pool, tuple(pool.columns["id"]), task.format, self.reading.framing)
        if key not in self.memory:
            one = self.rows.candidates(behaviour, pool, task.format, self.reading)
            self.memory[key] = self.read(one, model)
        return self.memory[key]

    def read(self, one: Pass, model: Model) -> Any:
        """Return the model's output for each item of a `Pass`, in order.

        If the outputs are tensors, the result is a tensor [items, ...] in fp32 on the CPU. Otherwise it is a list.

        Raises:
            NotFinite: an output is NaN or infinite.
        """
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
            # Only tensors are checked here. Formats check other values themselves.
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
    """Return the task's metrics for one language's predictions, as shares in [0, 1].

    Raises:
        UserError: the rows have no gold labels.
        NotFinite: a metric is undefined for these rows.
    """
    if predicted.golds is None:
        raise UserError(
            f"the rows of {task.name} in {language} have no gold labels, so no score can be computed; evaluate on "
            "labelled rows"
        )
    golds = predicted.golds
    found = {name: METRICS[name].score(predicted.predictions, golds, language) for name in task.metrics}
    for name, value in found.items():
        if not math.isfinite(value):
            raise NotFinite(
                f"{name} of {task.name} in {language} is {value}, because it is undefined for these {len(golds)} rows. "
                "Use more rows, or another metric: Task(metrics=...)"
            )
    return found
