"""The plan as a table and as JSON."""

import contextlib
import statistics
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from adaptx.costs import Cost, cost
from adaptx.naming import factors
from adaptx.plan import Node, Plan, Status
from adaptx.specs import Evaluate
from adaptx.specs.plain import from_plain
from adaptx.store import Store


def measured_rate(store: Store) -> tuple[float, int] | None:
    """Operations per second of the store's own trainings (their median), and how many there are."""
    rates: list[float] = []
    for entry in store.entries().values():
        if entry.kind == "train":
            # A stage of another version of adaptx says nothing here.
            with contextlib.suppress(ValueError, KeyError):
                estimate = cost(from_plain(entry.record["spec"]))
                rates += [estimate.flops / max(entry.result["seconds"], 1e-9)] if estimate is not None else []
    return (statistics.median(rates), len(rates)) if rates else None


def plan_json(plan: Plan, store: Store) -> dict[str, Any]:
    statuses = plan.statuses(store)
    rate = measured_rate(store)
    return {
        "recipe": plan.recipe.name,
        "stages": [
            {
                "name": node.name,
                "kind": node.kind,
                "fingerprint": node.fingerprint,
                "stored": statuses[node.fingerprint] is not Status.TO_DO,
                "status": statuses[node.fingerprint].value,
                "factors": _factors(node),
                "cost": _cost_json(cost(node.stage, rate[0] if rate else None)),
            }
            for node in plan.nodes
        ],
    }


def show_plan(plan: Plan, store: Store, console: Console, why: bool) -> None:
    """One line a stage, then what is left to do."""
    statuses = plan.statuses(store)
    rate = measured_rate(store)
    table = Table(title=f"{plan.recipe.name}: {len(plan.nodes)} stages", title_justify="left", box=None, padding=(0, 1))
    for heading in ("stage", "status", "rows", "about", "peak memory"):
        table.add_column(
            heading, justify="left" if heading in ("stage", "status") else "right", no_wrap=heading != "stage"
        )
    seconds = 0.0
    for node in plan.nodes:
        status = statuses[node.fingerprint]
        estimate = cost(node.stage, rate[0] if rate else None)
        to_do = status is Status.TO_DO
        seconds += estimate.seconds if estimate is not None and to_do else 0.0
        shown = (
            (f"{estimate.examples}", f"{estimate.seconds:.0f} s", f"{estimate.peak_memory_bytes / 2**20:.0f} MiB")
            if estimate is not None and to_do
            else ("", "", "")
        )
        indent = "  " if node.kind == "evaluate" else ""
        style = {Status.STORED: "green", Status.SCORES_ONLY: "green", Status.UNCHECKED: "yellow"}.get(status, "bold")
        table.add_row(f"{indent}{node.folder_name}", f"[{style}]{_status(plan, node, status)}[/]", *shown)
        if why and to_do:
            for line in plan.why(node, store):
                table.add_row(f"{indent}    because {escape(line)}", "", "", "", "")
    console.print(table, soft_wrap=True)
    to_do = [node for node in plan.nodes if statuses[node.fingerprint] is Status.TO_DO]
    if not to_do:
        console.print(f"all stored in {store.root}", highlight=False, soft_wrap=True)
        return
    trainings = sum(node.kind == "train" for node in to_do)
    basis = f"at the median rate of {rate[1]} stored trainings" if rate else "at an assumed 100 GFLOP/s"
    console.print(
        f"to do: {trainings} trainings, {len(to_do) - trainings} evaluations; about {seconds / 60:.1f} minutes {basis}",
        highlight=False,
        soft_wrap=True,
    )


def _status(plan: Plan, node: Node, status: Status) -> str:
    if status is Status.STORED and plan.transient(node):
        return "stored (kept)"
    return status.value


def _factors(node: Node) -> dict[str, Any]:
    stage = node.stage
    language = stage.language if isinstance(stage, Evaluate) else None
    return {**asdict(factors(stage)), "task": stage.task.name, "language": language}


def _cost_json(estimate: Cost | None) -> dict[str, Any] | None:
    return asdict(estimate) if estimate is not None else None
