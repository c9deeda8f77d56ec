"""A plan as a table and as JSON."""

import contextlib
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console

from adaptx.catalog.language_facts import unknown_languages
from adaptx.costs.gpus import gpu_costs
from adaptx.costs.memory_check import TooLarge, too_large, unpredicted
from adaptx.costs.row_counts import Count, RowCounts
from adaptx.costs.stages import Cost, cost
from adaptx.display.durations import duration
from adaptx.display.gpu_costs import gpus_json, show_gpus
from adaptx.display.plan_lines import HEADINGS as STAGE_HEADINGS
from adaptx.display.plan_lines import as_text, stage_lines
from adaptx.display.plan_variants import HEADINGS as VARIANT_HEADINGS
from adaptx.display.plan_variants import variant_lines
from adaptx.display.sizes import gib
from adaptx.display.tuning import later_line, tuning_json, tuning_lines
from adaptx.errors import UserError
from adaptx.planning.leaks import find_leaks
from adaptx.planning.naming import factors, path_of_tasks
from adaptx.planning.plan import Node, Plan, Status
from adaptx.planning.row_contents import RowContents
from adaptx.planning.unread import unread
from adaptx.specs import Evaluate, Merge, Resources
from adaptx.store.store import Store

MOST_NAMES = 3
"""Maximum number of names in one line."""


def measured_rate(store: Store) -> tuple[float, int] | None:
    """Return the median speed of the store's trainings, in operations per second, and the number of these trainings.

    Return None if no training's number of operations is known.
    """
    rates: list[float] = []
    for entry in store.entries().values():
        if entry.kind == "train":
            # Skip a stage that another version of adaptx wrote and this one cannot read.
            with contextlib.suppress(UserError):
                estimate = cost(entry.module_stage)
                rates += [estimate.flops / max(entry.train_result.seconds, 1e-9)] if estimate is not None else []
    return (statistics.median(rates), len(rates)) if rates else None


@dataclass(frozen=True)
class Placement:
    """The device on which a plan would run. memory_bytes: its memory; None if trainings are not checked against it."""

    resources: Resources
    memory_bytes: int | None = None


def plan_json(plan: Plan, store: Store, place: Placement) -> dict[str, Any]:
    """Return the plan as JSON.

    A stage's `fits` says whether it fits into the device's memory. It is null if that is unknown, and for stages that
    are not trainings.
    """
    statuses = plan.statuses(store)
    memory = place.memory_bytes
    large = {each.node.fingerprint: each for each in _too_large(plan, statuses, place)}
    unknown = {node.fingerprint: node for node in unpredicted(plan.nodes, place.resources)}
    costs = plan_costs(plan, store, place.resources, RowCounts(plan.identities.sources))
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
                "cost": _cost_json(costs[node.fingerprint]),
                "fits": _fits(node, large, unknown) if memory is not None else None,
            }
            for node in plan.nodes
        ],
        "notes": [*unread(plan), *leaks(plan, store)],
        "tuning": tuning_json(plan, costs),
        "gpus": gpus_json(gpu_costs([*_to_do(plan, statuses), *plan.later], costs)),
    }


