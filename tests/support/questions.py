"""Write the pages of the research questions: the recipes' docstrings, their planned cost, and the measured answers.

Run as a program (`PYTHONPATH=tests python -m support.questions`), it writes docs/questions/. The answers come from the
medium sizes, whose tables are in docs/results/.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from adaptx.catalog.gpus import UTILISATION
from adaptx.costs.gpus import GpuCost, GpuCosts, gpu_costs
from adaptx.costs.stages import cost
from adaptx.display.sizes import gib
from adaptx.planning.plan import Plan, make_plan
from adaptx.planning.recipe_code import import_recipe, running
from adaptx.planning.recipe_file import load_recipe
from adaptx.report.power.power import planned_power
from adaptx.report.power.tables import power_sentence
from adaptx.sources.sources import Sources
from adaptx.specs import Train

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "questions"
RESULTS = ROOT / "docs" / "results"
COUNTS = {
    # Recipe -> trainings and evaluations at each of `SIZES`, those of searches for learning rates included.
    "phang2020": ((625, 13485), (83, 290), (13, 58)),
    "model_size": ((688, 13968), (48, 136), (6, 24)),
    "sub1b_gap": ((472, 7340), (102, 436), (14, 70)),
    "compute_budget": ((288, 2926), (72, 256), (9, 40)),
    "mt5_multilingual": ((342, 4614), (54, 233), (9, 45)),
    "scale_1b_7b": ((2136, 24950), (40, 68), (6, 12)),
    "peft_tradeoff": ((486, 2656), (147, 352), (22, 64)),
}


SIZES = ("full", "medium", "small")
PRIMARY = re.compile(
    r"^\*\*(?P<name>[^*]+): (?P<interval>\S+ \[[^]]*\]) points of \S+ "
    r"\([^)]*?(?P<seeds>\d+) seeds[^)]*\)\. This is (?P<verdict>[^*]+)\.\*\*$",
    re.MULTILINE,
)
"""The sentence about a declared contrast on a page of results (`adaptx/report/tables/contrasts.py`)."""


def file(name: str) -> Path:
    return ROOT / "recipes" / f"{name}.py"


def imported(name: str) -> ModuleType:
    """Return a recipe's file as a module."""
    with running(file(name)):
        return import_recipe(file(name))


def counts(plan: Plan) -> tuple[int, int]:
    """Return the numbers of trainings and evaluations of a plan, those that wait for a search included."""
    kinds = [node.kind for node in (*plan.nodes, *plan.later)]
    return kinds.count("train"), kinds.count("evaluate")


def planned(name: str, size: str) -> Plan:
    """Return the plan of a recipe, made without network, rows or weights."""
    return make_plan(load_recipe(file(name), {"size": size}), Sources(None))


def page(name: str) -> str:
    """Return the text of docs/questions/<name>.md."""
    question, *paragraphs = (imported(name).__doc__ or "").strip().split("\n\n")
    plans = {size: planned(name, size) for size in SIZES}
    full, medium = (priced(plans[size]) for size in ("full", "medium"))
    parts = [
        f"# {question}",
        *_answer(name, plans),
        *paragraphs,
        "## What the full size costs",
        f"With nothing stored, `adaptx plan recipes/{name}.py` estimates:",
        "\n".join(
            (
                "| one GPU | hours | peak memory | trainings that do not fit |",
                "|:--|--:|--:|:--|",
                *(_line(each) for each in full.each),
            )
        ),
        _caption(full),
        f"That is {_count(name, 0)}.",
        "## What the medium size costs, and what it can see",
        f"{_count(name, 1).capitalize()}: {_minutes(medium)} minutes on two CPU cores at an assumed 100 GFLOP/s and 30 "
        f"tokens per text, which is more than the texts have. {_seen(plans['medium'])}".rstrip(),
    ]
    return "\n\n".join(parts) + "\n"


