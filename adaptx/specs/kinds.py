"""Kinds of values that a spec's field takes, read from its type: what fits, what is converted, why one is refused."""

import dataclasses
import enum
import functools
import math
import numbers
import types
import typing
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Annotated, Any, Literal, cast

from adaptx.specs.ranges import Filled, Known, Range, Within


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
    fits: frozenset[type] = frozenset()
    written: tuple[str, ...] = ()
    texts: bool = False


def kind_of(hint: Any) -> Kind:
    """Return the kind of a field's type."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        known = {value: why for each in arguments[1:] if isinstance(each, Known) for value, why in each.reasons.items()}
        ranges = [each for each in arguments[1:] if isinstance(each, Within | Filled)]
        return _bounded(kind_of(arguments[0]), ranges, known)
    if origin in (typing.Union, types.UnionType):
        return _any_of([kind_of(each) for each in arguments])
    if origin is Literal:
        return _words(arguments)
    if origin is tuple:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return _tuple_of(kind_of(arguments[0]))
        return _fixed([kind_of(each) for each in arguments])
    if hint in _PLAIN:
        return _PLAIN[hint]
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return _members(hint)
    assert isinstance(hint, type), f"no kind of values is known for the type {hint}"
    return _instances(hint)


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


def _article(word: str) -> str:
    return f"an {word}" if word[:1] in "aeiouAEIOU" else f"a {word}"


def _refused(kind: Kind, value: Any) -> Wrong:
    """Return why a value is not of a kind, with what to write in its place."""
    if value is None:
        return Wrong(f"takes {kind.meant}, not None", _example(kind))
    if isinstance(value, type) and dataclasses.is_dataclass(value):
        return Wrong(f"takes {kind.meant}, and this is the class itself", f"write {{name}}={value.__name__}(...)")
    what = "a text" if isinstance(value, str) else _article(type(value).__name__)
    if isinstance(value, str) and kind.written:
        near = {written.partition("(")[0].rpartition(".")[2].lower(): written for written in kind.written}
        found = get_close_matches(value.lower().replace("-", "_"), near, n=1)
        meant = [near[found[0]]] if found else list(near.values())
        return Wrong(f"takes {kind.meant}, not {what}", f"write {{name}}={' or '.join(meant)}")
    if callable(value) and not dataclasses.is_dataclass(value):
        return Wrong(f"takes {kind.meant}, not {what}", "give its result: write the call with its parentheses")
    return Wrong(f"takes {kind.meant}, not {what}", _example(kind))


def _example(kind: Kind) -> str:
    return f"write {{name}}={' or '.join(kind.written)}" if kind.written else f"give {kind.meant}"


def _plain(value: Any) -> Any:
    """Return numpy's scalar as Python's, and anything else as it is; numpy itself is not imported."""
    if any(base.__name__ == "generic" and base.__module__ == "numpy" for base in type(value).__mro__):
        return value.item()
    return value


def _read_bool(value: Any) -> bool:
    value = _plain(value)
    if isinstance(value, bool):
        return value
    raise _refused(_BOOL, value)


def _read_int(value: Any) -> int:
    if type(value) is int:
        return value
    value = _plain(value)
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
    value = _plain(value)
    if isinstance(value, bool):
        raise Wrong(f"takes {_FLOAT.meant}, not {value}", f"write {{name}}={int(value)}, if that is meant")
    if not isinstance(value, numbers.Real):
        raise _number_refused(_FLOAT, value)
    try:
        # Whole numbers stay as they are written; their identity is that of the float.
        if math.isfinite(value):
            return value if isinstance(value, int) else float(value)
    except OverflowError:
        pass
    raise Wrong(f"takes a finite number, not {shown(value, 20)}", "give a number that is finite")


def _number_refused(kind: Kind, value: Any) -> Wrong:
    if isinstance(value, str):
        try:
            number = kind.read(float(value))
        except (ValueError, Wrong):
            return Wrong(f"takes {kind.meant}, not a text", f"give {kind.meant}, without quotes")
        return Wrong(f"takes {kind.meant}, not a text", f"write {{name}}={number}, without quotes")
    return _refused(kind, value)


def _read_str(value: Any) -> str:
    if type(value) is str and value.isascii():
        return value
    if not isinstance(value, str):
        raise _refused(_STR, value)
    try:
        value.encode()
    except UnicodeEncodeError as error:
        half = value[error.start]
        raise Wrong(f"holds {half!r}, half of a character, which no file can hold", "remove it") from None
    return value if type(value) is str else str.__str__(value)


_BOOL = Kind("True or False", _read_bool, frozenset({bool}), ("True", "False"))
_INT = Kind("a whole number", _read_int, frozenset({int}))
_FLOAT = Kind("a number", _read_float)
_STR = Kind("a text", _read_str, texts=True)


def _read_none(value: Any) -> None:
    if value is not None:
        raise Wrong("takes None")


_NONE = Kind("None", _read_none, frozenset({types.NoneType}))
_PLAIN: dict[Any, Kind] = {
    bool: _BOOL,
    int: _INT,
    float: _FLOAT,
    str: _STR,
    None: _NONE,
    types.NoneType: _NONE,
    Any: Kind("anything", lambda value: value, frozenset()),
}


def _bounded(kind: Kind, ranges: list[Range], known: dict[str, str]) -> Kind:
    def read(value: Any) -> Any:
        if known and (reason := known.get(value if isinstance(value, str) else type(value).__name__)) is not None:
            raise Wrong(f"takes {kind.meant}, not {_article(type(value).__name__)}: {reason}", inside=True)
        value = kind.read(value)
        for each in ranges:
            if not each.holds(value):
                raise Wrong(each.told, inside=True)
        return value

    return dataclasses.replace(kind, read=read, fits=frozenset() if ranges else kind.fits)


def _any_of(kinds: list[Kind]) -> Kind:
    fits = frozenset(each for kind in kinds for each in kind.fits)

    def read(value: Any) -> Any:
        # Exact types first: 1 is the int of `float | int`, and a tuple of nothing but fitting items stays.
        if type(value) in fits:
            return value
        wrongs: list[Wrong] = []
        for kind in kinds:
            try:
                return kind.read(value)
            except Wrong as wrong:
                wrongs.append(wrong)
        inside = next((wrong for wrong in wrongs if wrong.inside), None)
        one = [(kind, wrong) for kind, wrong in zip(kinds, wrongs, strict=True) if kind is not _NONE]
        if inside is None and len(one) == 1 and not isinstance(value, type):
            inside = one[0][1]
        raise inside or _refused(whole, value)

    words = [kind.meant for kind in kinds]
    meant = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
    written = tuple(each for kind in kinds for each in kind.written)
    whole = Kind(meant, read, fits, written, all(kind.texts for kind in kinds))
    return whole


def _words(options: tuple[Any, ...]) -> Kind:
    def read(value: Any) -> Any:
        value = _plain(value)
        for option in options:
            if type(value) is type(option) and value == option:
                return option
        if isinstance(value, str):
            raise Wrong(f"is none of {kind.meant}", _example(kind), inside=True)
        raise _refused(kind, value)

    kind = Kind(" or ".join(map(repr, options)), read, written=tuple(map(repr, options)))
    return kind


def _members(cls: type[enum.Enum]) -> Kind:
    def read(value: Any) -> Any:
        if isinstance(value, cls):
            return value
        by_value = next((each for each in cls if isinstance(value, str) and each.value == value), None)
        if by_value is not None:
            raise Wrong(f"takes {kind.meant}, not a text", f"write {{name}}={by_value}")
        raise _refused(kind, value)

    kind = Kind(_article(cls.__name__), read, frozenset({cls}), tuple(map(str, cls)))
    return kind


def _instances(cls: type) -> Kind:
    def read(value: Any) -> Any:
        if isinstance(value, cls):
            return value
        raise _refused(kind, value)

    kind = Kind(_article(cls.__name__), read, frozenset({cls}), (f"{cls.__name__}(...)",))
    return kind


def _tuple_of(item: Kind) -> Kind:
    meant = f"a tuple of {_many(item.meant)}"

    def read(value: Any) -> Any:
        if type(value) is not tuple and not isinstance(value, tuple | list):
            raise _no_tuple(meant, item, value)
        return _items(cast(tuple[Any, ...] | list[Any], value), lambda _: item)

    return _remembering(Kind(meant, read, texts=item.texts))


def _fixed(items: list[Kind]) -> Kind:
    meant = f"({', '.join(item.meant for item in items)})"

    def read(value: Any) -> Any:
        if not isinstance(value, tuple | list):
            raise _no_tuple(meant, items[0], value)
        values = cast(tuple[Any, ...] | list[Any], value)
        if len(values) != len(items):
            raise Wrong(f"takes {meant}, {len(items)} values, not {len(values)}", f"give {len(items)}", inside=True)
        return _items(values, items.__getitem__)

    return _remembering(Kind(meant, read, texts=all(item.texts for item in items)))


def _remembering(kind: Kind) -> Kind:
    """Return the kind with its checked tuples remembered, if they hold texts alone.

    A thousand sets of rows have the same few columns. Numbers are looked at each time, since 1, 1.0 and True are equal.
    """
    if not kind.texts:
        return kind
    remembered = functools.lru_cache(maxsize=4_096)(kind.read)

    def read(value: Any) -> Any:
        try:
            return remembered(value)
        except TypeError:
            # A list has no hash.
            return kind.read(value)

    return dataclasses.replace(kind, read=read)


def _items(values: tuple[Any, ...] | list[Any], kind_at: Callable[[int], Kind]) -> tuple[Any, ...]:
    """Return the values as a tuple, the same one where nothing is converted."""
    same = type(values) is tuple
    found: list[Any] = []
    for place, value in enumerate(values):
        kind = kind_at(place)
        if type(value) in kind.fits:
            found.append(value)
            continue
        try:
            read = kind.read(value)
        except Wrong as wrong:
            remedy = wrong.remedy.replace("{name}=", "")
            raise Wrong(wrong.reason, remedy, f"[{place}]{wrong.where}", inside=True) from None
        same = same and read is value
        found.append(read)
    return cast(tuple[Any, ...], values) if same else tuple(found)


def _no_tuple(meant: str, item: Kind, value: Any) -> Wrong:
    if value is None:
        return Wrong(f"takes {meant}, not None", "write {name}=() for none")
    what = "a text" if isinstance(value, str) else _article(type(value).__name__)
    if isinstance(value, dict):
        return Wrong(f"takes {meant}, not {what}", "write its pairs as a tuple: tuple({...}.items())")
    if isinstance(value, Iterable) and not isinstance(value, str):
        return Wrong(f"takes {meant}, not {what}", "write a tuple, whose order is fixed: {name}=(..., ...)")
    try:
        item.read(value)
    except Wrong:
        return Wrong(f"takes {meant}, not {what}", "write a tuple: {name}=(...,)")
    return Wrong(f"takes {meant}, not {what}", f"write {{name}}=({shown(value)},)")


def _many(meant: str) -> str:
    """Return `a text` as `texts`, `a Train or a Published` as `Train or Published`."""
    plain = {"a text": "texts", "a number": "numbers", "a whole number": "whole numbers"}
    if meant in plain:
        return plain[meant]
    return " or ".join(part.removeprefix("a ").removeprefix("an ") for part in meant.split(" or "))
