"""The lines that show a plan's stages. The evaluations of one model on one task in many languages share a line."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from rich.text import Text

from adaptx.costs.stages import Cost
from adaptx.planning.plan import Node, Plan, Status
from adaptx.specs import Evaluate
from adaptx.specs.fingerprint import Json

STYLES = {Status.STORED: "green", Status.SCORES_ONLY: "green", Status.UNCHECKED: "yellow", Status.TO_DO: "bold"}
MOST_LANGUAGES = 8
"""Maximum number of languages that one line names."""
HEADINGS = ("stage", "status", "rows", "time, about")


@dataclass(frozen=True)
class Line:
    """One line of a plan. cells: status, rows, seconds and memory; all empty in a line that explains another."""

    name: str
    cells: tuple[str, str, str, str] = ("", "", "", "")
    style: str = ""


def stage_lines(
    plan: Plan, statuses: Mapping[str, Status], costs: Mapping[str, Cost | None], reasons: Mapping[str, Sequence[str]]
) -> list[Line]:
    """Return the lines of a plan.

    Args:
        plan: the plan.
        statuses: fingerprint of a stage -> its status.
        costs: fingerprint of a stage -> its cost.
        reasons: fingerprint of a stage -> why it has to run. Empty leaves the reasons out. With reasons, every
            evaluation has a line of its own.
    """
    lines: list[Line] = []

    def alike(node: Node) -> Json:
        stage = node.stage
        if not isinstance(stage, Evaluate) or reasons:
            return node.fingerprint
        return [*node.inputs, stage.checkpoint.name, stage.task.name, statuses[node.fingerprint].value]

    for _, group in groupby(plan.nodes, alike):
        nodes = list(group)
        node, status = nodes[0], statuses[nodes[0].fingerprint]
        indent = "  " if node.kind == "evaluate" else ""
        to_do = status is Status.TO_DO
        known = [cost for each in nodes if (cost := costs[each.fingerprint]) is not None and to_do]
        rows = seconds = memory = ""
        if known:
            rows = f"{sum(cost.examples for cost in known)}"
            seconds = f"{sum(cost.seconds for cost in known):.0f} s"
            most = max(cost.peak_memory_bytes or 0 for cost in known)
            memory = f"{most / 2**20:.0f} MiB" if most else ""
        lines.append(
            Line(f"{indent}{_name(nodes)}", (_status(plan, node, status), rows, seconds, memory), STYLES[status])
        )
        lines += [Line(f"{indent}    because {reason}") for reason in reasons.get(node.fingerprint, ())]
    return lines


def as_text(lines: Sequence[Line], memory_heading: str) -> Text:
    """Return the lines as aligned columns under their headings."""
    # Aligned by hand, because a rich table of thousands of lines takes seconds.
    headings = (*HEADINGS, memory_heading)
    widths = [max(map(len, column)) for column in zip(headings, *((x.name, *x.cells) for x in lines), strict=True)]
    text = Text()
    for name, (status, *numbers), style in (
        (headings[0], headings[1:], ""),
        *((x.name, x.cells, x.style) for x in lines),
    ):
        text.append(f" {name:<{widths[0]}}  ")
        text.append(f"{status:<{widths[1]}}", style)
        for number, width in zip(numbers, widths[2:], strict=True):
            text.append(f"  {number:>{width}}")
        text.append("\n")
    text.rstrip()
    return text


def _name(nodes: Sequence[Node]) -> str:
    """Return a stage's folder name or, for several evaluations, their common name and their languages."""
    first = nodes[0].stage
    if len(nodes) == 1 or not isinstance(first, Evaluate):
        return nodes[0].folder_name
    name = nodes[0].name.removesuffix(f".{first.language}")
    return f"{name} in {len(nodes)} languages: {', '.join(_languages(nodes))}"


def _languages(nodes: Sequence[Node]) -> Iterator[str]:
    languages = [node.stage.language for node in nodes if isinstance(node.stage, Evaluate)]
    yield from languages[:MOST_LANGUAGES]
    if len(languages) > MOST_LANGUAGES:
        yield "..."


def _status(plan: Plan, node: Node, status: Status) -> str:
    if status is Status.STORED and plan.transient(node):
        return "stored (kept)"
    return status.value
