"""A plan as lines, one per stage. The evaluations of one model on one task in many languages share a line."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress, groupby

from rich.text import Text

from adaptx.costs.row_counts import Count
from adaptx.costs.stages import Cost, rows_of
from adaptx.display.durations import duration
from adaptx.planning.plan import Node, Plan, Status
from adaptx.specs import Evaluate
from adaptx.specs.fingerprint import Json

STYLES = {Status.STORED: "green", Status.SCORES_ONLY: "green", Status.UNCHECKED: "yellow", Status.TO_DO: "bold"}
MOST_LANGUAGES = 8
"""Maximum number of languages that one line names."""
HEADINGS = ("stage", "status", "rows", "time, about")
WORDS = ("stage", "seeds", "differs in", "scored on", "status")
"""Headings of the columns that hold words. All others hold numbers."""


@dataclass(frozen=True)
class Line:
    """One line of a plan. cells: the other columns, such as status, rows, time and memory; empty in an explanation."""

    name: str
    cells: tuple[str, ...] = ()
    style: str = ""


def stage_lines(
    plan: Plan,
    statuses: Mapping[str, Status],
    costs: Mapping[str, Cost | None],
    reasons: Mapping[str, Sequence[str]],
    count: Count,
) -> list[Line]:
    """Return the lines of all stages of a plan.

    Args:
        plan: the plan.
        statuses: fingerprint of a stage -> its status.
        costs: fingerprint of a stage -> its cost.
        reasons: fingerprint of a stage -> why it has to run. Empty leaves the reasons out. With reasons, every
            evaluation has a line of its own.
        count: counts the rows of a set.
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
        known = [cost for each in nodes if (cost := costs[each.fingerprint]) is not None and status is Status.TO_DO]
        numbers = (rows_text(nodes, count) if status is Status.TO_DO else "", *time_and_memory(known))
        lines.append(Line(f"{indent}{_name(nodes)}", (status_text(plan, node, status), *numbers), STYLES[status]))
        lines += [Line(f"{indent}    because {reason}") for reason in reasons.get(node.fingerprint, ())]
    return lines


def rows_text(nodes: Sequence[Node], count: Count) -> str:
    """Return how many rows stages read in all; empty if that is not known of any."""
    known = [rows for node in nodes if (rows := rows_of(node.stage, count)) is not None]
    return f"{sum(known):,}" if known else ""


def time_and_memory(costs: Sequence[Cost]) -> tuple[str, str]:
    """Return the time that stages take one after the other, and the most memory; empty texts without costs."""
    if not costs:
        return "", ""
    most = max(cost.peak_memory_bytes or 0 for cost in costs)
    return duration(sum(cost.seconds for cost in costs)), f"{most / 2**20:,.0f} MiB" if most else ""


def as_text(lines: Sequence[Line], headings: Sequence[str]) -> Text:
    """Return the lines as aligned columns under their headings. A column without any text is left out."""
    # Aligned by hand, because a rich table of thousands of lines takes seconds.
    empty = ("",) * (len(headings) - 1)
    rows = [(line.name, *(line.cells or empty)) for line in lines]
    filled = [any(column) for column in zip(*rows, strict=True)]
    headings, *rows = (tuple(compress(row, filled)) for row in (headings, *rows))
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    text = Text()
    for row, style in ((headings, ""), *zip(rows, (line.style for line in lines), strict=True)):
        for heading, cell, width in zip(headings, row, widths, strict=True):
            shown = f"{cell:<{width}}" if heading in WORDS else f"{cell:>{width}}"
            text.append(" " if heading == headings[0] else "  ")
            text.append(shown, style if heading == "status" else "")
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


def status_text(plan: Plan, node: Node, status: Status) -> str:
    if status is Status.STORED and plan.transient(node):
        return "stored (kept)"
    return status.value
