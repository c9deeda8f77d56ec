"""The kind of values that a spec's field takes, by the field's type."""

import dataclasses
import enum
import inspect
import types
import typing
from typing import Annotated, Any, Literal

from adaptx.specs.kind import Kind, Wrong, article, example, refusal
from adaptx.specs.plain_kinds import NONE, PLAIN, without_numpy
from adaptx.specs.ranges import Known, NotEmpty, Range, Within
from adaptx.specs.tuple_kinds import fixed_tuple, tuple_of


def kind_of(hint: Any) -> Kind:
    """Return the kind of values that a field with this type takes."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        known = {value: why for each in arguments[1:] if isinstance(each, Known) for value, why in each.reasons.items()}
        ranges = [each for each in arguments[1:] if isinstance(each, Within | NotEmpty)]
        return _bounded(kind_of(arguments[0]), ranges, known)
    if origin in (typing.Union, types.UnionType):
        return _any_of([kind_of(each) for each in arguments])
    if origin is Literal:
        return _words(arguments)
    if origin is tuple:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return tuple_of(kind_of(arguments[0]))
        return fixed_tuple([kind_of(each) for each in arguments])
    if hint in PLAIN:
        return PLAIN[hint]
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return _members(hint)
    assert isinstance(hint, type), f"no kind of values is known for the type {hint}"
    return _subclass_kind(hint) if inspect.isabstract(hint) else _instances(hint)


def _bounded(kind: Kind, ranges: list[Range], known: dict[str, str]) -> Kind:
    def read(value: Any) -> Any:
        if known and (reason := known.get(value if isinstance(value, str) else type(value).__name__)) is not None:
            raise Wrong(f"takes {kind.meant}, not {article(type(value).__name__)}: {reason}", inside=True)
        value = kind.read(value)
        for each in ranges:
            if not each.holds(value):
                raise Wrong(each.told, inside=True)
        return value

    return dataclasses.replace(kind, read=read, fits=frozenset() if ranges else kind.fits)


def _any_of(kinds: list[Kind]) -> Kind:
    fits = frozenset(each for kind in kinds for each in kind.fits)

    def read(value: Any) -> Any:
        # A value of a type that fits is accepted before any conversion: 1 stays the int of `float | int`.
        if type(value) in fits:
            return value
        wrongs: list[Wrong] = []
        for kind in kinds:
            try:
                return kind.read(value)
            except Wrong as wrong:
                wrongs.append(wrong)
        inside = next((wrong for wrong in wrongs if wrong.inside), None)
        one = [(kind, wrong) for kind, wrong in zip(kinds, wrongs, strict=True) if kind is not NONE]
        if inside is None and len(one) == 1 and not isinstance(value, type):
            inside = one[0][1]
        raise inside or refusal(whole, value)

    words = [kind.meant for kind in kinds]
    meant = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
    written = tuple(each for kind in kinds for each in kind.written)
    whole = Kind(meant, read, fits=fits, written=written, texts=all(kind.texts for kind in kinds))
    return whole


def _words(options: tuple[Any, ...]) -> Kind:
    def read(value: Any) -> Any:
        value = without_numpy(value)
        for option in options:
            if type(value) is type(option) and value == option:
                return option
        if isinstance(value, str):
            raise Wrong(f"must be {kind.meant}", example(kind), inside=True)
        raise refusal(kind, value)

    kind = Kind(" or ".join(map(repr, options)), read, written=tuple(map(repr, options)))
    return kind


def _members(cls: type[enum.Enum]) -> Kind:
    def read(value: Any) -> Any:
        if isinstance(value, cls):
            return value
        by_value = next((each for each in cls if isinstance(value, str) and each.value == value), None)
        if by_value is not None:
            raise Wrong(f"takes {kind.meant}, not a string", f"write {{name}}={by_value}")
        raise refusal(kind, value)

    kind = Kind(article(cls.__name__), read, fits=frozenset({cls}), written=tuple(map(str, cls)))
    return kind


def _instances(cls: type) -> Kind:
    def read(value: Any) -> Any:
        if isinstance(value, cls):
            return value
        raise refusal(kind, value)

    kind = Kind(article(cls.__name__), read, fits=frozenset({cls}), written=(f"{cls.__name__}(...)",))
    return kind


def _subclass_kind(cls: type) -> Kind:
    every = _any_of([_instances(each) for each in cls.__subclasses__()])
    return dataclasses.replace(every, read=lambda value: value if isinstance(value, cls) else every.read(value))
