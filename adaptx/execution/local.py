"""Run a plan on this machine, one stage after the other; what fails takes only its dependents with it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from adaptx.data.reading import read_rows, read_training
from adaptx.execution.building import Workshop
from adaptx.execution.execute import STAGE_ERRORS, execute_evaluations, execute_train
from adaptx.execution.merging import execute_merge
from adaptx.identity import evaluation_precision
from adaptx.plan import Node, Plan, Status
from adaptx.progress import Progress
from adaptx.specs import Best, Evaluate, Merge, Rows, Task
from adaptx.specs.merge import searched


@dataclass
class Summary:
    """What a run did: stages finished, and failed or skipped ones with their cause."""

    finished: list[Node] = field(default_factory=list[Node])
    failed: dict[str, str] = field(default_factory=dict[str, str])
    errors: dict[str, Exception] = field(default_factory=dict[str, Exception])

    @property
    def complete(self) -> bool:
        return not self.failed


def run(
    plan: Plan,
    shop: Workshop,
    progress: Progress,
    keep: bool = False,
    after: Callable[[list[Node]], None] | None = None,
) -> Summary:
    """Carry out every stage that is to do; `after` is called with the nodes that were stored together.

    keep: leave the weights of full fine-tuned targets in the store; those that went before are trained again.

    Raises:
        UserError: rows or columns are missing or wrong, before the first stage.
    """
    statuses = plan.statuses(shop.store, keep)
    to_do = [node for node in plan.nodes if statuses[node.fingerprint] is Status.TO_DO]
    check_rows(to_do, shop)
    summary = Summary()
    done: set[str] = set()
    for node in to_do:
        if node.fingerprint in done:
            continue
        group = _group(node, to_do)
        done.update(member.fingerprint for member in group)
        blocked = next((key for key in node.inputs if key in summary.failed), None)
        if blocked is not None:
            for member in group:
                summary.failed[member.fingerprint] = f"skipped: {_name(plan, blocked)}, which it needs, failed"
            continue
        _carry_out(group, shop, progress, summary)
        stored = [member for member in group if member.fingerprint not in summary.failed]
        summary.finished += stored
        if after is not None:
            after(stored)
    if not keep:
        drop_transient(plan, shop)
    return summary


def check_rows(nodes: list[Node], shop: Workshop) -> None:
    """Read and check all rows that the stages will read, so that bad input stops the run before it begins."""
    seen: set[object] = set()

    def check(rows: Rows, task: Task, limit: int | None) -> None:
        if (rows, task.format, limit) not in seen:
            seen.add((rows, task.format, limit))
            read_rows(rows, task.format, shop.sources, limit)

    for node in nodes:
        stage = node.stage
        if isinstance(stage, Evaluate):
            check(stage.task.rows_in(stage.language), stage.task, stage.limit)
            continue
        if isinstance(stage, Merge):
            if (search := searched(stage.rule)) is not None:
                for rows in search.task.development:
                    check(rows, search.task, search.limit)
            continue
        for task in stage.tasks:
            if (task.train, stage.limit) not in seen:
                seen.add((task.train, stage.limit))
                read_training(task, shop.sources, stage.limit)
            for rows in task.development if isinstance(stage.config.selection, Best) else ():
                check(rows, task, None)


def drop_transient(plan: Plan, shop: Workshop) -> None:
    """Remove the weights of full fine-tuned targets whose evaluations in the plan are all stored."""
    for node in plan.nodes:
        entry = shop.store.find(node.fingerprint)
        if entry is None or not plan.transient(node):
            continue
        dependents = [other for other in plan.nodes if node.fingerprint in other.inputs]
        if all(shop.store.find(other.fingerprint) is not None for other in dependents):
            shop.store.forget_module(entry)


def _group(node: Node, to_do: list[Node]) -> list[Node]:
    """The evaluations that share this one's model and precision; a training or merge is alone."""
    stage = node.stage
    if not isinstance(stage, Evaluate):
        return [node]
    wanted = (stage.model, evaluation_precision(stage))
    return [
        other
        for other in to_do
        if isinstance(other.stage, Evaluate) and (other.stage.model, evaluation_precision(other.stage)) == wanted
    ]


def _carry_out(group: list[Node], shop: Workshop, progress: Progress, summary: Summary) -> None:
    try:
        if group[0].kind != "evaluate":
            execute = execute_merge if group[0].kind == "merge" else execute_train
            execute(group[0], shop, progress)
            return
        failed = execute_evaluations(group, shop, progress)
    except STAGE_ERRORS as error:
        failed = {node.fingerprint: error for node in group}
    for fingerprint, error in failed.items():
        summary.failed[fingerprint] = f"{type(error).__name__}: {error}"
        summary.errors[fingerprint] = error


def _name(plan: Plan, fingerprint: str) -> str:
    return next(node.name for node in plan.nodes if node.fingerprint == fingerprint)
