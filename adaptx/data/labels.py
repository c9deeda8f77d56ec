"""Raw labels, tags and ids as texts: one rule for what is written as a text, a number or a bool."""

import re
from decimal import Decimal
from typing import Any

from adaptx.errors import UserError

_WHOLE = re.compile(r"-?[0-9]{1,18}(\.0*)?")


def texts_of(value: Any) -> tuple[str, ...]:
    """How a text, number or bool may be written as a label: 1.0 also as 1, True also as true."""
    match value:
        case str():
            if value.lower() in ("true", "false"):
                return (value, value.capitalize(), value.lower())
            return (value, value.partition(".")[0]) if _WHOLE.fullmatch(value) else (value,)
        case bool():
            return (str(value), str(value).lower())
        case int():
            return (str(value), f"{value}.0")
        case float() | Decimal():
            whole = whole_number(value)
            return (str(value),) if whole is None else (str(value), str(whole))
        case _:
            return ()


def whole_number(value: Any) -> int | None:
    """The whole number that a value is or is written as: 1, 1.0 or `1`."""
    match value:
        case bool():
            return None
        case int():
            return value
        case float():
            return int(value) if value.is_integer() else None
        case Decimal():
            return int(value) if value.is_finite() and value == value.to_integral_value() else None
        case str():
            return int(value.partition(".")[0]) if _WHOLE.fullmatch(value) else None
        case _:
            return None


def id_text(value: Any) -> str:
    """A candidate's or query's id as a text; pandas makes 1.0 of the number 1 where a column has gaps."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


class Naming:
    """Turns the raw labels or tags of one set into their names; what is none stays for `check`.

    names: the names by their ids. labels: the label set. own: the set is a file of the user's own, where a value that
    is written like a label is that label, be it text, a number or a bool; other whole numbers are ids.
    """

    def __init__(self, names: tuple[str, ...], labels: tuple[str, ...], own: bool) -> None:
        self._names = names
        self._known = frozenset(labels)
        self._own = own
        self._remembered: dict[Any, Any] = {}
        self._written: list[Any] = []
        self._ids: list[Any] = []

    def __call__(self, value: Any) -> Any:
        # Equal values of other types are other labels: 1, 1.0 and True.
        key = value if isinstance(value, str) else (type(value), value)
        try:
            if key not in self._remembered:
                self._remembered[key] = self._named(value)
        except TypeError:
            return value
        return self._remembered[key]

    def check_one_way(self, where: object, role: str) -> None:
        """Refuse a file of the user's own that names some labels and counts others: a `0` may be a mistyped `O`.

        Raises:
            UserError: there are values of both kinds.
        """
        if self._own and self._written and self._ids:
            raise UserError(
                f"{where}: {role} holds labels by name ({self._written[0]!r}) and by number ({self._ids[0]!r}, which "
                f"would be {self(self._ids[0])!r}); write all of them in one way"
            )

    def _named(self, value: Any) -> Any:
        if not self._own:
            found = self._by_id(value)
            return value if found is None else found
        written = next((text for text in texts_of(value) if text in self._known or text == value in self._names), None)
        if written is not None:
            self._written.append(value)
            return written
        found = self._by_id(whole_number(value))
        if found is None:
            return value
        self._ids.append(value)
        return found

    def _by_id(self, number: Any) -> Any:
        is_id = isinstance(number, int) and not isinstance(number, bool) and 0 <= number < len(self._names)
        return self._names[number] if is_id else None
