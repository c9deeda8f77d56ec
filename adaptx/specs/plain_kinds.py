"""Kinds of plain values: bools, numbers, strings and None."""

import math
import numbers
import types
from typing import Any

from adaptx.specs.kind import Kind, Wrong, refusal, shown


def without_numpy(value: Any) -> Any:
    """Return a scalar of numpy as Python's, and any other value unchanged."""
    if any(base.__name__ == "generic" and base.__module__ == "numpy" for base in type(value).__mro__):
        return value.item()
    return value


def _read_bool(value: Any) -> bool:
    value = without_numpy(value)
    if isinstance(value, bool):
        return value
    raise refusal(_BOOL, value)


def _read_int(value: Any) -> int:
    if type(value) is int:
        return value
    value = without_numpy(value)
    if isinstance(value, bool):
        raise Wrong(f"takes {_INT.meant}, not {value}", f"write {{name}}={int(value)}, if that is meant")
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, float):
        if value.is_integer():
            return int(value)
        if math.isfinite(value):
            below = math.floor(value)
            raise Wrong(f"takes {_INT.meant}, not {value}", f"write {{name}}={below} or {{name}}={below + 1}")
        raise Wrong(f"takes {_INT.meant}, not {value}", "give a finite number")
    raise _number_refused(_INT, value)


def _read_float(value: Any) -> float:
    if type(value) is float and math.isfinite(value):
        return value
    value = without_numpy(value)
    if isinstance(value, bool):
        raise Wrong(f"takes {_FLOAT.meant}, not {value}", f"write {{name}}={int(value)}, if that is meant")
    if not isinstance(value, numbers.Real):
        raise _number_refused(_FLOAT, value)
    try:
        # An int stays an int, because its fingerprint is that of the equal float.
        if math.isfinite(value):
            return value if isinstance(value, int) else float(value)
    except OverflowError:
        pass
    raise Wrong(f"takes a finite number, not {shown(value, 20)}", "give a finite number")


def _number_refused(kind: Kind, value: Any) -> Wrong:
    if isinstance(value, str):
        try:
            number = kind.read(float(value))
        except (ValueError, Wrong):
            return Wrong(f"takes {kind.meant}, not a string", f"give {kind.meant}, without quotes")
        return Wrong(f"takes {kind.meant}, not a string", f"write {{name}}={number}, without quotes")
    return refusal(kind, value)


def _read_str(value: Any) -> str:
    if type(value) is str and value.isascii():
        return value
    if not isinstance(value, str):
        raise refusal(_STR, value)
    try:
        value.encode()
    except UnicodeEncodeError as error:
        half = value[error.start]
        raise Wrong(f"contains {half!r}, half of a character, which no file can store", "remove it") from None
    return value if type(value) is str else str.__str__(value)


_BOOL = Kind("True or False", _read_bool, fits=frozenset({bool}), written=("True", "False"))
_INT = Kind("an integer", _read_int, fits=frozenset({int}))
_FLOAT = Kind("a number", _read_float)
_STR = Kind("a string", _read_str, texts=True)


def _read_none(value: Any) -> None:
    if value is not None:
        raise Wrong("takes None")


NONE = Kind("None", _read_none, fits=frozenset({types.NoneType}))
PLAIN: dict[Any, Kind] = {
    bool: _BOOL,
    int: _INT,
    float: _FLOAT,
    str: _STR,
    None: NONE,
    types.NoneType: NONE,
    Any: Kind("anything", lambda value: value, fits=frozenset()),
}
