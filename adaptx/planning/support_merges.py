"""Which merges are refused, and why. Each check looks at one stage, as in `adaptx.planning.support`."""

from adaptx.errors import UserError
from adaptx.planning.lineage import answering_training, lineage, serves
from adaptx.specs import (
    AveragedHeads,
    Fuse,
    KeptHeadOf,
    LoraHub,
    Merge,
    NoHead,
    Task,
    Train,
    WeightSearch,
)


def merge_refusal(merge: Merge) -> str | None:
    """Return why a merge cannot run, or None if it can. Its trainings are not checked."""
    name = f"Merge by {type(merge.rule).__name__}"
    reason = _modules_refusal(merge) or _head_refusal(merge)
    search = merge.rule.search
    if reason is None and search is not None:
        reason = _search_refusal(merge, search)
    return f"{name}: {reason}" if reason else None


def _modules_refusal(merge: Merge) -> str | None:
    first = merge.stages[0]
    for stage in merge.stages:
        if isinstance(stage.start, Fuse):
            return f"{stage.task.name} was trained with Fuse, which leaves no module; merge the modules that it mixes"
        if stage.model != first.model:
            checkpoints = f"{first.model.hub_id} and {stage.model.hub_id}"
            return f"its modules belong to {checkpoints}; merge modules of one checkpoint"
        if type(stage.method) is not type(first.method):
            kinds = f"{type(first.method).__name__} and {type(stage.method).__name__}"
            return f"its modules are {kinds}; merge modules of one method"
    if (reason := first.method.merge_refusal([stage.method for stage in merge.stages[1:]], merge.rule)) is not None:
        return reason
    try:
        lineage(merge)
    except UserError as error:
        return str(error)
    return None


def _head_refusal(merge: Merge) -> str | None:
    match merge.head:
        case NoHead():
            return None
        case KeptHeadOf(place):
            kept = merge.stages[place]
            if all(task.format.embeds for task in kept.tasks):
                return f"{merge.head}: {kept.task.name} was trained without a head; use head=NoHead()"
            return None
        case AveragedHeads():
            return _averaging_refusal(merge)


def _averaging_refusal(merge: Merge) -> str | None:
    first = merge.stages[0]
    for stage in merge.stages:
        if any(task.format.embeds for task in stage.tasks):
            return f"AveragedHeads(): {stage.task.name} was trained without a head; use NoHead() or KeptHeadOf(place)"
        if not _have_same_head_formats(first, stage):
            return (
                f"AveragedHeads(): the heads of {first.task.name} and {stage.task.name} have different label sets or "
                "formats; use KeptHeadOf(place)"
            )
        if stage.framing != first.framing:
            return (
                f"AveragedHeads(): the heads were trained with different framings, {first.framing} and "
                f"{stage.framing}; train them with one framing"
            )
    if merge.rule.negates and (merge.rule.given_weights is not None or merge.rule.search is not None):
        return "AveragedHeads() cannot average with negative weights, which this rule allows; use KeptHeadOf(place)"
    search = merge.rule.search
    if search is not None and isinstance(search.by, LoraHub):
        return "AveragedHeads(): LoraHub may set all weights to zero, which leaves no average; use KeptHeadOf(place)"
    return None


def _have_same_head_formats(one: Train, other: Train) -> bool:
    pairs = zip(one.tasks, other.tasks, strict=False)
    return len(one.tasks) == len(other.tasks) and all(serves(ours.format, theirs.format) for ours, theirs in pairs)


def _search_refusal(merge: Merge, search: WeightSearch) -> str | None:
    task = search.task
    if not task.development:
        return f"WeightSearch({task.name}) needs development rows, and {task.name} has none; write the weights yourself"
    if task.format.embeds:
        return _headless_search_refusal(merge, task)
    if isinstance(merge.head, NoHead):
        return f"WeightSearch({task.name}) needs a head to score with; use KeptHeadOf(place) or AveragedHeads()"
    return None


def _headless_search_refusal(merge: Merge, task: Task) -> str | None:
    if any(type(trained.format) is type(task.format) for trained in answering_training(merge).tasks):
        return None
    kind = type(task.format).__name__
    model = answering_training(merge).task.name
    return (
        f"WeightSearch({task.name}): the merged model embeds texts like the training on {model}, which was not "
        f"a {kind} task; write the weights yourself"
    )
