"""Which combinations of model family, task format, method and start are refused, and why (as in docs/support.md)."""

from collections.abc import Sequence

from adaptx.catalog.reading import framing_refusal, places_refusal
from adaptx.errors import UserError
from adaptx.metrics import METRICS
from adaptx.metrics.tagging import SPAN_METRICS
from adaptx.planning.framings import evaluation_framing, search_framing, training_framing
from adaptx.planning.lineage import answering_training, head_of, lineage
from adaptx.planning.naming import path_of_tasks
from adaptx.planning.support_merges import merge_refusal
from adaptx.planning.support_methods import (
    below_refusal,
    combination_refusal,
    method_refusal,
    over_quantised_refusal,
    quantised_refusal,
    start_refusal,
)
from adaptx.planning.support_text import text_refusal
from adaptx.specs import (
    Best,
    Evaluate,
    Framing,
    Fuse,
    KeptHead,
    Merge,
    Merged,
    ModelSpec,
    ModuleStage,
    NoHead,
    Published,
    QuestionAnswering,
    Rows,
    Sequential,
    Stage,
    Tagging,
    Task,
    Text,
    Train,
)
from adaptx.specs.architectures import unsupported
from adaptx.specs.near import near
from adaptx.specs.tag_schemes import scheme_fault


def refusal(stage: Stage) -> str | None:
    """Return why a stage cannot run, or None if it can. Its input stages are not checked."""
    match stage:
        case Train():
            return _train_refusal(stage)
        case Merge():
            return merge_refusal(stage) or _search_refusal(stage)
        case Evaluate():
            return _evaluate_refusal(stage)


def _search_refusal(merge: Merge) -> str | None:
    search = merge.rule.search
    if search is None:
        return None
    name = f"Merge by {type(merge.rule).__name__}, WeightSearch({search.task.name})"
    framing = search_framing(merge, search.task)
    if isinstance(framing, Text):
        reason = text_refusal(merge.model, search.task, framing, search.task.development)
        if reason is not None:
            return f"{name}: {reason}"
    elif not search.task.format.embeds:
        reason = head_unfit(merge, search.task)
        if reason is not None:
            return f"{name}: the merged head {reason}"
    reason = next((r for rows in search.task.development if (r := _metric_refusal(search.task, rows.language))), None)
    return f"{name}: {reason}" if reason else None


def _train_refusal(train: Train) -> str | None:
    name = f"{type(train.method).__name__} on {train.task.name}"
    for task in train.tasks:
        if not task.format.is_trained:
            return f"{name}: {task.name} is a {type(task.format).__name__} task, which can only be evaluated"
        if not task.train:
            return f"{name}: {task.name} has no training rows; add Task(train=...)"
    if (reason := _selection_refusal(train)) is not None:
        return f"{name}: {reason}"
    if (reason := _model_refusal(train.model)) is not None:
        return f"{name}: {reason}"
    for task in train.tasks:
        sets = (*task.train, *(task.development if isinstance(train.config.selection, Best) else ()))
        framing = training_framing(train, task)
        reason = _reading_refusal(train.model, task, framing, sets) or _windows_refusal(train, task, framing)
        if reason is not None:
            return f"{name}: {reason}"
    if isinstance(train.start, Fuse) and any(isinstance(training_framing(train, t), Text) for t in train.tasks):
        return f"{name}: Fuse needs a framing that reads hidden states, not Text(...); use framing=Hidden(...)"
    if (reason := start_refusal(train.method, type(train.start))) is not None:
        return f"{name} from {type(train.start).__name__}: {reason}"
    shape = train.model.shape
    if (reason := method_refusal(train.method, shape) or over_quantised_refusal(train)) is not None:
        return f"{name}: {train.model.hub_id}: {reason}"
    for earlier in train.module_sources:
        if earlier.model != train.model:
            return (
                f"{name}: it trains {train.model.hub_id}, but starts from a training of {earlier.model.hub_id}; "
                "use the same checkpoint for both"
            )
        if isinstance(earlier, Train) and isinstance(earlier.start, Fuse):
            return f"{name}: a fused model can be evaluated but not continued; continue one of the modules it mixes"
    if (reason := combination_refusal(train)) is not None:
        return f"{name} from {type(train.start).__name__}: {reason}"
    try:
        below = lineage(train)
    except UserError as error:
        return str(error)
    if (reason := below_refusal(train, below)) is not None:
        return f"{name} {reason}"
    return _head_refusal(train, name) or next(
        (reason for task in train.tasks if (reason := _metric_refusal(task))), None
    )


def _windows_refusal(train: Train, task: Task, framing: Framing) -> str | None:
    stride = task.format.stride if isinstance(task.format, QuestionAnswering) else None
    if stride is None or isinstance(framing, Text) or stride < train.config.max_length:
        return None
    return (
        f"QuestionAnswering(stride={stride}) makes neighbouring windows share {stride} tokens, but a window has only "
        f"{train.config.max_length}; use a smaller stride (stride=None: a third of a window), or raise "
        "TrainConfig(max_length=...)"
    )


def _selection_refusal(train: Train) -> str | None:
    if not isinstance(train.config.selection, Best):
        return None
    bare = [task.name for task in train.tasks if not task.development]
    if len(bare) == len(train.tasks):
        return (
            f"selection=Best(...) needs development rows, and there are none for {', '.join(bare)}; "
            "use selection=Last()"
        )
    return None


