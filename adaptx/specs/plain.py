"""Conversion of specs to plain JSON and back, so that a stored stage can be rebuilt in another process."""

import dataclasses
import enum
import types
import typing
from typing import Any

from adaptx.errors import UserError
from adaptx.specs import formats, merge, methods, mixing, mixture, model, published, stage, task, text, training
from adaptx.specs import weight_search as search

_MODULES = (formats, merge, methods, mixing, mixture, model, published, search, stage, task, text, training)
_TYPES: dict[str, Any] = {
    name: value
    for module in _MODULES
    for name, value in vars(module).items()
    if isinstance(value, type) and (dataclasses.is_dataclass(value) or issubclass(value, enum.Enum))
}


def to_plain(value: Any) -> Any:
    """Return a spec as JSON values, with all its fields and the type name of each dataclass."""
    if isinstance(value, enum.Enum):
        return value.name
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"type": type(value).__name__, **fields}
    if isinstance(value, tuple | list):
        return [to_plain(item) for item in typing.cast(list[Any], value)]
    return value


def from_plain(value: Any) -> Any:
    """Return the spec from which `to_plain` made this value.

    Raises:
        UserError: the stored types or fields are not those of this version of adaptx.
    """
    if not isinstance(value, dict):
        return value
    body = dict(typing.cast(dict[str, Any], value))
    name = body.pop("type")
    cls = _TYPES.get(name)
    if cls is None:
        raise UserError(f"the stored spec contains a {name}, which this version of adaptx does not know")
    hints = typing.get_type_hints(cls)
    known = {field.name for field in dataclasses.fields(cls)}
    if unknown := sorted(set(body) - known):
        raise UserError(f"the stored {name} has fields that this version of adaptx does not know: {unknown}")
    if missing := sorted(known - set(body)):
        raise UserError(f"the stored {name} lacks fields that this version of adaptx has: {missing}")
    return cls(**{key: _value_from_plain(item, hints[key]) for key, item in body.items()})


def _value_from_plain(value: Any, hint: Any) -> Any:
    if isinstance(value, dict):
        return from_plain(value)
    options = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    if isinstance(value, list):
        item = next((a for option in options for a in _item_hints(option)), Any)
        return tuple(_value_from_plain(entry, item) for entry in typing.cast(list[Any], value))
    if isinstance(value, str):
        for option in options:
            if isinstance(option, type) and issubclass(option, enum.Enum):
                return option[value]
    return value


def _item_hints(option: Any) -> tuple[Any, ...]:
    return typing.get_args(option)[:1] if typing.get_origin(option) is tuple else ()
