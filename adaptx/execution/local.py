"""Run a plan on this machine. A failed stage stops only the stages that depend on it."""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from adaptx.backbones.bf16_products import cpu_multiplies_bf16
from adaptx.execution.checking import check_rows, store_contents
from adaptx.execution.crew import Crew, ThisProcess
from adaptx.execution.groups import grouped
from adaptx.execution.schedule import StageSchedule, Summary
from adaptx.execution.workers import Workers, worker_devices
from adaptx.execution.workshop import Workshop
from adaptx.planning.damage import set_aside_damaged
from adaptx.planning.identity import evaluation_precision
from adaptx.planning.leaks import find_leaks
from adaptx.planning.lineage import answering_training
from adaptx.planning.plan import Node, Plan, Status
from adaptx.planning.row_contents import RowContents
from adaptx.specs import Evaluate, Merge, Train
from adaptx.store.live_runs import at_work, no_run_begins
from adaptx.store.store import Store
from adaptx.training.progress import Progress, noting

_log = logging.getLogger(__name__)

SLOW_BF16 = (
    "this processor has no instructions for bf16: products are computed in fp32, which is no faster than "
    "--precision fp32 (values are rounded as on other processors)"
)


class Overall(Protocol):
    """A receiver of the progress of a whole run (the interface)."""

    def expect(self, plan: Plan, groups: Sequence[Sequence[Node]], later: Sequence[Sequence[Node]]) -> None:
        """Begin a run of `groups`, each of which one worker carries out. later: groups that wait for a search."""
        ...

    def leave(self, fingerprints: Iterable[str]) -> None:
        """Note that there is nothing left to do for these stages."""
        ...


def run(
    plan: Plan,
    shop: Workshop,
    progress: Progress,
    keep: bool = False,
    after: Callable[[list[Node]], None] | None = None,
    workers: int = 1,
    crew: Crew | None = None,
    overall: Overall | None = None,
) -> Summary:
    """Carry out every stage of the plan that still has to run.

    Damaged stages are set aside first. Other runs may use the same store at the same time; each stage is carried out by
    only one of them.

    keep: whether the weights of fully fine-tuned target tasks stay in the store. If so, tasks whose weights were
        removed earlier are trained again.
    after: called after each group, with the nodes that were stored. The next group waits until it returns.
    workers: number of processes that carry out stages at the same time; 1 means only this process.
    crew: carries out the stages in place of `workers` processes. It is closed at the end.
    overall: is told which stages have to run, and which of them have ended.

    Raises:
        UserError: rows or columns are missing or wrong, or several workers would share one GPU. This is checked before
            the first stage.
    """
    worker_devices(shop, workers)
    began = time.monotonic()
    with at_work(shop.store.root, plan.modules):
        groups = grouped(_checked_stages_to_do(plan, shop, progress, keep))
        in_order = crew is None and workers == 1
        schedule = StageSchedule(
            groups,
            plan,
            in_order,
            _reread_stages_to_do(plan, shop.store, keep),
            noting(progress, _log),
            overall.leave if overall is not None else None,
        )
        if overall is not None:
            overall.expect(plan, [group.nodes for group in groups], [group.nodes for group in grouped(plan.later)])
        if not in_order:
            # Other processes read rows themselves, so the rows that were cached for checking are no longer needed.
            shop.rows.clear()
        crew = crew or (Workers(shop, progress, workers) if workers > 1 else ThisProcess(shop, progress))
        try:
            schedule.carry_out(crew, after)
        finally:
            crew.close()
    summary = schedule.summary
    summary.seconds = time.monotonic() - began
    if not keep:
        drop_transient(plan, shop, noting(progress, _log))
    counts = len(summary.finished), len(summary.elsewhere), len(summary.failed)
    _log.info("recipe %s: %d stages finished, %d by other runs, %d failed", plan.recipe.name, *counts)
    return summary


def _checked_stages_to_do(plan: Plan, shop: Workshop, progress: Progress, keep: bool) -> list[Node]:
    warn = noting(progress, _log, logging.WARNING)
    set_aside_damaged(plan, shop.store, warn, keep)
    statuses = plan.statuses(shop.store, keep)
    to_do = [node for node in plan.nodes if statuses[node.fingerprint] is Status.TO_DO]
    for left_out in check_rows(to_do, shop):
        warn(str(left_out))
    store_contents((node.stage for node in plan.nodes), shop)
    for sentence in find_leaks(plan.recipe.evaluations, RowContents(shop.store, plan.identities)).sentences:
        warn(sentence)
    if shop.device.type == "cpu" and not cpu_multiplies_bf16() and any(_multiplies_in_bf16(node) for node in to_do):
        warn(SLOW_BF16)
    _log.info("recipe %s: %d of %d stages to do on %s", plan.recipe.name, len(to_do), len(plan.nodes), shop.device)
    return to_do


def _reread_stages_to_do(plan: Plan, store: Store, keep: bool) -> Callable[[], frozenset[str]]:
    def still_to_do() -> frozenset[str]:
        store.look_again()
        return frozenset(k for k, status in plan.statuses(store, keep).items() if status is Status.TO_DO)

    return still_to_do


def _multiplies_in_bf16(node: Node) -> bool:
    match node.stage:
        case Evaluate():
            return evaluation_precision(node.stage) == "bf16"
        case Merge():
            # A merge runs the model only to search for weights.
            return node.stage.rule.search is not None and answering_training(node.stage).config.precision == "bf16"
        case Train():
            return node.stage.config.precision == "bf16"


def drop_transient(plan: Plan, shop: Workshop, note: Callable[[str], None]) -> None:
    """Remove the weights of each fully fine-tuned target task, if all its evaluations in the plan are stored.

    Weights that another active run needs stay for now. That run, or the next run of this recipe, removes them.
    """
    kept: list[str] = []
    with no_run_begins(shop.store.root) as live:
        for node in plan.nodes:
            entry = shop.store.find(node.fingerprint)
            if entry is None or not entry.has_module or not plan.transient(node):
                continue
            dependents = [other for other in plan.nodes if node.fingerprint in other.inputs]
            if all(shop.store.find(other.fingerprint) is not None for other in dependents):
                if any(node.fingerprint in needs for needs in live):
                    kept.append(node.name)
                else:
                    shop.store.forget_module(entry)
    if kept:
        note(f"the weights of {', '.join(kept)} are kept for now, because another run in this store needs them")