def _head_refusal(train: Train, name: str) -> str | None:
    if not isinstance(train.head, KeptHead):
        return None
    if not isinstance(train.start, Sequential | Merged):
        return f"{name}: KeptHead() continues the head of one earlier training; use it with start=Sequential(...)"
    earlier = train.start.stage
    if any(isinstance(training_framing(train, task), Text) for task in train.tasks):
        return f"{name}: KeptHead() continues a head, but a Text(...) framing has none; use head=NewHead()"
    if isinstance(earlier, Published):
        return (
            f"{name}: KeptHead() continues a head, but the published module {earlier.name} comes without one; "
            "use head=NewHead()"
        )
    for task in train.tasks:
        if (reason := head_unfit(earlier, task)) is not None:
            return f"{name}: KeptHead() {reason}"
    return None


def head_unfit(stage: ModuleStage, task: Task) -> str | None:
    """Return why no head of `stage` can answer `task`, or None if one can.

    The reason is a predicate, such as `cannot answer ...`. The caller puts its subject, the head, in front of it.
    """
    if task.format.embeds:
        return f"needs a task with a head, but {task.name} embeds its texts and has none"
    if isinstance(stage, Merge) and isinstance(stage.head, NoHead):
        return "does not exist, because the merge has NoHead(); use KeptHeadOf(place) or AveragedHeads()"
    earlier = answering_training(stage)
    try:
        served = head_of(earlier, task)
        if served is not None and not isinstance(training_framing(earlier, served), Text):
            return None
        if served is not None:
            return f"does not exist, because {served.name} was trained with a Text(...) framing, which has no head"
    except UserError as error:
        return f"is ambiguous: {error}"
    kind = type(task.format)
    alike = [trained for trained in earlier.tasks if isinstance(trained.format, kind)]
    labelled = [(t.name, t.format.labels) for t in (*alike, task)]
    if alike and labelled[0][1]:
        return "needs equal label sets: " + "; ".join(f"{name} has {', '.join(labels)}" for name, labels in labelled)
    trained = ", ".join(f"{t.name} ({type(t.format).__name__})" for t in earlier.tasks)
    return f"cannot answer {task.name} ({kind.__name__}): the training was on {trained}"


def _evaluate_refusal(evaluate: Evaluate) -> str | None:
    task = evaluate.task
    name = f"evaluation of {task.name} in {evaluate.language}"
    if task.format.embeds or _is_answered_as_text(evaluate):
        if task.format.ranks_pool and not task.pool:
            return f"{name}: retrieval ranks a pool of candidates, and the task has none; add Task(pool=...)"
        reason, framing = _model_refusal(evaluate.checkpoint), evaluation_framing(evaluate)
        reason = reason or _reading_refusal(evaluate.checkpoint, task, framing, [task.rows_in(evaluate.language)])
        reason = reason or _metric_refusal(task, evaluate.language)
        return f"{name}: {reason}" if reason else None
    if isinstance(evaluate.model, ModelSpec):
        return (
            f"{name}: the bare checkpoint {evaluate.model.hub_id} has no head for this task; train one first, or "
            "ask for answers as text with Evaluate(framing=Text(...))"
        )
    if evaluate.framing is not None:
        return f"{name}: a trained head is always read with the framing it was trained with; leave framing=None"
    reason = head_unfit(evaluate.model, task)
    if reason is not None:
        return f"{name}: the head of {path_of_tasks(evaluate.model)} {reason}"
    reason = _metric_refusal(task, evaluate.language)
    return f"{name}: {reason}" if reason else None


def _is_answered_as_text(evaluate: Evaluate) -> bool:
    # If several tasks of a mixture fit, there is no framing, and `head_unfit` reports the ambiguity.
    try:
        return isinstance(evaluation_framing(evaluate), Text)
    except UserError:
        return False


def _model_refusal(model: ModelSpec) -> str | None:
    if model.shape is not None and (reason := unsupported(model.shape.model_type)) is not None:
        return f"{model.hub_id}: {reason}"
    if model.quantised is not None and (reason := quantised_refusal()) is not None:
        return f"{model.name}: {reason}"
    return None


def _reading_refusal(model: ModelSpec, task: Task, framing: Framing, sets: Sequence[Rows]) -> str | None:
    if isinstance(framing, Text):
        return text_refusal(model, task, framing, sets)
    if model.family in task.format.hidden_refused:
        return f"{task.name} on {model.hub_id}: {task.format.hidden_refused[model.family]}"
    architecture = model.shape.architecture if model.shape is not None else None
    reason = framing_refusal(model.family, architecture, framing) or places_refusal(model.shape, task.format)
    return f"{model.hub_id}: {reason}" if reason else None


def _metric_refusal(task: Task, language: str | None = None) -> str | None:
    fitting = task.format.metrics
    for name in task.metrics:
        if name not in METRICS:
            return f"unknown metric {name!r}; near: {near(name, METRICS)}"
        if name not in fitting:
            kind = type(task.format).__name__
            return f"metric {name!r} does not score a {kind} task; choose among {', '.join(fitting)}"
        if isinstance(task.format, Tagging) and name in SPAN_METRICS and (fault := scheme_fault(task.format.labels)):
            return (
                f"metric {name!r} counts spans of BIO, IOB1 or IOBES tags, but {fault}; or score token_accuracy alone"
            )
        languages = METRICS[name].languages
        if language is not None and languages is not None and language not in languages:
            return f"metric {name!r} has rules only for {', '.join(languages)}; use f1 and exact_match for {language}"
    return None
