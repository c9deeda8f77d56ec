"""Write the pages of the research questions: the recipes' docstrings, their planned cost, and the measured answers.

Run as a program (`PYTHONPATH=tests python -m support.questions`), it writes docs/questions/. The answers come from the
small sizes, whose tables are in docs/results/.
"""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

from adaptx.catalog.gpus import UTILISATION
from adaptx.costs.gpus import GpuCost, GpuCosts, gpu_costs
from adaptx.costs.stages import cost
from adaptx.display.sizes import gib
from adaptx.planning.plan import Plan, make_plan
from adaptx.planning.recipe_file import load_recipe
from adaptx.sources.sources import Sources

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "questions"
RESULTS = ROOT / "docs" / "results"
COUNTS = {
    # Recipe -> trainings and evaluations, full size and small.
    "phang2020": ((249, 5752), (27, 147)),
    "model_size": ((324, 8360), (12, 48)),
    "sub1b_gap": ((174, 3120), (34, 144)),
    "compute_budget": ((222, 2550), (13, 42)),
    "mt5_multilingual": ((171, 2736), (30, 108)),
    "scale_1b_7b": ((483, 7980), (6, 24)),
    "peft_tradeoff": ((228, 1536), (44, 192)),
}


def file(name: str) -> Path:
    return ROOT / "recipes" / f"{name}.py"


def imported(name: str) -> ModuleType:
    """Return a recipe's file as a module."""
    spec = importlib.util.spec_from_file_location(name, file(name))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def planned(name: str, size: str) -> Plan:
    """Return the plan of a recipe, made without network, rows or weights."""
    return make_plan(load_recipe(file(name), {"size": size}), Sources(None))


def page(name: str) -> str:
    """Return the text of docs/questions/<name>.md."""
    question, *paragraphs = (imported(name).__doc__ or "").strip().split("\n\n")
    full, small = (priced(planned(name, size)) for size in ("full", "small"))
    parts = [
        f"# {question}",
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
        f"That is {_count(name, 0)}. The small size has {_count(name, 1)}: "
        f"{_minutes(small)} minutes on two CPU cores at an assumed 90 GFLOP/s, counting operations in the same way.",
        "## What was measured at small size",
        *_measured(name),
    ]
    return "\n\n".join(parts) + "\n"


def _measured(name: str) -> tuple[str, ...]:
    """Return the answers that the report printed, read from the page of results."""
    results = (RESULTS / f"{name}.md").read_text(encoding="utf-8")
    answers = re.findall(r"^\*\*(\S+: .+\.)\*\*$", results, re.MULTILINE)
    if not answers:
        return (f"It has not been run yet; [its page](../results/{name}.md) says how.",)
    return (
        "These answers come from few rows and small models, and hold for those alone:",
        "\n".join(f"- {each}" for each in answers),
        f"Tables, exact settings and other possible explanations: [results](../results/{name}.md).",
    )


def priced(plan: Plan) -> GpuCosts:
    return gpu_costs(plan.nodes, {node.fingerprint: cost(node.stage) for node in plan.nodes})


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
    return f"{first.hours * 60 * first.gpu.assumed_flops_per_second / 90e9:.0f}"


if __name__ == "__main__":
    PAGES.mkdir(exist_ok=True)
    for each in COUNTS:
        (PAGES / f"{each}.md").write_text(page(each), encoding="utf-8")
