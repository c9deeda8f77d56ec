"""The matched baseline of a variant: the same method and target task, without the intermediate task."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from adaptx.planning.framings import evaluation_framing
from adaptx.planning.identity import evaluation_precision
from adaptx.planning.naming import UNTRAINED, Factors, trained_on
from adaptx.specs import Evaluate, ModelSpec, Pretrained, Task, Train


class Described(Protocol):
    """A variant, either planned or measured. `evaluate` is one of its evaluations."""

    @property
    def label(self) -> str: ...
    @property
    def task(self) -> Task: ...
    @property
    def factors(self) -> Factors: ...
    @property
    def evaluate(self) -> Evaluate: ...


V = TypeVar("V", bound=Described)


DIFFERS = "baseline differs in"
"""Beginning of the note on a baseline with other settings than its variant."""


@dataclass(frozen=True)
class Match(Generic[V]):
    """The baseline of a variant, or None.

    `note` says why there is no baseline, or in which settings the variant and its baseline differ.
    """

    baseline: V | None
    note: str = ""


def match(variant: V, others: Sequence[V]) -> Match[V]:
    """Return the baseline of a variant, chosen from `others`: the variants of the same task.

    - For a variant trained on the target task: the bare checkpoint, trained on the target task with the same method and
      seed.
    - For a variant that is scored with the head of its intermediate task, without further training: the same baseline.
    - For retrieval or mining without training on the target task: the untrained checkpoint, with the same framing and
      precision.

    Other settings, such as the learning rate, may differ. If several variants fit, the one with equal settings is used.
    """
    if is_baseline(variant):
        return Match(None, "is a baseline")
    fitting = [other for other in others if other is not variant and is_baseline(other) and _fits(variant, other)]
    if not fitting:
        return Match(None, "no matching baseline in this recipe")
    if len(fitting) > 1:
        same = [other for other in fitting if not _differing(variant.evaluate, other.evaluate)]
        if len(same) != 1:
            names = ", ".join(other.label for other in fitting)
            return Match(
                None, f"{len(fitting)} baselines match, of which {len(same)} have this variant's settings: {names}"
            )
        fitting = same
    differing = _differing(variant.evaluate, fitting[0].evaluate)
    return Match(fitting[0], f"{DIFFERS} {', '.join(differing)}" if differing else "")


def is_baseline(variant: Described) -> bool:
    """Return whether the variant is the bare checkpoint, either untrained or trained on the target task alone."""
    model = variant.evaluate.model
    if isinstance(model, Train):
        return variant.factors.target != UNTRAINED and isinstance(model.start, Pretrained) and len(model.tasks) == 1
    return isinstance(model, ModelSpec)


def _fits(variant: Described, baseline: Described) -> bool:
    ours, theirs = variant.factors, baseline.factors
    if ours.model != theirs.model:
        return False
    if variant.task.format.embeds and ours.target == UNTRAINED:
        return theirs.target == UNTRAINED and _reading(variant.evaluate) == _reading(baseline.evaluate)
    return (ours.method, ours.seed) == (theirs.method, theirs.seed) and theirs.target != UNTRAINED


def _reading(evaluate: Evaluate) -> tuple[object, object]:
    return evaluation_framing(evaluate), evaluation_precision(evaluate)


def _differing(ours: Evaluate, theirs: Evaluate) -> list[str]:
    """Return the names of the settings, such as `learning_rate`, in which the last trainings of two models differ.

    The result is empty if a model is untrained, or if the model in `ours` was not trained on the measured task.
    """
    left, right = ours.model, theirs.model
    if not isinstance(left, Train) or not isinstance(right, Train) or not trained_on(left, ours.task):
        return []
    pairs = [(left.config, right.config), (left.method, right.method)]
    names = [
        field.name
        for one, other in pairs
        for field in dataclasses.fields(one)
        if getattr(one, field.name) != getattr(other, field.name)
    ]
    rows = ["training rows"] if _member(left, ours.task).train != _member(right, theirs.task).train else []
    return [*names, *(["limit"] if left.limit != right.limit else []), *rows]


def _member(train: Train, measured: Task) -> Task:
    """Return the task of the training that has the measured task's name. If none has, return the one with its training
    rows.
    """
    named = [task for task in train.tasks if task.name == measured.name]
    return (named or [task for task in train.tasks if task.train == measured.train])[0]
