"""Kinds of tuples. Lists become tuples. Collections without an order, such as sets, are refused."""

import dataclasses
import functools
from collections.abc import Callable, Iterable
from typing import Any, cast

from adaptx.specs.kind import Kind, Wrong, article, shown


def tuple_of(item: Kind) -> Kind:
    """Return the kind of tuples of any length whose items are all of one kind."""
    meant = f"a tuple of {_plural(item.meant)}"

    def read(value: Any) -> Any:
        if type(value) is not tuple and not isinstance(value, tuple | list):
            raise _no_tuple(meant, item, value)
        return _checked_items(cast(tuple[Any, ...] | list[Any], value), lambda _: item)

    return _cached_if_texts(Kind(meant, read, texts=item.texts))


def fixed_tuple(items: list[Kind]) -> Kind:
    """Return the kind of tuples with one item of each of the given kinds, in this order."""
    meant = f"({', '.join(item.meant for item in items)})"

    def read(value: Any) -> Any:
        if not isinstance(value, tuple | list):
            raise _no_tuple(meant, items[0], value)
        values = cast(tuple[Any, ...] | list[Any], value)
        if len(values) != len(items):
            raise Wrong(f"takes {meant}, {len(items)} values, not {len(values)}", f"give {len(items)}", inside=True)
        return _checked_items(values, items.__getitem__)

    return _cached_if_texts(Kind(meant, read, texts=all(item.texts for item in items)))


def _cached_if_texts(kind: Kind) -> Kind:
    # Thousands of `Rows` have the same few columns. Numbers are not cached: 1, 1.0 and True would be one key.
    if not kind.texts:
        return kind
    remembered = functools.lru_cache(maxsize=4_096)(kind.read)

    def read(value: Any) -> Any:
        try:
            return remembered(value)
        except TypeError:
            # A list has no hash and cannot be looked up in the cache.
            return kind.read(value)

    return dataclasses.replace(kind, read=read)


def _checked_items(values: tuple[Any, ...] | list[Any], kind_at: Callable[[int], Kind]) -> tuple[Any, ...]:
    # A tuple whose items are all unchanged is returned itself.
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
        return Wrong(f"takes {meant}, not None", "write {name}=() for an empty one")
    what = "a string" if isinstance(value, str) else article(type(value).__name__)
    if isinstance(value, dict):
        return Wrong(f"takes {meant}, not {what}", "write its pairs as a tuple: tuple({...}.items())")
    if isinstance(value, Iterable) and not isinstance(value, str):
        return Wrong(f"takes {meant}, not {what}", "write a tuple, which has a fixed order: {name}=(..., ...)")
    try:
        item.read(value)
    except Wrong:
        return Wrong(f"takes {meant}, not {what}", "write a tuple: {name}=(...,)")
    return Wrong(f"takes {meant}, not {what}", f"write {{name}}=({shown(value)},)")


def _plural(meant: str) -> str:
    plain = {"a string": "strings", "a number": "numbers", "an integer": "integers"}
    if meant in plain:
        return plain[meant]
    return " or ".join(part.removeprefix("a ").removeprefix("an ") for part in meant.split(" or "))
