"""Names and factors of stages: what folders are called and what a person compares."""

from dataclasses import dataclass

from adaptx.specs import (
    Bottleneck,
    Evaluate,
    Full,
    Fuse,
    Lora,
    Method,
    Mixture,
    ModelSpec,
    Pretrained,
    Published,
    Sequential,
    Stack,
    Stage,
    Task,
    Train,
)

UNTRAINED = "none"


def method_name(method: Method) -> str:
    """Short name of a method with its size: `full`, `lora-r8`, `bottleneck-f16`."""
    match method:
        case Full():
            return "full"
        case Lora(rank=rank):
            return f"lora-r{rank}"
        case Bottleneck(reduction_factor=factor):
            return f"bottleneck-f{factor:g}"


def start_name(train: Train) -> str:
    return type(train.start).__name__


def intermediate_name(train: Train) -> str:
    """The tasks trained before this one: `snli`, `squad>snli` for a chain, `snli+sib200` where modules are combined."""
    match train.start:
        case Pretrained():
            return UNTRAINED
        case Sequential(earlier):
            return _path_of_tasks(earlier)
        case Stack(stages) | Fuse(stages):
            return "+".join(_path_of_tasks(stage) for stage in stages)


def _path_of_tasks(train: Train | Published) -> str:
    if isinstance(train, Published):
        return train.name
    below = intermediate_name(train)
    return train.task.name if below == UNTRAINED else f"{below}>{train.task.name}"


def train_name(train: Train) -> str:
    """`model.task.method`, with the start and what it starts from where it is not the bare checkpoint."""
    base = f"{train.model.name}.{train.task.name}.{method_name(train.method)}"
    if isinstance(train.start, Pretrained):
        return base
    return f"{base}.{start_name(train).lower()}-{intermediate_name(train).replace('>', '-')}"


def stage_name(stage: Stage) -> str:
    if isinstance(stage, Train):
        return train_name(stage)
    model = train_name(stage.model) if isinstance(stage.model, Train) else stage.model.name
    return f"{model}.{stage.task.name}.{stage.language}"


def fused_names(train: Train) -> tuple[str, ...]:
    """Names of the modules that a training mixes: the tasks of each, numbered where they are the same."""
    names = [_path_of_tasks(stage) for stage in train.inputs]
    again = {name for name in names if names.count(name) > 1}
    return tuple(
        f"{name} ({names[: place + 1].count(name)})" if name in again else name for place, name in enumerate(names)
    )


@dataclass(frozen=True)
class Factors:
    """What tells one evaluated variant from another.

    `target` is the task that was trained last and is measured; `none` where the measured task was not trained on
    (retrieval from an intermediate model, say), and then `intermediate` is all that was trained.
    """

    model: str
    method: str
    start: str
    intermediate: str
    target: str
    seed: int | None

    @property
    def label(self) -> str:
        """One line for tables and plots."""
        if self.intermediate == UNTRAINED:
            return "untrained" if self.target == UNTRAINED else f"{self.method} · baseline"
        arrow = "no target training" if self.target == UNTRAINED else self.start
        return f"{self.method} · {arrow} · {self.intermediate}"


def factors(stage: Stage) -> Factors:
    """The factors of a training, or of the model an evaluation measures, seen from the evaluated task."""
    model = stage if isinstance(stage, Train) else stage.model
    if isinstance(model, ModelSpec):
        return Factors(model.name, UNTRAINED, Pretrained.__name__, UNTRAINED, UNTRAINED, None)
    if isinstance(stage, Evaluate) and isinstance(model.task, Mixture) and trained_on(model, stage.task):
        return _in_mixture(model, model.task, stage.task)
    on_target = isinstance(stage, Train) or trained_on(model, stage.task)
    return Factors(
        model.model.name,
        method_name(model.method),
        start_name(model),
        intermediate_name(model) if on_target else _path_of_tasks(model),
        model.task.name if on_target else UNTRAINED,
        model.config.seed,
    )


def _in_mixture(model: Train, mixture: Mixture, measured: Task) -> Factors:
    """A target task that was trained together with others: these are its intermediate tasks."""
    others = "+".join(task.name for task in mixture.tasks if task.name != measured.name)
    below = intermediate_name(model)
    return Factors(
        model.model.name,
        method_name(model.method),
        Mixture.__name__,
        others if below == UNTRAINED else f"{below}>{others}",
        measured.name,
        model.config.seed,
    )


def trained_on(train: Train, task: Task) -> bool:
    """Whether a task of the training is the measured one: by name (few-shot rows may differ), or by what it reads."""
    return any(
        trained.name == task.name or (task.train and trained.train == task.train and trained.format == task.format)
        for trained in train.tasks
    )


def path(stage: Stage) -> tuple[Train, ...]:
    """Every distinct training that a stage rests on, itself included, inputs first."""
    found: dict[Train, None] = {}

    def visit(train: Train) -> None:
        for earlier in train.inputs:
            visit(earlier)
        found[train] = None

    for train in (stage,) if isinstance(stage, Train) else stage.inputs:
        visit(train)
    return tuple(found)
