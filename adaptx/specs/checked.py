"""Specs: frozen dataclasses whose values are checked against the types of their fields when they are created.

Lists become tuples and numpy's scalars become Python's, so that specs with the same content are equal. Nothing else is
converted.
"""

import dataclasses
import functools
import typing
from collections.abc import Callable
from typing import Any, TypeVar, cast, dataclass_transform, overload

from adaptx.errors import UserError
from adaptx.specs.brief import brief
from adaptx.specs.kind import Kind, Wrong, shown
from adaptx.specs.kinds import kind_of

T = TypeVar("T")


@overload
@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def spec(cls: type[T], /) -> type[T]: ...
@overload
@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def spec(*, kw_only: bool) -> Callable[[type[T]], type[T]]: ...
def spec(cls: type[T] | None = None, /, *, kw_only: bool = False) -> Any:
    """Turn a class into a frozen dataclass whose values are checked before its own `__post_init__` runs.

    Creating an object raises `UserError` if an argument is missing or unknown, has the wrong type, or lies outside the
    range that its field's type names (`adaptx.specs.ranges`).

    Args:
        cls: the class to decorate.
        kw_only: whether every field must be given by name.
    """
    return functools.partial(_spec, kw_only=kw_only) if cls is None else _spec(cls, kw_only)


def _spec(cls: type[T], kw_only: bool) -> type[T]:
    own: Callable[[Any], None] | None = cls.__dict__.get("__post_init__")

    def check(self: Any) -> None:
        _check(self)
        assert own is not None
        own(self)

    setattr(cls, "__post_init__", _check if own is None else check)  # noqa: B010
    if "__repr__" not in cls.__dict__:
        setattr(cls, "__repr__", brief)  # noqa: B010
    made = dataclasses.dataclass(frozen=True, kw_only=kw_only)(cls)
    build: Callable[..., None] = made.__init__

    @functools.wraps(build)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            build(self, *args, **kwargs)
        except TypeError:
            if (reason := _arguments_fault(made, len(args), list(kwargs))) is not None:
                raise UserError(reason) from None
            raise

    setattr(made, "__init__", init)  # noqa: B010
    return made


def is_spec(cls: type) -> bool:
    """Return whether a class was made by `spec`."""
    return getattr(cls.__init__, "__wrapped__", None) is not None and dataclasses.is_dataclass(cls)


@functools.cache
def _fields_with_kinds(cls: type) -> tuple[tuple[str, object, frozenset[type], Kind], ...]:
    hints = typing.get_type_hints(cls, include_extras=True)
    kinds = [(field, kind_of(hints[field.name])) for field in dataclasses.fields(cast(Any, cls))]
    return tuple((field.name, field.default, kind.fits, kind) for field, kind in kinds)


def _check(self: Any) -> None:
    values: dict[str, Any] = self.__dict__
    for name, default, fits, kind in _fields_with_kinds(type(self)):
        value = values[name]
        if value is default or type(value) in fits:
            continue
        try:
            read = kind.read(value)
        except Wrong as wrong:
            raise UserError(f"{type(self).__name__}({name}={shown(value)}): {wrong.told(name)}") from None
        if read is not value:
            object.__setattr__(self, name, read)


def _arguments_fault(cls: type, count: int, names: list[str]) -> str | None:
    from difflib import get_close_matches

    fields = {field.name: field for field in dataclasses.fields(cast(Any, cls))}
    by_place = [name for name, field in fields.items() if not field.kw_only]
    takes = f"it takes: {', '.join(fields) or 'nothing'}"
    for name in names:
        if name not in fields:
            near = get_close_matches(name, fields, n=3)
            return f"{cls.__name__} has no field {name!r}; near: {', '.join(near) or 'none'} ({takes})"
    if count > len(by_place):
        by_name = ", ".join(name for name in fields if name not in by_place)
        so = f"it takes by position: {', '.join(by_place) or 'nothing'}; by name: {by_name}" if by_name else takes
        return f"{cls.__name__}(...) was given {count} values{' by position' if by_name else ''}; {so}"
    if twice := [name for name in by_place[:count] if name in names]:
        return f"{cls.__name__}({twice[0]}=...) is given twice, by position and by name; give it once"
    given = {*by_place[:count], *names}
    missing = [
        name
        for name, field in fields.items()
        if name not in given and field.default is field.default_factory is dataclasses.MISSING
    ]
    if missing:
        return f"{cls.__name__}(...) needs {', '.join(missing)}: write {cls.__name__}({missing[0]}=...); {takes}"
    return None
