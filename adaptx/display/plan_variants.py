"""A plan as lines, one per variant: trainings that differ only in their seeds, with the evaluations of their models."""

from collections.abc import Hashable, Mapping, Sequence

from adaptx.costs.row_counts import Count
from adaptx.costs.stages import Cost
from adaptx.display.plan_lines import STYLES, Line, rows_text, status_text, time_and_memory
from adaptx.planning.differing import Flat, flat, suffixes
from adaptx.planning.naming import factors
from adaptx.planning.plan import Node, Plan, Status
from adaptx.specs import Evaluate

HEADINGS = ("stage", "seeds", "differs in", "scored on", "status", "rows", "time, about")
MOST_TASKS = 3
"""Maximum number of tasks that a line names."""
MOST_LANGUAGES = 3
"""Maximum number of languages that a line names. If there are more, it says how many."""


def variant_lines(
    plan: Plan, statuses: Mapping[str, Status], costs: Mapping[str, Cost | None], count: Count
) -> list[Line]:
    """Return one line per variant, and one per checkpoint that is scored without training.

    Time and memory are those of the stages that still have to run, with evaluations. Rows are those of one training.

    Args:
        plan: the plan.
        statuses: fingerprint of a stage -> its status.
        costs: fingerprint of a stage -> its cost.
        count: counts the rows of a set.
    """
    groups = _groups(plan)
    differing = _differing(groups)
    lines: list[Line] = []
    for (name, _), nodes in groups.items():
        modules = [node for node in nodes if node.kind != "evaluate"]
        to_do = [node for node in nodes if statuses[node.fingerprint] is Status.TO_DO]
        known = [cost for node in to_do if (cost := costs[node.fingerprint]) is not None]
        shown, style = _status(plan, nodes, statuses)
        words = (_seeds(modules), differing.get(nodes[0].fingerprint, ""), _scored_on(nodes), shown)
        lines.append(Line(name, (*words, rows_text(modules[:1], count), *time_and_memory(known)), style))
    return lines


def _groups(plan: Plan) -> dict[tuple[str, Hashable], list[Node]]:
    """Return the nodes of each line by name and settings. A model's evaluations are in the group of the model."""
    groups: dict[tuple[str, Hashable], list[Node]] = {}
    group_of: dict[str, list[Node]] = {}
    for node in plan.nodes:
        if node.kind != "evaluate":
            group = groups.setdefault((node.name, tuple(flat(node.stage, "").items())), [])
            group_of[node.fingerprint] = group
        elif node.inputs:
            group = group_of[node.inputs[0]]
        else:
            assert isinstance(node.stage, Evaluate)
            group = groups.setdefault((f"{node.stage.checkpoint.name} (not trained)", node.stage.checkpoint), [])
        group.append(node)
    return groups


def _differing(groups: Mapping[tuple[str, Hashable], Sequence[Node]]) -> dict[str, str]:
    """Return, by the fingerprint of a group's first node, the settings that tell it from others of the same name."""
    of_name: dict[str, list[Node]] = {}
    for (name, _), nodes in groups.items():
        of_name.setdefault(name, []).append(nodes[0])
    found: dict[str, str] = {}
    for nodes in of_name.values():
        if len(nodes) > 1:
            flats: list[Flat] = [flat(node.stage, "") for node in nodes]
            texts = suffixes(flats, [node.fingerprint[:8] for node in nodes])
            found |= {node.fingerprint: text for node, text in zip(nodes, texts, strict=True)}
    return found


def _seeds(modules: Sequence[Node]) -> str:
    """Return the seeds of trainings, with runs of neighbours as ranges: `1-5, 101`."""
    seeds = sorted({seed for node in modules if (seed := factors(node.stage).seed) is not None})
    ranges: list[list[int]] = []
    for seed in seeds:
        if ranges and seed == ranges[-1][-1] + 1:
            ranges[-1].append(seed)
        else:
            ranges.append([seed])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in ranges)


def _scored_on(nodes: Sequence[Node]) -> str:
    """Return the tasks and languages of a group's evaluations: `nli en, sw; tatoeba in 36 languages`."""
    languages: dict[str, dict[str, None]] = {}
    for node in nodes:
        if isinstance(node.stage, Evaluate):
            languages.setdefault(node.stage.task.name, {})[node.stage.language] = None
    shown = [
        f"{task} {', '.join(each)}" if len(each) <= MOST_LANGUAGES else f"{task} in {len(each)} languages"
        for task, each in languages.items()
    ]
    return "; ".join(shown[:MOST_TASKS]) + (f"; {len(shown) - MOST_TASKS} more" if len(shown) > MOST_TASKS else "")


def _status(plan: Plan, nodes: Sequence[Node], statuses: Mapping[str, Status]) -> tuple[str, str]:
    """Return the common status of a group's stages, or how many of them have to run, and its style."""
    found = {statuses[node.fingerprint] for node in nodes}
    if Status.TO_DO in found:
        count = sum(statuses[node.fingerprint] is Status.TO_DO for node in nodes)
        text = Status.TO_DO.value if count == len(nodes) else f"{count} of {len(nodes)} to do"
        return text, STYLES[Status.TO_DO]
    first = nodes[0]
    return status_text(plan, first, statuses[first.fingerprint]), STYLES[statuses[first.fingerprint]]
