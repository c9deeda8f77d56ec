"""Convert records to JSON and back. A record is a frozen dataclass; the types of its fields say how each is read.

`from_json` accepts only what `to_json` wrote. It refuses a missing field, an unknown field, and a value of another
type. A field is a number, a string, None, a tuple, a mapping with strings as keys, another record, or a spec (written
by `adaptx.specs.plain`). A field of the type `Any` or `list[Any]` holds JSON that is kept unchanged.
"""

import dataclasses
import functools
import json
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

from adaptx.errors import UserError
from adaptx.specs.checked import is_spec
from adaptx.specs.plain import from_plain, to_plain

T = TypeVar("T")


class Unreadable(UserError):
    """The error that JSON is not the expected record; the message says where it differs."""


def to_json(value: Any) -> Any:
    """Return a record, or a value of one of its fields, as JSON."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        if is_spec(type(value)):
            return to_plain(value)
        return {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: to_json(each) for key, each in cast(Mapping[str, Any], value).items()}
    if isinstance(value, tuple | list):
        return [to_json(each) for each in cast(tuple[Any, ...], value)]
    return value


def from_json(record: type[T], value: Any) -> T:
    """Return the record that `to_json` wrote as this JSON.

    Raises:
        Unreadable: the JSON is not such a record, or was written by another version of adaptx.
    """
    return _read_record(record, value, "")


def read_record(record: type[T], file: Path) -> T:
    """Return the record that a file holds.

    Raises:
        Unreadable: the file does not hold such a record.
        OSError: the file cannot be read.
    """
    return parse_record(record, file.read_text(encoding="utf-8"))


def parse_record(record: type[T], text: str) -> T:
    """Return the record that a JSON string holds.

    Raises:
        Unreadable: the string does not hold such a record.
    """
    try:
        value = json.loads(text, parse_constant=_refuse_nan_or_infinity)
    except ValueError as error:
        raise Unreadable(f"it is not valid JSON: {error}") from error
    return from_json(record, value)


def _refuse_nan_or_infinity(name: str) -> float:
    raise Unreadable(f"it is not valid JSON: it holds {name}")


@functools.cache
def _field_types(record: type) -> dict[str, Any]:
    hints = typing.get_type_hints(record)
    return {field.name: hints[field.name] for field in dataclasses.fields(cast(Any, record))}


def _read_record(record: type[T], value: Any, place: str) -> T:
    fields = _field_types(record)
    body = _object(value, place, f"the record {record.__name__}")
    if missing := [name for name in fields if name not in body]:
        raise Unreadable(f"{_shown(place)} has no `{missing[0]}`, which this version of adaptx writes")
    if unknown := [name for name in body if name not in fields]:
        raise Unreadable(f"{_shown(place)} has a `{unknown[0]}`, which this version of adaptx does not know")
    dot = f"{place}." if place else ""
    return record(**{name: _read_as(hint, body[name], f"{dot}{name}") for name, hint in fields.items()})


def _read_as(hint: Any, value: Any, place: str) -> Any:
    if hint is Any:
        return value
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _read_union(arguments, value, place)
    if origin is tuple:
        assert arguments[1] is Ellipsis, f"a record's tuple holds values of one type, not {hint}"
        if not isinstance(value, list):
            raise _other(place, "a list", value)
        item = arguments[0]
        return tuple(_read_as(item, each, f"{place}[{number}]") for number, each in enumerate(cast(list[Any], value)))
    if hint == list[Any]:
        if not isinstance(value, list):
            raise _other(place, "a list", value)
        return cast(list[Any], value)
    if origin is Mapping:
        body = _object(value, place, "an object")
        return {key: _read_as(arguments[1], each, f"{place}.{key}") for key, each in body.items()}
    if _is_spec_type(hint):
        return _read_spec(value, place)
    if dataclasses.is_dataclass(hint):
        return _read_record(cast(Any, hint), value, place)
    if not _fits(hint, value):
        raise _other(place, _MEANT[hint], value)
    return value


def _read_union(options: tuple[Any, ...], value: Any, place: str) -> Any:
    others = tuple(option for option in options if option is not types.NoneType)
    if value is None and len(others) < len(options):
        return None
    if len(others) == 1:
        return _read_as(others[0], value, place)
    assert all(_is_spec_type(option) for option in others), f"a record's field is of one type or None, not {options}"
    return _read_spec(value, place)


def _is_spec_type(hint: Any) -> bool:
    # Types such as `Method` stand for several kinds of specs.
    return is_spec(hint) or hint.__module__.startswith("adaptx.specs.")


def _read_spec(value: Any, place: str) -> Any:
    # Any spec is accepted, so a new method or format need not be named here.
    try:
        return from_plain(_object(value, place, "a spec"))
    except (UserError, TypeError, KeyError) as error:
        raise Unreadable(f"`{place}`: {error}") from error


_MEANT: dict[Any, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def _fits(hint: Any, value: Any) -> bool:
    if isinstance(value, bool):
        return hint is bool
    return isinstance(value, int | float) if hint is float else isinstance(value, hint)


def _object(value: Any, place: str, meant: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _other(place, meant, value)
    return cast(dict[str, Any], value)


def _other(place: str, meant: str, value: Any) -> Unreadable:
    text = json.dumps(value, ensure_ascii=False)
    return Unreadable(f"{_shown(place)} is {text if len(text) <= 40 else f'{text[:37]}...'}, not {meant}")


def _shown(place: str) -> str:
    return f"`{place}`" if place else "it"
