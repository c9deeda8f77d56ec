"""The kinds of values that the fields of specs take, and the messages for values that are refused."""

import dataclasses
import enum
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any, cast


class Wrong(Exception):
    """The refusal of a value that a field does not take.

    Attributes:
        reason: why the value is refused, as the rest of a sentence that begins with the field's name.
        remedy: what to write instead. `{name}` in it stands for the field's name.
        where: place of a wrong item in the value, such as `[2]`.
        inside: whether the value has the right type, but is out of range or has a wrong item.
    """

    def __init__(self, reason: str, remedy: str = "", where: str = "", inside: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.remedy, self.where, self.inside = reason, remedy, where, inside

    def told(self, name: str) -> str:
        """Return the refusal as a sentence about the field `name`."""
        remedy = f"; {self.remedy.replace('{name}', name)}" if self.remedy else ""
        return f"{name}{self.where} {self.reason}{remedy}"


@dataclasses.dataclass(frozen=True)
class Kind:
    """The kind of values that a field takes.

    Attributes:
        meant: description of the kind in messages, such as `an integer`.
        read: function from a given value to the value that the field stores. It raises `Wrong` if the field does not
            take the given value.
        fits: types whose values are all stored unchanged, such as `int` for any integer.
        written: how values of the kind are written in Python, such as `Lora(...)`, for messages.
        texts: whether all values of the kind are strings or tuples of strings.
    """

    meant: str
    read: Callable[[Any], Any]
    _: dataclasses.KW_ONLY
    fits: frozenset[type] = frozenset()
    written: tuple[str, ...] = ()
    texts: bool = False


def shown(value: Any, most: int = 60) -> str:
    """Return a value in the short form of messages. A spec is shown as its class."""
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
    """Return the refusal of a value that is not of this kind."""
    if value is None:
        return Wrong(f"takes {kind.meant}, not None", example(kind))
    if isinstance(value, type) and dataclasses.is_dataclass(value):
        return Wrong(f"takes {kind.meant}, and this is the class itself", f"write {{name}}={value.__name__}(...)")
    what = "a string" if isinstance(value, str) else article(type(value).__name__)
    if isinstance(value, str) and kind.written:
        near = {written.partition("(")[0].rpartition(".")[2].lower(): written for written in kind.written}
        found = get_close_matches(value.lower().replace("-", "_"), near, n=1)
        meant = [near[found[0]]] if found else list(near.values())
        return Wrong(f"takes {kind.meant}, not {what}", f"write {{name}}={' or '.join(meant)}")
    if callable(value) and not dataclasses.is_dataclass(value):
        return Wrong(f"takes {kind.meant}, not {what}", "if you mean its result, call it with parentheses")
    return Wrong(f"takes {kind.meant}, not {what}", example(kind))


def article(word: str) -> str:
    return f"an {word}" if word[:1] in "aeiouAEIOU" else f"a {word}"


def example(kind: Kind) -> str:
    return f"write {{name}}={' or '.join(kind.written)}" if kind.written else f"give {kind.meant}"
