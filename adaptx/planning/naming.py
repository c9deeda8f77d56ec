"""Names of stages, as folders and tables show them, and the factors (method, seed) by which evaluated models differ."""

from collections import Counter
from dataclasses import dataclass
from typing import get_args

from adaptx.planning.lineage import answering_training
from adaptx.specs import (
    Evaluate,
    Fuse,
    Merge,
    Merged,
    Mixture,
    ModelSpec,
    ModuleSource,
    ModuleStage,
    Pretrained,
    Published,
    Sequential,
    Stack,
    Stage,
    Start,
    Task,
    Train,
)

UNTRAINED = "none"
TRAINING_STARTS = tuple(start.__name__ for start in get_args(Start))


def start_name(stage: ModuleStage) -> str:
    """Return how a training starts or how a merge combines its modules, as one word for tables.

    Examples: `Sequential` for a training; `Ties` for a merge, and `Linear-LoraHub` for a merge that searches its
    weights; `Merged-Ties` for a training that continues a merge.
    """
    match stage:
        case Merge(rule=rule):
            search = rule.search
            return "-".join([type(rule).__name__, *([type(search.by).__name__] if search else [])])
        case Train(start=Merged(merge)):
            return f"Merged-{start_name(merge)}"
        case Train(start=start):
            return type(start).__name__


def intermediate_name(train: Train) -> str:
    """Return the names of the tasks that were trained before a training's own task.

    Examples: `snli`; `squad>snli` for one after the other; `snli+sib200` for two stacked or fused modules.
    """
    match train.start:
        case Pretrained():
            return UNTRAINED
        case Sequential(earlier) | Merged(earlier):
            return path_of_tasks(earlier)
        case Stack(stages) | Fuse(stages):
            return "+".join(path_of_tasks(stage) for stage in stages)


def path_of_tasks(source: ModuleSource) -> str:
    """Return the names of all tasks that a module was trained on, in the order of training.

    Examples: `squad>snli` for a training that continues another; `snli+sib200` for a merge; `nli-x3` for a merge of
    three seeds of one task. For a published module, it is the module's name.
    """
    if isinstance(source, Published):
        return source.name
    if isinstance(source, Merge):
        counts = Counter(path_of_tasks(each) for each in source.stages)
        return "+".join(name if count == 1 else f"{name}-x{count}" for name, count in counts.items())
    below = intermediate_name(source)
    return source.task.name if below == UNTRAINED else f"{below}>{source.task.name}"


def module_name(stage: ModuleStage) -> str:
    return merge_name(stage) if isinstance(stage, Merge) else train_name(stage)


def merge_name(merge: Merge) -> str:
    """Return a merge's name, such as `e5-mini.snli+sib200.lora-r8.ties`."""
    tasks = path_of_tasks(merge).replace(">", "-")
    return f"{merge.model.name}.{tasks}.{merge.method.label}.{start_name(merge).lower()}"


def train_name(train: Train) -> str:
    """Return a name such as `e5-mini.nli.lora-r8`, or with a start `e5-mini.nli.lora-r8.sequential-snli`."""
    base = f"{train.model.name}.{train.task.name}.{train.method.label}"
    if isinstance(train.start, Pretrained):
        return base
    return f"{base}.{start_name(train).lower()}-{intermediate_name(train).replace('>', '-')}"


def stage_name(stage: Stage) -> str:
    """Return a stage's name. An evaluation has its model's name, task and language: `e5-mini.nli.lora-r8.nli.sw`."""
    if not isinstance(stage, Evaluate):
        return module_name(stage)
    model = stage.model.name if isinstance(stage.model, ModelSpec) else module_name(stage.model)
    return f"{model}.{stage.task.name}.{stage.language}"


def fused_names(train: Train) -> tuple[str, ...]:
    """Return a distinct name for each module that a training mixes: `snli (1)` and `snli (2)` if both are `snli`."""
    names = [path_of_tasks(source) for source in train.module_sources]
    again = {name for name in names if names.count(name) > 1}
    return tuple(
        f"{name} ({names[: place + 1].count(name)})" if name in again else name for place, name in enumerate(names)
    )


