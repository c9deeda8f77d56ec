"""What can be combined (family x format x method x start), as plain values: planning reads it, the docs print it."""

import importlib.util

from adaptx.catalog.models import FAMILIES
from adaptx.catalog.near import near
from adaptx.lineage import lineage
from adaptx.metrics import METRICS
from adaptx.specs import (
    Bottleneck,
    Classification,
    Evaluate,
    Full,
    Fuse,
    KeptHead,
    Lora,
    ModelFamily,
    ModelSpec,
    Retrieval,
    Sequential,
    Stack,
    Stage,
    Train,
)

FAMILIES_SUPPORTED = (ModelFamily.ENCODER,)
FORMATS_TRAINED = (Classification,)
FORMATS_WITHOUT_HEAD = (Retrieval,)

STARTS_REFUSED: dict[tuple[type, type], str] = {
    (Full, Stack): "full fine-tuning trains every weight, so nothing would stay frozen below; use Sequential",
    (Full, Fuse): "full fine-tuning leaves no module beside the backbone to mix; fuse bottleneck adapters",
    (Lora, Fuse): "fusion over LoRA modules is not there yet; fuse bottleneck adapters",
}
"""(method of the new training, start) -> why it is refused."""

FROZEN_REFUSED: dict[tuple[type, type], str] = {
    (Bottleneck, Full): "a bottleneck adapter cannot be folded into the weights that full fine-tuning trains; "
    "continue it with Bottleneck or Lora",
}
"""(method of a frozen module, method of the new training) -> why it is refused."""


def refusal(stage: Stage) -> str | None:
    """Why a stage cannot run, or None. Looks at the stage itself, not at its inputs."""
    return _train_refusal(stage) if isinstance(stage, Train) else _evaluate_refusal(stage)


def _train_refusal(train: Train) -> str | None:
    name = f"{type(train.method).__name__} on {train.task.name}"
    if not isinstance(train.task.format, FORMATS_TRAINED):
        return f"{name}: a {type(train.task.format).__name__} task is evaluated, not trained on"
    if not train.task.train:
        return f"{name}: the task has no training rows"
    if (reason := _model_refusal(train.model)) is not None:
        return f"{name}: {reason}"
    reason = STARTS_REFUSED.get((type(train.method), type(train.start)))
    if reason is not None:
        return f"{name} from {type(train.start).__name__}: {reason}"
    if isinstance(train.method, Bottleneck) and not _has_adapters():
        return f"{name}: bottleneck adapters need the adapters package: pip install 'adaptx[bottleneck]'"
    for earlier in train.inputs:
        if earlier.model != train.model:
            return f"{name}: it starts from a training of {earlier.model.hub_id}, but trains {train.model.hub_id}"
        if isinstance(earlier.start, Fuse):
            return f"{name}: a fused model can be evaluated, not continued; continue one of the modules it mixes"
    if isinstance(train.start, Stack | Fuse):
        kinds = {type(stage.method) for stage in train.inputs}
        if kinds != {type(train.method)}:
            shown = ", ".join(sorted(kind.__name__ for kind in kinds))
            return f"{name} from {type(train.start).__name__}: the modules are {shown}; use modules of the same method"
    if isinstance(train.start, Fuse) and any(stage.method != train.method for stage in train.inputs):
        return f"{name} from Fuse: the method must equal the fused modules' (it adds no module of its own)"
    try:
        below = lineage(train)
    except ValueError as error:
        return str(error)
    for frozen in below.frozen:
        reason = FROZEN_REFUSED.get((type(frozen.method), type(train.method)))
        if reason is not None:
            return f"{name} after {type(frozen.method).__name__} on {frozen.task.name}: {reason}"
    return _head_refusal(train, name) or _metric_refusal(train.task.metrics)


def _head_refusal(train: Train, name: str) -> str | None:
    if not isinstance(train.head, KeptHead):
        return None
    if not isinstance(train.start, Sequential):
        return f"{name}: KeptHead() continues the head of one earlier training, so it needs start=Sequential(...)"
    reason = label_sets_differ(train.start.stage, train)
    return f"{name}: KeptHead() {reason}" if reason else None


def label_sets_differ(earlier: Train, later: Train | Evaluate) -> str | None:
    """Why the head of `earlier` cannot serve the task of `later`, or None. Sets agree when their names do."""
    ours, theirs = earlier.task.format, later.task.format
    if not isinstance(ours, Classification) or not isinstance(theirs, Classification):
        return f"needs two classification tasks, got {earlier.task.name} and {later.task.name}"
    if set(ours.labels) != set(theirs.labels):
        return (
            f"needs equal label sets: {earlier.task.name} has {', '.join(ours.labels)}; "
            f"{later.task.name} has {', '.join(theirs.labels)}"
        )
    return None


def _evaluate_refusal(evaluate: Evaluate) -> str | None:
    name = f"evaluation of {evaluate.task.name} in {evaluate.language}"
    if isinstance(evaluate.task.format, FORMATS_WITHOUT_HEAD):
        model = evaluate.model.model if isinstance(evaluate.model, Train) else evaluate.model
        reason = _model_refusal(model)
        return f"{name}: {reason}" if reason else _metric_refusal(evaluate.task.metrics)
    if isinstance(evaluate.model, ModelSpec):
        return f"{name}: the bare checkpoint {evaluate.model.hub_id} has no head for it; train one first"
    if evaluate.framing is not None:
        return f"{name}: a trained head reads the framing it was trained with; leave framing=None"
    reason = label_sets_differ(evaluate.model, evaluate)
    return (
        f"{name}: the head of {evaluate.model.task.name} {reason}" if reason else _metric_refusal(evaluate.task.metrics)
    )


def _has_adapters() -> bool:
    try:
        return importlib.util.find_spec("adapters") is not None
    except ValueError:
        # Once imported it has no __spec__ (it puts a lazy module in its own place), which find_spec takes for a fault.
        return True


def _model_refusal(model: ModelSpec) -> str | None:
    if model.family not in FAMILIES_SUPPORTED:
        supported = ", ".join(family.value for family in FAMILIES_SUPPORTED)
        return f"{model.hub_id} is of the {model.family.value} family, which is not there yet; supported: {supported}"
    if model.shape is not None and model.shape.model_type not in FAMILIES:
        known = ", ".join(FAMILIES)
        return f"{model.hub_id}: architecture {model.shape.model_type!r} is not supported; supported: {known}"
    return None


def _metric_refusal(metrics: tuple[str, ...]) -> str | None:
    for metric in metrics:
        if metric not in METRICS:
            return f"unknown metric {metric!r}; near: {near(metric, METRICS)}"
    return None
