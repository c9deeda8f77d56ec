"""Run a plan on this machine: every stage after those it needs; what fails takes only its dependents with it."""

import logging
from collections.abc import Callable

from adaptx.backbones.bf16_products import cpu_multiplies_bf16
from adaptx.execution.checking import check_rows
from adaptx.execution.crew import Crew, ThisProcess
from adaptx.execution.groups import grouped
from adaptx.execution.schedule import StageSchedule, Summary
from adaptx.execution.workers import Workers, worker_devices
from adaptx.execution.workshop import Workshop
from adaptx.planning.damage import set_aside_damaged
from adaptx.planning.identity import evaluation_precision
from adaptx.planning.lineage import answering_training
from adaptx.planning.plan import Node, Plan, Status
from adaptx.specs import Evaluate, Merge, Train
from adaptx.store.live_runs import at_work, no_run_begins
from adaptx.store.store import Store
from adaptx.training.progress import Progress, noting

_log = logging.getLogger(__name__)

SLOW_BF16 = (
    "this processor has no instructions for bf16: its products are computed in fp32 here, no faster than under "
    "--precision fp32 (what is rounded is the same as on others)"
)


def run(
    plan: Plan,
    shop: Workshop,
    progress: Progress,
    keep: bool = False,
    after: Callable[[list[Node]], None] | None = None,
    workers: int = 1,
    crew: Crew | None = None,
) -> Summary:
    """Carry out every stage that is to do; `after` is called with the nodes that were stored together.

    Damaged stages are set aside first. Other runs may work on the same store: each stage is carried out by one of them.

    after: it must return at once, since the next stages wait for it.
    keep: leave the weights of full fine-tuned targets in the store; those that went before are trained again.
    workers: processes that carry out stages at once; 1: none but this one.
    crew: who carries out stages in place of workers. It is closed at the end.

    Raises:
        UserError: rows or columns are missing or wrong, or several workers have one GPU, before the first stage.
    """
    worker_devices(shop, workers)
    with at_work(shop.store.root, plan.modules):
        to_do = _prepare(plan, shop, progress, keep)
        in_order = crew is None and workers == 1
        schedule = StageSchedule(
            grouped(to_do), plan, in_order, _still_to_do(plan, shop.store, keep), noting(progress, _log)
        )
        if not in_order:
            # Whoever carries out stages elsewhere reads for itself.
            shop.rows.clear()
        crew = crew or (Workers(shop, progress, workers) if workers > 1 else ThisProcess(shop, progress))
        try:
            schedule.carry_out(crew, after)
        finally:
            crew.close()
    summary = schedule.summary
    if not keep:
        drop_transient(plan, shop, noting(progress, _log))
    counts = len(summary.finished), len(summary.elsewhere), len(summary.failed)
    _log.info("recipe %s: %d stages finished, %d by other runs, %d failed", plan.recipe.name, *counts)
    return summary


def _prepare(plan: Plan, shop: Workshop, progress: Progress, keep: bool) -> list[Node]:
    """Set damaged stages aside, and check the rows that the others read; return the stages that are to do."""
    warn = noting(progress, _log, logging.WARNING)
    set_aside_damaged(plan, shop.store, warn, keep)
    statuses = plan.statuses(shop.store, keep)
    to_do = [node for node in plan.nodes if statuses[node.fingerprint] is Status.TO_DO]
    for left_out in check_rows(to_do, shop):
        warn(str(left_out))
    if shop.device.type == "cpu" and not cpu_multiplies_bf16() and any(_in_bf16(node) for node in to_do):
        warn(SLOW_BF16)
    _log.info("recipe %s: %d of %d stages to do on %s", plan.recipe.name, len(to_do), len(plan.nodes), shop.device)
    return to_do


def _still_to_do(plan: Plan, store: Store, keep: bool) -> Callable[[], frozenset[str]]:
    """Return a function that looks for what is still to do, whoever has filled the store."""

    def still_to_do() -> frozenset[str]:
        store.look_again()
        return frozenset(k for k, status in plan.statuses(store, keep).items() if status is Status.TO_DO)

    return still_to_do


def _in_bf16(node: Node) -> bool:
    """Whether the stage multiplies in bf16; a merge that searches nothing multiplies nothing in the model."""
    match node.stage:
        case Evaluate():
            return evaluation_precision(node.stage) == "bf16"
        case Merge():
            return node.stage.rule.search is not None and answering_training(node.stage).config.precision == "bf16"
        case Train():
            return node.stage.config.precision == "bf16"


def drop_transient(plan: Plan, shop: Workshop, note: Callable[[str], None]) -> None:
    """Remove the weights of full fine-tuned targets whose evaluations in the plan are all stored.

    Weights that another run needs stay. It removes them itself, or the next run of this recipe does.
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
        note(f"the weights of {', '.join(kept)} stay for now: another run at work in this store needs them")
