"""Example rows of a task, shortened for display: one row for each language whose rows are found on this machine."""

from dataclasses import dataclass, replace
from typing import Any

from adaptx.data.reading import read_rows
from adaptx.errors import MissingInput
from adaptx.sources.sources import Sources
from adaptx.specs import Rows, Task

TEXT_CHARACTERS = 120
LIST_ITEMS = 8


@dataclass(frozen=True)
class Example:
    """The first row of a language.

    source: where the row comes from. example: the row's values by the format's roles, shortened.
    """

    language: str
    source: str
    example: dict[str, Any]


@dataclass(frozen=True)
class FoundExamples:
    """One example per language.

    without: languages whose rows were not found.
    """

    examples: list[Example]
    without: list[str]


def found_examples(task: Task, sources: Sources) -> FoundExamples:
    """Return the first evaluation row of each language, or its first development or training row if it has none.

    Raises:
        UserError: the rows that were found do not fit the task.
    """
    examples: dict[str, Example] = {}
    without: dict[str, None] = {}
    for rows in (*task.evaluation, *task.development, *task.train):
        if rows.language in examples:
            continue
        example = _first(rows, task, sources)
        if example is None:
            without[rows.language] = None
        else:
            examples[rows.language] = example
            without.pop(rows.language, None)
    return FoundExamples(list(examples.values()), list(without))


def _first(rows: Rows, task: Task, sources: Sources) -> Example | None:
    try:
        read = read_rows(replace(rows, stop=rows.first + 1), task.format, sources)
    except MissingInput:
        return None
    columns = {role: _shortened(values[0]) for role, values in read.columns.items()}
    return Example(rows.language, rows.address, columns)


def _shortened(value: Any) -> Any:
    if isinstance(value, str) and len(value) > TEXT_CHARACTERS:
        return f"{value[:TEXT_CHARACTERS].rstrip()} ... ({len(value)} characters)"
    if isinstance(value, list):
        items: list[Any] = [_shortened(item) for item in value[:LIST_ITEMS]]  # pyright: ignore[reportUnknownVariableType]
        more = len(value) - len(items)  # pyright: ignore[reportUnknownArgumentType]
        return [*items, f"... ({more} more)"] if more else items
    return value
