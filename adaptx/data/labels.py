"""Read raw labels, tags and ids by one rule, whether a file writes them as strings, numbers or bools."""

import re
from decimal import Decimal
from typing import Any

from adaptx.errors import UserError

_WHOLE = re.compile(r"-?[0-9]{1,18}(\.0*)?")


def texts_of(value: Any) -> tuple[str, ...]:
    """Return all strings that name the same label as a value: 1.0 is also "1", and True is also "true".

    The value's own string comes first. The result is empty if the value is not a string, a number or a bool.
    """
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
    """Return the whole number that a number or string stands for (1, 1.0 or "1"), or None if it stands for none."""
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
    """Return an id as a string.

    1.0 becomes "1", because pandas turns integers into floats in a column with missing values.
    """
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


class LabelReader:
    """A function from the raw labels or tags of one set to their names.

    A value that is not a label is returned unchanged, and `check` refuses it. In a set of the hub, only integers are
    read as ids. In the user's own files, the values 1, 1.0 and "1" are the label "1" if the task has such a label, and
    otherwise the id 1.

    names: the label of id 0, of id 1, and so on. labels: the task's labels. own: whether the set is the user's own.
    """

    def __init__(self, names: tuple[str, ...], labels: tuple[str, ...], own: bool) -> None:
        self._names = names
        self._known = frozenset(labels)
        self._own = own
        self._remembered: dict[Any, Any] = {}
        self._written: list[Any] = []
        self._ids: list[Any] = []

    def __call__(self, value: Any) -> Any:
        # 1, 1.0 and True are equal in Python but may be different labels, so the type is part of the key.
        key = value if isinstance(value, str) else (type(value), value)
        try:
            if key not in self._remembered:
                self._remembered[key] = self._label_or_value(value)
        except TypeError:
            return value
        return self._remembered[key]

    def check_one_way(self, where: object, role: str) -> None:
        """Refuse a user's own set in which some labels are written as names and others as ids.

        A single number among names is probably a typing error, such as `0` for the tag `O`.

        Raises:
            UserError: there are both names and ids.
        """
        if self._own and self._written and self._ids:
            raise UserError(
                f"{where}: {role} holds labels by name ({self._written[0]!r}) and by number ({self._ids[0]!r}, which "
                f"would be {self(self._ids[0])!r}), so a number may be a typing error; write all of "
                "them as names, or all as numbers"
            )

    def _label_or_value(self, value: Any) -> Any:
        """Return the label that a value stands for, or the value if it stands for none."""
        if not self._own:
            found = self._label_with_id(value)
            return value if found is None else found
        written = next((text for text in texts_of(value) if text in self._known or text == value in self._names), None)
        if written is not None:
            self._written.append(value)
            return written
        found = self._label_with_id(whole_number(value))
        if found is None:
            return value
        self._ids.append(value)
        return found

    def _label_with_id(self, number: Any) -> Any:
        is_id = isinstance(number, int) and not isinstance(number, bool) and 0 <= number < len(self._names)
        return self._names[number] if is_id else None
