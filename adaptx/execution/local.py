"""Run a plan on this machine: every stage after those it needs; what fails takes only its dependents with it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import mean

from adaptx.backbones.bf16_products import cpu_multiplies_bf16
from adaptx.costs import cost
from adaptx.data.reading import read_rows, read_training
from adaptx.execution.building import Workshop
from adaptx.execution.groups import Group, grouped
from adaptx.execution.workers import Crew, ThisProcess, Workers, worker_devices
from adaptx.files.left_out import LeftOut
from adaptx.identity import evaluation_precision
from adaptx.lineage import reader
from adaptx.plan import Node, Plan, Status
from adaptx.progress import Progress
from adaptx.specs import Best, Evaluate, Merge, Rows, Task, Train
from adaptx.specs.merge import searched

SLOW_BF16 = (
    "this processor has no instructions for bf16: its products are computed in fp32 here, no faster than under "
    "--precision fp32 (what is rounded is the same as on others)"
)


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
    workers: int = 1,
) -> Summary:
    """Carry out every stage that is to do; `after` is called with the nodes that were stored together.

    after: it must return at once, since the next stages wait for it.
    keep: leave the weights of full fine-tuned targets in the store; those that went before are trained again.
    workers: processes that carry out stages at once; 1: none but this one.

    Raises:
        UserError: rows or columns are missing or wrong, or several workers have one GPU, before the first stage.
    """
    worker_devices(shop, workers)
    statuses = plan.statuses(shop.store, keep)
    to_do = [node for node in plan.nodes if statuses[node.fingerprint] is Status.TO_DO]
    for left_out in check_rows(to_do, shop):
        progress.note(str(left_out))
    if shop.device.type == "cpu" and not cpu_multiplies_bf16() and any(_in_bf16(node) for node in to_do):
        progress.note(SLOW_BF16)
    summary = Summary()
    groups = grouped(to_do)
    if workers == 1:
        carry_out_all(groups, plan, ThisProcess(shop, progress), summary, after, in_order=True)
    else:
        crew = Workers(shop, progress, workers)
        try:
            carry_out_all(groups, plan, crew, summary, after, in_order=False)
        finally:
            crew.close()
    if not keep:
        drop_transient(plan, shop)
    return summary


def _in_bf16(node: Node) -> bool:
    """Whether the stage multiplies in bf16; a merge that searches nothing multiplies nothing in the model."""
    match node.stage:
        case Evaluate():
            return evaluation_precision(node.stage) == "bf16"
        case Merge():
            return searched(node.stage.rule) is not None and reader(node.stage).config.precision == "bf16"
        case Train():
            return node.stage.config.precision == "bf16"


def check_rows(nodes: list[Node], shop: Workshop) -> list[LeftOut]:
    """Read and check all rows that the stages will read, so that bad input stops the run before it begins.

    Returns what of each set is left out, once.
    """
    seen: set[object] = set()
    left_out: dict[LeftOut, None] = {}

    def check(rows: Rows, task: Task, limit: int | None) -> None:
        if (rows, task.format, limit) not in seen:
            seen.add((rows, task.format, limit))
            left_out.update(dict.fromkeys(read_rows(rows, task.format, shop.sources, limit).left_out))

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
                left_out.update(dict.fromkeys(read_training(task, shop.sources, stage.limit, stage.draw_seed).left_out))
            for rows in task.development if isinstance(stage.config.selection, Best) else ():
                check(rows, task, None)
    return list(left_out)


def drop_transient(plan: Plan, shop: Workshop) -> None:
    """Remove the weights of full fine-tuned targets whose evaluations in the plan are all stored."""
    for node in plan.nodes:
        entry = shop.store.find(node.fingerprint)
        if entry is None or not plan.transient(node):
            continue
        dependents = [other for other in plan.nodes if node.fingerprint in other.inputs]
        if all(shop.store.find(other.fingerprint) is not None for other in dependents):
            shop.store.forget_module(entry)


def carry_out_all(
    groups: list[Group],
    plan: Plan,
    crew: Crew,
    summary: Summary,
    after: Callable[[list[Node]], None] | None,
    in_order: bool,
) -> None:
    """Hand each group to the crew once its inputs are there, and sum up what comes back.

    in_order: as planned; else those first that begin the longest chains, so that no chain is left to the end.
    """
    waiting = list(groups)
    chains = dict.fromkeys(groups, 0.0) if in_order else _chains(groups)
    pending = {key for group in waiting for key in group.fingerprints}
    stored: list[Node] = []
    while True:
        for group in list(waiting):
            if (blocked := next((key for key in group.inputs if key in summary.failed), None)) is not None:
                waiting.remove(group)
                pending -= group.fingerprints
                for key in group.fingerprints:
                    summary.failed[key] = f"skipped: {_name(plan, blocked)}, which it needs, failed"
        while crew.has_room and (ready := [group for group in waiting if not group.inputs & pending]):
            # Of equal ones the first as planned.
            chosen = max(ready, key=chains.__getitem__)
            waiting.remove(chosen)
            crew.begin(chosen)
        if after is not None and stored:
            after(stored)
        if not crew.busy:
            return
        group, failed = crew.next_done()
        pending -= group.fingerprints
        stored = [node for node in group.nodes if node.fingerprint not in failed]
        summary.finished += stored
        for key, error in failed.items():
            summary.failed[key] = f"{type(error).__name__}: {error}"
            summary.errors[key] = error


def _chains(groups: list[Group]) -> dict[Group, float]:
    """Operations from each group's beginning to the end of the longest chain of groups that need one another.

    Of a stage whose cost is not known: as many as the mean of those where it is.
    """
    counted = {node.fingerprint: cost(node.stage) for group in groups for node in group.nodes}
    known = {key: each.flops for key, each in counted.items() if each is not None}
    usual = mean(known.values()) if known else 1.0
    found: dict[Group, float] = {}
    for group in reversed(groups):
        own = sum(known.get(node.fingerprint, usual) for node in group.nodes)
        behind = (chain for later, chain in found.items() if later.inputs & group.fingerprints)
        found[group] = own + max(behind, default=0.0)
    return found


def _name(plan: Plan, fingerprint: str) -> str:
    return next(node.name for node in plan.nodes if node.fingerprint == fingerprint)
