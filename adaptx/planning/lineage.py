"""Find the earlier modules that a training builds on, and the trained task whose head an evaluation uses."""

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
    """The modules that a training or merge builds on.

    frozen: modules that stay frozen below the training's own module, from the lowest to the highest. continued: the
    module that is trained further. fused: modules whose outputs are mixed.
    """

    frozen: tuple[ModuleSource, ...] = ()
    continued: ModuleSource | None = None
    fused: tuple[Train | Published, ...] = ()


def lineage(stage: ModuleStage) -> Lineage:
    """Return the modules on which a training or merge builds.

    Raises:
        UserError: the modules to stack, fuse or merge were trained on top of different frozen modules.
    """
    if isinstance(stage, Merge):
        return Lineage() if stage.method.whole else Lineage(_common_base("Merge", stage.stages))
    train = stage
    name = f"{type(train.start).__name__} for {train.task.name}"
    match train.start:
        case Pretrained():
            return Lineage()
        case Sequential(earlier) | Merged(earlier):
            below = _lineage_of_source(earlier)
            if train.method.continues(earlier.method) and not below.fused:
                return Lineage(below.frozen, continued=earlier)
            # Full fine-tuning stores every weight of the backbone, with the modules below folded in.
            return Lineage((earlier,) if earlier.method.whole else (*below.frozen, earlier))
        case Stack(stages):
            return Lineage((*_common_base(name, stages), *stages))
        case Fuse(stages):
            return Lineage(_common_base(name, stages), fused=stages)


def _lineage_of_source(source: ModuleSource) -> Lineage:
    # Published modules were trained on a bare checkpoint.
    return Lineage() if isinstance(source, Published) else lineage(source)


def _common_base(name: str, stages: tuple[Train | Published, ...]) -> tuple[ModuleSource, ...]:
    bases = {_lineage_of_source(stage).frozen for stage in stages}
    if len(bases) > 1:
        raise UserError(
            f"{name}: its modules were trained on top of different frozen modules, so they cannot share one backbone; "
            "train them from the same start"
        )
    return bases.pop()


def answering_training(model: ModuleStage) -> Train:
    """Return the training whose framing and head a model uses.

    For a training, this is the training itself. For a merge that keeps one training's head, it is that training; for a
    merge that averages heads, the first training. For a merge without a head, it is the first dual encoder or, if there
    is none, the first training.
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
    """Return whether two formats are of the same kind and have the same label names, in any order."""
    return type(one) is type(other) and set(one.labels) == set(other.labels)


def serves(earlier: TaskFormat, later: TaskFormat) -> bool:
    """Return whether a head that was trained for the format `earlier` can answer tasks of the format `later`."""
    return alike(earlier, later) and not later.embeds


@functools.lru_cache(maxsize=4096)
def head_of(stage: ModuleStage, task: Task) -> Task | None:
    """Return the trained task whose head can answer `task`, or None.

    If several heads fit, the one of the trained task with the same name is preferred. Tasks that share a head count as
    one. A merge has the heads of its `answering_training`, or no heads.

    Raises:
        UserError: several heads fit, and no fitting task has the same name.
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
    """Return the trained task whose head or prompt an evaluation uses.

    None for a bare checkpoint, for an evaluation with a prompt of its own, and for tasks that are answered by
    embeddings.
    """
    if evaluate.task.format.embeds or isinstance(evaluate.model, ModelSpec):
        return None
    if isinstance(evaluate.framing, Text):
        return None
    return head_of(evaluate.model, evaluate.task)


def task_used(evaluate: Evaluate) -> Task | None:
    """Return the trained task whose framing an evaluation uses; None for a bare checkpoint, or if no trained task
    fits.

    For retrieval, it is the retrieval task that the model was trained on. For other formats, it is
    `head_task(evaluate)`.
    """
    model = evaluate.model
    if not isinstance(model, ModelSpec) and isinstance(evaluate.task.format, Retrieval):
        return next(
            (trained for trained in answering_training(model).tasks if isinstance(trained.format, Retrieval)), None
        )
    return head_task(evaluate)
