"""Which earlier modules a training stands on and whose head an evaluation uses: plain values, no weights.

`lineage(train)` says, lowest first, which modules are frozen below a training's own, which module it continues,
and which it fuses. Planning refuses with it; assembly builds the model with it.
"""

from dataclasses import dataclass

from adaptx.specs import (
    Bitext,
    BitextMining,
    Bottleneck,
    Classification,
    Evaluate,
    Full,
    Fuse,
    Lora,
    Method,
    Mixture,
    Pretrained,
    Published,
    Retrieval,
    Sequential,
    Stack,
    Tagging,
    Task,
    TaskFormat,
    Train,
)

HEADLESS = (Retrieval, Bitext, BitextMining)
"""Formats that embed texts and need no head."""


@dataclass(frozen=True)
class Lineage:
    """frozen: whose modules lie below, lowest first. continued: whose module is trained on. fused: whose modules are
    mixed. Each is a training, or a module that was trained elsewhere.
    """

    frozen: tuple[Train | Published, ...] = ()
    continued: Train | Published | None = None
    fused: tuple[Train | Published, ...] = ()


def continues(earlier: Method, later: Method) -> bool:
    """Whether a module of `earlier` can be trained on as one of `later`: same method, sites and shapes.

    LoRA's dropout and a bottleneck's activation hold no weights, but the activation changes what the weights mean.
    """
    match earlier, later:
        case Full(), Full():
            return True
        case Lora(), Lora():
            return (earlier.rank, earlier.alpha, earlier.sites) == (later.rank, later.alpha, later.sites)
        case Bottleneck(), Bottleneck():
            return earlier == later
        case _:
            return False


def lineage(train: Train) -> Lineage:
    """Raises:
    ValueError: the modules to stack or fuse do not stand on the same base.
    """
    match train.start:
        case Pretrained():
            return Lineage()
        case Sequential(earlier):
            below = _below(earlier)
            if continues(earlier.method, train.method) and not below.fused:
                return Lineage(below.frozen, continued=earlier)
            # A full fine-tuning holds every weight of the backbone: what lay below it is in it.
            return Lineage((earlier,) if isinstance(earlier.method, Full) else (*below.frozen, earlier))
        case Stack(stages):
            return Lineage((*_common_base(train, stages), *stages))
        case Fuse(stages):
            return Lineage(_common_base(train, stages), fused=stages)


def called(source: Train | Published) -> str:
    """What the module of a training, or one that was trained elsewhere, is called: by its task."""
    return source.name if isinstance(source, Published) else source.task.name


def _below(source: Train | Published) -> Lineage:
    """A module trained elsewhere stands on the bare checkpoint."""
    return Lineage() if isinstance(source, Published) else lineage(source)


def _common_base(train: Train, stages: tuple[Train | Published, ...]) -> tuple[Train | Published, ...]:
    bases = {_below(stage).frozen for stage in stages}
    if len(bases) > 1:
        raise ValueError(
            f"{type(train.start).__name__} for {train.task.name}: its modules stand on different frozen modules, so "
            "they cannot share one backbone; train them from the same start"
        )
    return bases.pop()


def serves(earlier: TaskFormat, later: TaskFormat) -> bool:
    """Whether a head trained for one format answers another: the same kind, and label sets with the same names."""
    match earlier, later:
        case (Classification(ours), Classification(theirs)) | (Tagging(ours), Tagging(theirs)):
            return set(ours) == set(theirs)
        case _:
            return type(earlier) is type(later) and not isinstance(later, HEADLESS)


def head_of(model: Train, task: Task) -> Task | None:
    """The task of a training whose head serves `task`: its namesake, else the only one that can; None if none can.

    Tasks that share one head count as one.

    Raises:
        ValueError: several can, and none is its namesake.
    """
    fitting = [trained for trained in model.tasks if serves(trained.format, task.format)]
    namesakes = [trained for trained in fitting if trained.name == task.name]
    heads = {model.task.head_place(trained) if isinstance(model.task, Mixture) else 0 for trained in fitting}
    if len(heads) > 1 and not namesakes:
        names = ", ".join(trained.name for trained in fitting)
        raise ValueError(
            f"{task.name} can be answered by several heads of {model.task.name} ({names}); evaluate a task of one of "
            "those names, or train with Mixture(shared_heads=True)"
        )
    return (namesakes or fitting or [None])[0]


def head_task(evaluate: Evaluate) -> Task | None:
    """The trained task whose head an evaluation uses; None where it needs none."""
    if isinstance(evaluate.task.format, HEADLESS) or not isinstance(evaluate.model, Train):
        return None
    return head_of(evaluate.model, evaluate.task)


def task_used(evaluate: Evaluate) -> Task | None:
    """The trained task whose way of reading an evaluation takes over: that of its head, or for retrieval a dual
    encoder's; None for a bare checkpoint and where nothing of the kind was trained.
    """
    model = evaluate.model
    if isinstance(model, Train) and isinstance(evaluate.task.format, Retrieval):
        return next((trained for trained in model.tasks if isinstance(trained.format, Retrieval)), None)
    return head_task(evaluate)