@dataclass(frozen=True, kw_only=True)
class Factors:
    """The properties by which tables tell evaluated models apart, such as the method, the start and the seed.

    If the model was last trained on the evaluated task, `target` is that task, and `intermediate` names the tasks
    before it. Otherwise (a model trained on `nli` and evaluated on retrieval), `target` is `none`, and `intermediate`
    names all trained tasks.
    """

    model: str
    method: str
    start: str
    intermediate: str
    target: str
    seed: int | None

    @property
    def label(self) -> str:
        """The factors as one line, for tables and plots: `lora-r8 · Sequential · snli`."""
        if self.intermediate == UNTRAINED:
            return "untrained" if self.target == UNTRAINED else f"{self.method} · baseline"
        arrow = "no target training" if self.target == UNTRAINED else self.start
        if self.target == UNTRAINED and self.start.partition("-")[0] not in TRAINING_STARTS:
            # The start is a merge's rule, which tells merges of the same modules apart.
            arrow = f"{self.start}, no target training"
        return f"{self.method} · {arrow} · {self.intermediate}"


def factors(stage: Stage) -> Factors:
    """Return the factors of a training or merge, or of the model that an evaluation scores."""
    model = stage.model if isinstance(stage, Evaluate) else stage
    if isinstance(model, Merge):
        return _factors_of_merge(model, stage.task if isinstance(stage, Evaluate) else None)
    if isinstance(model, ModelSpec):
        return Factors(
            model=model.name,
            method=UNTRAINED,
            start=Pretrained.__name__,
            intermediate=UNTRAINED,
            target=UNTRAINED,
            seed=None,
        )
    if isinstance(stage, Evaluate) and isinstance(model.task, Mixture) and trained_on(model, stage.task):
        return _factors_in_mixture(model, model.task, stage.task)
    on_target = not isinstance(stage, Evaluate) or trained_on(model, stage.task)
    return Factors(
        model=model.model.name,
        method=model.method.label,
        start=start_name(model),
        intermediate=intermediate_name(model) if on_target else path_of_tasks(model),
        target=model.task.name if on_target else UNTRAINED,
        seed=model.config.seed,
    )


def _factors_of_merge(merge: Merge, measured: Task | None) -> Factors:
    # All merged tasks count as intermediate tasks.
    methods = {stage.method for stage in merge.stages}
    on_target = measured is not None and trained_on(merge, measured)
    return Factors(
        model=merge.model.name,
        method=(methods.pop() if len(methods) == 1 else merge.method).label,
        start=start_name(merge),
        intermediate=path_of_tasks(merge),
        target=measured.name if on_target and measured is not None else UNTRAINED,
        seed=answering_training(merge).config.seed,
    )


def _factors_in_mixture(model: Train, mixture: Mixture, measured: Task) -> Factors:
    # The other tasks of the mixture count as intermediate tasks.
    others = "+".join(task.name for task in mixture.tasks if task.name != measured.name)
    below = intermediate_name(model)
    return Factors(
        model=model.model.name,
        method=model.method.label,
        start=Mixture.__name__,
        intermediate=others if below == UNTRAINED else f"{below}>{others}",
        target=measured.name,
        seed=model.config.seed,
    )


def is_same_task(trained: Task, measured: Task) -> bool:
    """Return whether two tasks have the same name, or the same training rows and format."""
    same_rows = bool(measured.train) and (trained.train, trained.format) == (measured.train, measured.format)
    return trained.name == measured.name or same_rows


def trained_on(stage: ModuleStage, task: Task) -> bool:
    """Return whether a training, or one of a merge's trainings, was trained on a task.

    A trained task counts as the same task if it has the same name, even with other rows (few-shot rows, for instance),
    or if it has the same format and the same training rows.
    """
    return any(
        is_same_task(trained, task)
        for train in (stage.stages if isinstance(stage, Merge) else (stage,))
        for trained in train.tasks
    )


def training_path(stage: Stage) -> tuple[Train, ...]:
    """Return all distinct trainings that a stage needs, including the stage itself, inputs first."""
    return tuple(each for each in module_path(stage) if isinstance(each, Train))


def merges(stage: Stage) -> tuple[Merge, ...]:
    """Return all distinct merges that a stage needs, including the stage itself, inputs first."""
    return tuple(each for each in module_path(stage) if isinstance(each, Merge))


def module_path(stage: Stage) -> tuple[ModuleStage, ...]:
    """Return all distinct trainings and merges that a stage needs, including the stage itself, inputs first."""
    found: dict[ModuleStage, None] = {}

    def visit(each: ModuleStage) -> None:
        for earlier in each.inputs:
            visit(earlier)
        found[each] = None

    for each in stage.inputs if isinstance(stage, Evaluate) else (stage,):
        visit(each)
    return tuple(found)