def _answer(name: str, plans: Mapping[str, Plan]) -> tuple[str, ...]:
    """Return the paragraphs that answer the question at medium size, with what they do not say."""
    results = (RESULTS / f"{name}.md").read_text(encoding="utf-8")
    contrasts = list(PRIMARY.finditer(results))
    answers = [short(found) for found in contrasts]
    if not answers or not results.startswith("# Medium results"):
        return (
            f"This has not been run at medium size yet. [Tables of a smoke run](../results/{name}.md) show what its "
            "report looks like; no conclusion follows from them.",
        )
    small, large = (_models(plans[size]) for size in ("medium", "full"))
    seeds = " to ".join(sorted({found["seeds"] for found in contrasts}, key=int))
    return (
        f"**At medium size** ({small}; differences in points with 95% intervals over test rows and {seeds} seeds, "
        f"corrected for all declared contrasts): {'; '.join(answers)}. The full size ({large}) has not been run, so "
        f"this says nothing about larger models, more rows or other tasks. [Tables](../results/{name}.md).",
    )


def short(found: re.Match[str]) -> str:
    """Return a contrast's result in short, such as `NLI after SNLI rather than alone +2.0 [0.5, 3.5], a gain`."""
    verdict = found["verdict"]
    needed = re.search(r"a true difference of ([\d.]+) points", verdict)
    said = f"undecided (a difference of {needed[1]} would have been found)" if needed else re.split("[.,]", verdict)[0]
    return f"{found['name']}: {found['interval']}, {said}"


def _models(plan: Plan) -> str:
    nodes = (*plan.nodes, *plan.later)
    return ", ".join(dict.fromkeys(node.stage.model.name for node in nodes if isinstance(node.stage, Train)))


def priced(plan: Plan) -> GpuCosts:
    nodes = (*plan.nodes, *plan.later)
    return gpu_costs(nodes, {node.fingerprint: cost(node.stage) for node in nodes})


def _seen(plan: Plan) -> str:
    """Return the sentence about the detectable gain that `adaptx plan` prints."""
    sentence = power_sentence(planned_power(plan))
    return f"{sentence[0].upper()}{sentence[1:].partition(';')[0]}." if sentence else ""


def _line(each: GpuCost) -> str:
    if each.peak_memory_bytes is None:
        return f"| {each.gpu.name} | {each.hours:,.1f} | not predicted | not predicted |"
    fitting = [
        f"{each.too_large} at any micro-batch size" if each.too_large else "",
        f"{each.with_gradient_checkpointing} without `--gradient-checkpointing`"
        if each.with_gradient_checkpointing
        else "",
    ]
    large = "; ".join(filter(None, fitting)) or "none"
    return f"| {each.gpu.name} | {each.hours:,.1f} | {gib(each.peak_memory_bytes)} | {large} |"


def _caption(costs: GpuCosts) -> str:
    parts = [
        f"Hours are at an assumed {UTILISATION:.0%} of the data sheet's bf16 peak, one stage after another. Peak "
        "memory is that of the largest training if every text has the maximum length."
    ]
    if costs.uncounted:
        parts.append(f"{costs.uncounted} stages are not counted, because their rows are not known without the data.")
    if costs.unpredicted:
        parts.append(
            f"Memory is not predicted for {', '.join(costs.unpredicted)}: `adaptx memory MODEL` traces a fake step."
        )
    return " ".join(parts)


def _count(name: str, place: int) -> str:
    trainings, evaluations = COUNTS[name][place]
    return f"{trainings:,} trainings and {evaluations:,} evaluations"


def _minutes(costs: GpuCosts) -> str:
    first = costs.each[0]
    return f"{first.hours * 60 * first.gpu.assumed_flops_per_second / 100e9:.0f}"


if __name__ == "__main__":
    PAGES.mkdir(exist_ok=True)
    for each in COUNTS:
        (PAGES / f"{each}.md").write_text(page(each), encoding="utf-8")
