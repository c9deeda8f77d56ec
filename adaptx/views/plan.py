"""The plan as a table and as JSON."""

import contextlib
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from adaptx.costs import Cost, cost
from adaptx.memory_check import TooLarge, too_large, unpredicted
from adaptx.naming import factors, path_of_tasks
from adaptx.plan import Node, Plan, Status
from adaptx.specs import Evaluate, Merge, Resources
from adaptx.specs.plain import from_plain
from adaptx.store import Store
from adaptx.views.sizes import gib


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


@dataclass(frozen=True)
class Place:
    """Where a plan would run. memory_bytes: of the device; None: not asked whether stages fit."""

    resources: Resources
    memory_bytes: int | None = None


def plan_json(plan: Plan, store: Store, place: Place) -> dict[str, Any]:
    """`fits` is null where it was not asked, or nothing is to be trained or predicted."""
    statuses = plan.statuses(store)
    memory = place.memory_bytes
    large = {each.node.fingerprint: each for each in _too_large(plan, statuses, place)}
    unknown = {node.fingerprint: node for node in unpredicted(plan.nodes, place.resources)}
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
                "cost": _cost_json(estimate),
                "fits": _fits(node, large, unknown) if memory is not None else None,
            }
            for node in plan.nodes
            for estimate in [cost(node.stage, rate[0] if rate else None, resources=place.resources)]
        ],
    }


def show_plan(plan: Plan, store: Store, console: Console, why: bool, place: Place) -> None:
    """One line a stage, then what is left to do, and what of it does not fit."""
    statuses = plan.statuses(store)
    rate = measured_rate(store)
    table = Table(title=f"{plan.recipe.name}: {len(plan.nodes)} stages", title_justify="left", box=None, padding=(0, 1))
    memory = f"at most, on {place.resources.device_type}"
    for heading in ("stage", "status", "rows", "about", memory):
        table.add_column(
            heading, justify="left" if heading in ("stage", "status") else "right", no_wrap=heading != "stage"
        )
    seconds = 0.0
    for node in plan.nodes:
        status = statuses[node.fingerprint]
        estimate = cost(node.stage, rate[0] if rate else None, resources=place.resources)
        to_do = status is Status.TO_DO
        seconds += estimate.seconds if estimate is not None and to_do else 0.0
        shown = (
            (f"{estimate.examples}", f"{estimate.seconds:.0f} s", _memory(estimate))
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
    trainings, merges = (sum(node.kind == kind for node in to_do) for kind in ("train", "merge"))
    merged = f"{merges} merges, " if merges else ""
    work = f"{trainings} trainings, {merged}{len(to_do) - trainings - merges} evaluations"
    basis = f"at the median rate of {rate[1]} stored trainings" if rate else "at an assumed 100 GFLOP/s"
    console.print(
        f"to do: {work}; about {seconds / 60:.1f} minutes {basis}",
        highlight=False,
        soft_wrap=True,
    )
    if place.memory_bytes is not None:
        _show_fitting(to_do, place, place.memory_bytes, console)


def tell_too_large(found: Sequence[TooLarge]) -> list[str]:
    """A line for each training that does not fit, with what would make it fit."""
    return [
        f"{each.node.folder_name} needs {gib(each.needed_bytes)}: "
        + (" or ".join(each.remedies) if each.remedies else "a smaller model, max_length or parameter-efficient method")
        for each in found
    ]


def _show_fitting(to_do: Sequence[Node], place: Place, memory_bytes: int, console: Console) -> None:
    found = too_large(to_do, place.resources, memory_bytes)
    unknown = unpredicted(to_do, place.resources)
    if found:
        console.print(
            f"{len(found)} trainings [red]do not fit[/] into {gib(memory_bytes)}, as predicted:", highlight=False
        )
        for line in tell_too_large(found):
            console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
    elif not unknown:
        console.print(f"every training [green]fits[/] into {gib(memory_bytes)}, as predicted", highlight=False)
    if unknown:
        names = ", ".join(node.folder_name for node in unknown)
        console.print(
            f"not predicted, as the checkpoint's shape is not known: {names}", highlight=False, soft_wrap=True
        )


def _too_large(plan: Plan, statuses: Mapping[str, Status], place: Place) -> list[TooLarge]:
    if place.memory_bytes is None:
        return []
    to_do = [node for node in plan.nodes if statuses[node.fingerprint] is Status.TO_DO]
    return too_large(to_do, place.resources, place.memory_bytes)


def _fits(node: Node, large: Mapping[str, TooLarge], unknown: Mapping[str, Node]) -> bool | None:
    if node.kind != "train" or node.fingerprint in unknown:
        return None
    return node.fingerprint not in large


def _memory(estimate: Cost) -> str:
    return "" if estimate.peak_memory_bytes is None else f"{estimate.peak_memory_bytes / 2**20:.0f} MiB"


def _status(plan: Plan, node: Node, status: Status) -> str:
    if status is Status.STORED and plan.transient(node):
        return "stored (kept)"
    return status.value


def _factors(node: Node) -> dict[str, Any]:
    stage = node.stage
    language = stage.language if isinstance(stage, Evaluate) else None
    task = path_of_tasks(stage) if isinstance(stage, Merge) else stage.task.name
    return {**asdict(factors(stage)), "task": task, "language": language}


def _cost_json(estimate: Cost | None) -> dict[str, Any] | None:
    return asdict(estimate) if estimate is not None else None
