"""A kind of values that a spec's field takes, why a value is none, and how an error shows values."""

import dataclasses
import enum
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any, cast


class Wrong(Exception):
    """A value that a field does not take. reason: begins behind the field's name. remedy: may hold `{name}`.

    inside: the value is of the right kind, and a bound or an item of it is wrong.
    """

    def __init__(self, reason: str, remedy: str = "", where: str = "", inside: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.remedy, self.where, self.inside = reason, remedy, where, inside

    def told(self, name: str) -> str:
        remedy = f"; {self.remedy.replace('{name}', name)}" if self.remedy else ""
        return f"{name}{self.where} {self.reason}{remedy}"


@dataclasses.dataclass(frozen=True)
class Kind:
    """What a field takes. meant: in words. read: any value -> the value that the field holds, or `Wrong`.

    fits: types whose values all fit as they are. written: how its values are written, for messages. texts: whether it
    takes texts and tuples of texts alone.
    """

    meant: str
    read: Callable[[Any], Any]
    _: dataclasses.KW_ONLY
    fits: frozenset[type] = frozenset()
    written: tuple[str, ...] = ()
    texts: bool = False


def shown(value: Any, most: int = 60) -> str:
    """Return a value as an error shows it: short, and a spec by its class alone."""
    if dataclasses.is_dataclass(value):
        return value.__name__ if isinstance(value, type) else f"{type(value).__name__}(...)"
    if isinstance(value, enum.Enum):
        return str(value)
    if isinstance(value, type):
        return value.__name__
    if type(value) in (tuple, list):
        items = [shown(item, 20) for item in cast(list[Any], value[:4])]
        text = ", ".join((*items, "...") if len(value) > 4 else items)
        return (f"({text},)" if len(items) == 1 else f"({text})") if type(value) is tuple else f"[{text}]"
    try:
        text = repr(value)
    except Exception:
        text = f"<{type(value).__name__}>"
    return text if len(text) <= most else f"{text[: most - 3]}..."


def refusal(kind: Kind, value: Any) -> Wrong:
    """Return why a value is not of a kind, with what to write in its place."""
    if value is None:
        return Wrong(f"takes {kind.meant}, not None", example(kind))
    if isinstance(value, type) and dataclasses.is_dataclass(value):
        return Wrong(f"takes {kind.meant}, and this is the class itself", f"write {{name}}={value.__name__}(...)")
    what = "a text" if isinstance(value, str) else article(type(value).__name__)
    if isinstance(value, str) and kind.written:
        near = {written.partition("(")[0].rpartition(".")[2].lower(): written for written in kind.written}
        found = get_close_matches(value.lower().replace("-", "_"), near, n=1)
        meant = [near[found[0]]] if found else list(near.values())
        return Wrong(f"takes {kind.meant}, not {what}", f"write {{name}}={' or '.join(meant)}")
    if callable(value) and not dataclasses.is_dataclass(value):
        return Wrong(f"takes {kind.meant}, not {what}", "give its result: write the call with its parentheses")
    return Wrong(f"takes {kind.meant}, not {what}", example(kind))


def article(word: str) -> str:
    return f"an {word}" if word[:1] in "aeiouAEIOU" else f"a {word}"


def example(kind: Kind) -> str:
    return f"write {{name}}={' or '.join(kind.written)}" if kind.written else f"give {kind.meant}"
