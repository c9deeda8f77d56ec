"""The repr of specs: one short line for notebook cells and test failures."""

import dataclasses
import enum
from typing import Any, cast

MOST_CHARACTERS = 200
MOST_TEXT = 40
MOST_ITEMS = 4
DEEPEST = 4
PROSE = frozenset({"citation", "description", "kind", "licence", "notes", "question", "title"})
"""Fields that `brief` leaves out, because they describe a value without changing what it does."""


def brief(value: Any) -> str:
    """Return a spec's class name and the fields that differ from their defaults, in at most 200 characters.

    A nested spec that has a name is shown as its name: `Train(model='e5-mini', task='nli', ...)`.
    """
    texts = (_spec(value, depth) for depth in range(DEEPEST, 0, -1))
    fitting = next((text for text in texts if len(text) <= MOST_CHARACTERS), None)
    return fitting or f"{_spec(value, 1)[: MOST_CHARACTERS - 4]}...)"


def _spec(value: Any, depth: int) -> str:
    fields = (
        f"{field.name}={_shown(getattr(value, field.name), depth - 1)}"
        for field in dataclasses.fields(value)
        if field.name not in PROSE and not _is_default(field, getattr(value, field.name))
    )
    return f"{type(value).__name__}({', '.join(fields)})"


def _is_default(field: dataclasses.Field[Any], value: Any) -> bool:
    if field.default_factory is not dataclasses.MISSING:
        return bool(value == field.default_factory())
    return field.default is not dataclasses.MISSING and bool(value == field.default)


def _shown(value: Any, depth: int) -> str:
    if isinstance(value, enum.Enum):
        return f"{type(value).__name__}.{value.name}"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        name = getattr(value, "name", None)
        if isinstance(name, str):
            return _shown(name, depth)
        return _spec(value, depth) if depth > 0 else f"{type(value).__name__}({_task_or_language(value)})"
    if isinstance(value, tuple):
        return _items(cast(tuple[Any, ...], value), depth)
    text = repr(value)
    if len(text) <= MOST_TEXT:
        return text
    return f"{text[: MOST_TEXT - 4]}...{text[-1]}"


def _task_or_language(value: Any) -> str:
    for field in ("task", "language"):
        if (told := getattr(value, field, None)) is not None:
            return str(getattr(told, "name", told))
    return "..."


def _items(values: tuple[Any, ...], depth: int) -> str:
    if depth <= 0 and values:
        return f"({len(values)} items)" if len(values) > 1 else "(...,)"
    shown = [_shown(each, depth - 1) for each in values[:MOST_ITEMS]]
    if len(values) > MOST_ITEMS:
        shown.append(f"... {len(values) - MOST_ITEMS} more")
    return f"({shown[0]},)" if len(values) == 1 else f"({', '.join(shown)})"