def show_plan(plan: Plan, store: Store, console: Console, why: bool, place: Placement, every: bool = False) -> None:
    """Print the stages, then the remaining work, its cost on each type of GPU, and the trainings that do not fit.

    why: also print why each remaining stage has to run. every: print a line per stage instead of one per variant.
    """
    statuses = plan.statuses(store)
    count = RowCounts(plan.identities.sources)
    costs = plan_costs(plan, store, place.resources, count)
    to_do = _to_do(plan, statuses)
    memory = f"memory at most, on {place.resources.device_type}"
    if why or every:
        reasons = {node.fingerprint: plan.why(node, store) for node in to_do} if why else {}
        lines, headings = stage_lines(plan, statuses, costs, reasons, count), STAGE_HEADINGS
    else:
        lines, headings = variant_lines(plan, statuses, costs, count), VARIANT_HEADINGS
    hint = "" if why or every else "; a line is a variant with all its seeds and evaluations (--all: a line per stage)"
    console.print(f"{plan.recipe.name}: {len(plan.nodes)} stages{hint}", highlight=False, soft_wrap=True)
    console.print(as_text(lines, (*headings, memory)), soft_wrap=True)
    languages = (node.stage.language for node in plan.nodes if isinstance(node.stage, Evaluate))
    if unknown := unknown_languages(languages):
        console.print(
            f"unknown language codes: {', '.join(unknown)}; the report's analysis by language leaves them out",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    tell_unread(plan, console)
    for line in tuning_lines(plan):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    for line in leaks(plan, store):
        console.print(line, style="yellow", markup=False, highlight=False, soft_wrap=True)
    for line in tell_weights_that_go(plan, store):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print(to_do_line(to_do, costs, store), markup=False, highlight=False, soft_wrap=True)
    if (later := later_line(plan, costs)) is not None:
        console.print(later, markup=False, highlight=False, soft_wrap=True)
    to_do = [*to_do, *plan.later]
    if not to_do:
        return
    show_gpus(gpu_costs(to_do, costs), console)
    if place.memory_bytes is not None:
        _show_fitting(to_do, place, place.memory_bytes, console)
        console.print(gpu_option_line(place, place.memory_bytes), markup=False, highlight=False, soft_wrap=True)


def gpu_option_line(place: Placement, memory_bytes: int) -> str:
    """Return what --gpu changes in a plan, and what it does not."""
    return (
        f"--gpu changes the predicted memory (that on {place.resources.device_type}, compared with "
        f"{gib(memory_bytes)}), and nothing else: stages, results and times are the same without it"
    )


def to_do_line(to_do: Sequence[Node], costs: Mapping[str, Cost | None], store: Store) -> str:
    """Return a line with the remaining work and its approximate time."""
    if not to_do:
        return f"all stored in {store.root}"
    trainings, merges = (sum(node.kind == kind for node in to_do) for kind in ("train", "merge"))
    merged = f"{merges} merges, " if merges else ""
    work = f"{trainings} trainings, {merged}{len(to_do) - trainings - merges} evaluations"
    rate = measured_rate(store)
    basis = f"at the median rate of {rate[1]} stored trainings" if rate else "at an assumed 100 GFLOP/s"
    seconds = sum(cost.seconds for node in to_do if (cost := costs[node.fingerprint]) is not None)
    return f"to do: {work}; about {duration(seconds)} {basis}"


def tell_unread(plan: Plan, console: Console) -> None:
    """Print a line for each suite, published score and set of rows in the recipe that no stage uses."""
    for line in unread(plan):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def leaks(plan: Plan, store: Store) -> list[str]:
    """Return a line for each two tasks of the plan that share rows. Only rows that are stored or quickly read are
    compared.
    """
    return find_leaks(plan.recipe.evaluations, RowContents(store, plan.identities)).sentences


def tell_weights_that_go(plan: Plan, store: Store) -> list[str]:
    """Return a line that names the weights that a run will remove once their scores are stored; no line if there are
    none.
    """
    names = [node.folder_name for node in plan.weights_that_go(store)]
    if not names:
        return []
    shown = ", ".join(names[:MOST_NAMES]) + (", ..." if len(names) > MOST_NAMES else "")
    return [
        f"full fine-tuned weights that `run` removes once their scores are stored: {len(names)} ({shown}); to keep "
        "them for `adaptx predict` and `adaptx export`, add --keep to `adaptx run`"
    ]


def _to_do(plan: Plan, statuses: Mapping[str, Status]) -> list[Node]:
    return [node for node in plan.nodes if statuses[node.fingerprint] is Status.TO_DO]


def plan_costs(plan: Plan, store: Store, resources: Resources, count: Count) -> dict[str, Cost | None]:
    """Return the cost of each stage by its fingerprint; None if the checkpoint's shape or its rows are unknown.

    count: counts the rows of a set.
    """
    rate = measured_rate(store)
    per_second = rate[0] if rate else None
    nodes = (*plan.nodes, *plan.later)
    return {node.fingerprint: cost(node.stage, per_second, resources=resources, count=count) for node in nodes}


def tell_too_large(found: Sequence[TooLarge]) -> list[str]:
    """Return a line for each training that does not fit, with the options that would make it fit."""
    return [
        f"{each.node.folder_name} needs {gib(each.needed_bytes)}; use "
        + (
            " or ".join(each.remedies)
            if each.remedies
            else "a smaller model, a smaller max_length or a method with fewer trainable parameters"
        )
        for each in found
    ]


def _show_fitting(to_do: Sequence[Node], place: Placement, memory_bytes: int, console: Console) -> None:
    found = too_large(to_do, place.resources, memory_bytes)
    unknown = unpredicted(to_do, place.resources)
    if found:
        console.print(
            f"{len(found)} trainings [red]do not fit[/] into {gib(memory_bytes)} (predicted):", highlight=False
        )
        for line in tell_too_large(found):
            console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
    elif not unknown:
        console.print(f"every training [green]fits[/] into {gib(memory_bytes)} (predicted)", highlight=False)
    if unknown:
        names = ", ".join(node.folder_name for node in unknown)
        console.print(
            f"memory not predicted, because the checkpoint's shape is unknown: {names}", highlight=False, soft_wrap=True
        )


def _too_large(plan: Plan, statuses: Mapping[str, Status], place: Placement) -> list[TooLarge]:
    if place.memory_bytes is None:
        return []
    return too_large([*_to_do(plan, statuses), *plan.later], place.resources, place.memory_bytes)


def _fits(node: Node, large: Mapping[str, TooLarge], unknown: Mapping[str, Node]) -> bool | None:
    if node.kind != "train" or node.fingerprint in unknown:
        return None
    return node.fingerprint not in large


def _factors(node: Node) -> dict[str, Any]:
    stage = node.stage
    language = stage.language if isinstance(stage, Evaluate) else None
    task = path_of_tasks(stage) if isinstance(stage, Merge) else stage.task.name
    return {**asdict(factors(stage)), "task": task, "language": language}


def _cost_json(estimate: Cost | None) -> dict[str, Any] | None:
    return asdict(estimate) if estimate is not None else None
