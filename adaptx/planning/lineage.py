"""Which earlier modules a training stands on and whose head an evaluation uses: plain values, no weights.

`lineage(train)` says, lowest first, which modules are frozen below a training's own, which module it continues,
and which it fuses. Planning refuses with it; assembly builds the model with it.
"""

import functools
from dataclasses import dataclass

from adaptx.errors import UserError
from adaptx.specs import (
    Evaluate,
    Fuse,
    KeptHeadOf,
    Merge,
    Merged,
    Mixture,
    ModelSpec,
    ModuleSource,
    ModuleStage,
    NoHead,
    Pretrained,
    Published,
    Retrieval,
    Sequential,
    Stack,
    Task,
    TaskFormat,
    Text,
    Train,
)


@dataclass(frozen=True)
class Lineage:
    """frozen: whose modules lie below, lowest first. continued: whose module is trained on. fused: whose modules are
    mixed. Each is a training or merge, or a module that was trained elsewhere.
    """

    frozen: tuple[ModuleSource, ...] = ()
    continued: ModuleSource | None = None
    fused: tuple[Train | Published, ...] = ()


def lineage(stage: ModuleStage) -> Lineage:
    """Raises:
    UserError: the modules to stack, fuse or merge do not stand on the same base.
    """
    if isinstance(stage, Merge):
        return Lineage() if stage.method.whole else Lineage(_common_base("Merge", stage.stages))
    train = stage
    name = f"{type(train.start).__name__} for {train.task.name}"
    match train.start:
        case Pretrained():
            return Lineage()
        case Sequential(earlier) | Merged(earlier):
            below = _below(earlier)
            if train.method.continues(earlier.method) and not below.fused:
                return Lineage(below.frozen, continued=earlier)
            # A full fine-tuning holds every weight of the backbone: what lay below it is in it.
            return Lineage((earlier,) if earlier.method.whole else (*below.frozen, earlier))
        case Stack(stages):
            return Lineage((*_common_base(name, stages), *stages))
        case Fuse(stages):
            return Lineage(_common_base(name, stages), fused=stages)


def _below(source: ModuleSource) -> Lineage:
    """A module trained elsewhere stands on the bare checkpoint."""
    return Lineage() if isinstance(source, Published) else lineage(source)


def _common_base(name: str, stages: tuple[Train | Published, ...]) -> tuple[ModuleSource, ...]:
    bases = {_below(stage).frozen for stage in stages}
    if len(bases) > 1:
        raise UserError(
            f"{name}: its modules stand on different frozen modules, so they cannot share one backbone; train them "
            "from the same start"
        )
    return bases.pop()


def answering_training(model: ModuleStage) -> Train:
    """The training that a model reads as: itself, and of a merge the one whose head is kept.

    Without one it is the first; without any head the first dual encoder, if there is one.
    """
    match model:
        case Merge(stages, head=KeptHeadOf(place)):
            return stages[place]
        case Merge(stages, head=NoHead()):
            dual = (stage for stage in stages if any(isinstance(task.format, Retrieval) for task in stage.tasks))
            return next(dual, stages[0])
        case Merge(stages):
            return stages[0]
        case Train():
            return model


def alike(one: TaskFormat, other: TaskFormat) -> bool:
    """Return whether two formats ask for the same: they are of one kind, and their labels have the same names."""
    return type(one) is type(other) and set(one.labels) == set(other.labels)


def serves(earlier: TaskFormat, later: TaskFormat) -> bool:
    """Return whether a head that was trained for one format answers another."""
    return alike(earlier, later) and not later.embeds


@functools.lru_cache(maxsize=4096)
def head_of(stage: ModuleStage, task: Task) -> Task | None:
    """The trained task whose head serves `task`: its namesake, else the only one that can; None if none can.

    Tasks that share one head count as one. A merge has the heads of the training it reads as, or none.

    Raises:
        UserError: several can, and none is its namesake.
    """
    if isinstance(stage, Merge) and isinstance(stage.head, NoHead):
        return None
    model = answering_training(stage)
    fitting = [trained for trained in model.tasks if serves(trained.format, task.format)]
    namesakes = [trained for trained in fitting if trained.name == task.name]
    heads = {model.task.head_place(trained) if isinstance(model.task, Mixture) else 0 for trained in fitting}
    if len(heads) > 1 and not namesakes:
        names = ", ".join(trained.name for trained in fitting)
        raise UserError(
            f"{task.name} can be answered by several heads of {model.task.name} ({names}); evaluate a task of one of "
            "those names, or train with Mixture(shared_heads=True)"
        )
    return (namesakes or fitting or [None])[0]


def head_task(evaluate: Evaluate) -> Task | None:
    """The trained task whose head, or whose way of asking for the answer as text, an evaluation uses; None where it
    needs none, or brings its own prompt.
    """
    if evaluate.task.format.embeds or isinstance(evaluate.model, ModelSpec):
        return None
    if isinstance(evaluate.framing, Text):
        return None
    return head_of(evaluate.model, evaluate.task)


def task_used(evaluate: Evaluate) -> Task | None:
    """The trained task whose way of reading an evaluation takes over: that of its head, or for retrieval a dual
    encoder's; None for a bare checkpoint and where nothing of the kind was trained.
    """
    model = evaluate.model
    if not isinstance(model, ModelSpec) and isinstance(evaluate.task.format, Retrieval):
        return next(
            (trained for trained in answering_training(model).tasks if isinstance(trained.format, Retrieval)), None
        )
    return head_task(evaluate)
