"""Convert a recipe's options, which are strings on the command line, to the types of `build()`'s parameters."""

import enum
import inspect
import math
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from adaptx.catalog.methods import find_method
from adaptx.catalog.models import find_model
from adaptx.catalog.tasks import find_task
from adaptx.errors import UserError
from adaptx.specs import Method, ModelSpec, Task
from adaptx.specs.near import near

OPTIONS = {"model": ModelSpec, "size": str}
"""Parameter of `build` that has its own command-line option -> its type if `build` gives it none."""
_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_NAMED: dict[Any, Callable[[str], Any]] = {ModelSpec: find_model, Task: find_task, Method: find_method}
"""Type -> function that finds a value of this type in the catalog by its name."""
_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def arguments(build: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments for a recipe's `build()`. Strings become the parameters' types; other values are unchanged.

    Raises:
        UserError: an option is unknown or missing, or does not have its parameter's type.
    """
    parameters = inspect.signature(build).parameters
    for name, each in parameters.items():
        if each.kind is inspect.Parameter.POSITIONAL_ONLY and each.default is each.empty:
            raise UserError(
                f"build({name}, /) takes {name} only by position, but options are passed by name; remove the slash"
            )
    taken = {name: each for name, each in parameters.items() if each.kind in _BY_NAME}
    try:
        hints = typing.get_type_hints(build)
    except Exception as error:
        raise UserError(f"a type annotation of build() cannot be read: {error}; import that type") from error
    values: dict[str, Any] = {}
    for key, text in options.items():
        if key not in taken:
            takes = f"its options: {', '.join(taken)}" if taken else "it has no options"
            raise UserError(f"build() has no option {key!r}; near: {near(key, taken)} ({takes})")
        if not isinstance(text, str):
            values[key] = text
            continue
        try:
            values[key] = _as_type(text, hints[key] if key in hints else _type_without_annotation(taken[key]))
        except UserError as error:
            raise UserError(f"option {key}={text!r}: {error}") from error
    missing = [name for name, each in taken.items() if each.default is each.empty and name not in values]
    if missing:
        shown = " ".join(f"--{name} NAME" if name in OPTIONS else f"--set {name}=VALUE" for name in missing)
        raise UserError(f"build() has parameters without a default; add {shown}")
    return values


def _type_without_annotation(parameter: inspect.Parameter) -> Any:
    # Without a default or a name in `OPTIONS`, guessing `str` would pass "3" where the recipe expects a number.
    default = parameter.default
    found = _type_of(default)
    if found is None and isinstance(default, tuple) and default:
        item = _type_of(typing.cast(tuple[Any, ...], default)[0])
        found = item and tuple[item, ...]
    found = found or OPTIONS.get(parameter.name)
    if found is None:
        raise UserError(
            f"build({parameter.name}) has neither a type nor a default; write its type, such as "
            f"build({parameter.name}: int)"
        )
    return found


def _type_of(value: Any) -> Any:
    kinds: tuple[Any, ...] = (bool, int, float, str, ModelSpec, Task, Method)
    return next(
        (kind for kind in kinds if isinstance(value, kind)), type(value) if isinstance(value, enum.Enum) else None
    )


def _as_type(text: str, hint: Any) -> Any:
    """Return an option's string as a value of its parameter's type.

    The type may be bool, int, float, str, Path, a Literal, an enum, a type whose values the catalog names (`_NAMED`), a
    tuple or list of these (written with commas), or a union of these.

    Raises:
        UserError: the string is no value of that type; the message says what to write.
    """
    origin, given = typing.get_origin(hint), typing.get_args(hint)
    if hint in _NAMED:
        return _NAMED[hint](text)
    if origin is typing.Literal:
        return _one_of({str(option): option for option in given}, text)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return _one_of({member.name.lower(): member for member in hint}, text.lower())
    if origin in (tuple, list):
        parts = [part.strip() for part in text.removesuffix(",").split(",")] if text.strip() else []
        if origin is tuple and given[-1] is not ...:
            return _of_given_length(parts, given)
        return origin(_as_type(part, given[0]) for part in parts)
    if origin in (typing.Union, types.UnionType):
        return _first_that_reads(text, given)
    if hint in _READ:
        return _READ[hint](text)
    name = getattr(hint, "__name__", str(hint))
    raise UserError(f"an option cannot have the type {name}; use bool, int, float, str, a tuple, or ModelSpec")


def _of_given_length(parts: list[str], hints: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(parts) != len(hints):
        raise UserError(f"it has {len(parts)} values instead of {len(hints)}; separate the values by commas")
    return tuple(_as_type(part, hint) for part, hint in zip(parts, hints, strict=True))


def _one_of(options: dict[str, Any], text: str) -> Any:
    if text not in options:
        raise UserError(f"choose one of {', '.join(options)}")
    return options[text]


def _first_that_reads(text: str, hints: tuple[Any, ...]) -> Any:
    if text.lower() == "none" and type(None) in hints:
        return None
    kinds = [hint for hint in hints if hint is not type(None)]
    told: list[str] = []
    for hint in kinds:
        try:
            return _as_type(text, hint)
        except UserError as error:
            told.append(str(error))
    raise UserError("; ".join(dict.fromkeys(told)))


def _truth(text: str) -> bool:
    if text.lower() not in _TRUTH:
        raise UserError("it is neither true nor false; write true or false")
    return _TRUTH[text.lower()]


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise UserError("it is not a whole number; write one, such as 3") from None


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UserError("it is not a finite number; write one, such as 1e-4")
    return number


_READ: dict[Any, Callable[[str], Any]] = {bool: _truth, int: _whole, float: _number, str: str, Path: Path, Any: str}
