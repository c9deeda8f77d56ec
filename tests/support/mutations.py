"""All ways to change one field anywhere in a spec, found by introspection of the dataclasses."""

import dataclasses
import enum
import types
import typing
from collections.abc import Iterator
from typing import Any, NamedTuple

from adaptx.errors import UserError
from adaptx.specs import Exposure, Hidden, Method, Precision, Rows, SeenData, Temperature, Train
from adaptx.specs.fingerprint import is_outside_identity
from adaptx.specs.methods import METHODS

# Field -> valid values, for values that the rules below cannot guess.
GIVEN: dict[str, tuple[Any, ...]] = {
    "precision": ("fp32", "bf16"),
    "sites": (("query",), ("key",)),
    "ranks": ((("query", 3),),),
    "alphas": ((("query", 5.0),),),
    "language": ("ko", "de", "en"),
    "framing": (Hidden(layer=5), None),
    "embedding": (Hidden(layer=5), Hidden(layer=6)),
    "columns": ((("text", "other"),),),
    "wording": ((("question", (("cause", "why"),)),),),
    "starts_with": (("set", "x"),),
    "answers": ((("yes", "ja"),),),
    "by_language": (),
    "shape": (None,),
    "activation": ("gelu", "tanh"),
    "seen": ((SeenData("nli", Exposure.KIND),),),
    "sampling": (Temperature(3.0), Temperature(4.0)),
    # Part of identity only if there is a limit: tests/test_identity.py has separate tests for them.
    "limit_seed": (),
    "parallel_group": (),
}
PRECISION, *_ = typing.get_args(Precision)
ONE_SET = Rows("some/set", "config", "split", "fo", (("text", "text"),))


class Mutation(NamedTuple):
    """One changed field.

    path: such as `task.train[0].first`. owner: the dataclass and field that changed. outside: whether the field is
    outside identity.
    """

    path: str
    owner: tuple[type, str]
    outside: bool
    value: Any


def mutations(spec: Any, path: str = "", outside: bool = False) -> Iterator[Mutation]:
    """Yield `spec` with one field changed, for each field of it and of specs inside. Invalid values are left out."""
    hints = typing.get_type_hints(type(spec))
    for field in dataclasses.fields(spec):
        value = getattr(spec, field.name)
        here = f"{path}.{field.name}" if path else field.name
        out = outside or is_outside_identity(field)
        others = _others(field.name, value, hints[field.name])
        found = [Mutation(here, (type(spec), field.name), out, other) for other in others]
        if _is_spec(value):
            found += mutations(value, here, out)
        if isinstance(value, tuple):
            for index, item in enumerate(value):
                if _is_spec(item):
                    found += [
                        inner._replace(value=(*value[:index], inner.value, *value[index + 1 :]))
                        for inner in mutations(item, f"{here}[{index}]", out)
                    ]
        for mutation in found:
            try:
                yield mutation._replace(value=dataclasses.replace(spec, **{field.name: mutation.value}))
            except UserError:
                continue


def _is_spec(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _others(name: str, value: Any, hint: Any) -> list[Any]:
    """Return other values for a field of this name, value and type."""
    if name in GIVEN:
        return [other for other in GIVEN[name] if other != value]
    options = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    match value:
        case bool():
            return [not value]
        case int():
            return [value + 1]
        case float():
            return [value / 2 or 0.25]
        case str():
            return [f"{value}x"]
        case enum.Enum():
            members = list(type(value))
            return [members[(members.index(value) + 1) % len(members)]]
        case None:
            first = next(option for option in options if option is not type(None))
            if first is bool:
                return [True]
            if isinstance(first, enum.EnumType):
                return list(first)
            return [{int: 7, float: 0.5, str: "x", PRECISION: "bf16", Hidden: Hidden(layer=3)}.get(first, "x")]
        case tuple():
            item = next(iter(typing.get_args(hint)), None)
            last = value[-1] if value else (ONE_SET if item is Rows else "x")
            # A set in an additional language is another evaluation set; a second set in the same language is not valid.
            # A module that is mixed in twice is not valid either.
            more = dataclasses.replace(last, language="fo") if isinstance(last, Rows) else last
            more = dataclasses.replace(last, limit=99) if isinstance(last, Train) else more
            longer = (*value, f"{more}x" if isinstance(more, str) else more)
            return [longer, (*value[:-1], last / 2)] if isinstance(last, float) else [longer]
        case _:
            kinds = [cls for option in options for cls in (METHODS if option is Method else (option,))]
            others = [cls for cls in kinds if cls is not type(value) and dataclasses.is_dataclass(cls)]
            return [*([None] if type(None) in options else []), *(m for cls in others if (m := _made(cls)) is not None)]


def _made(cls: type) -> Any:
    try:
        return cls()
    except UserError:
        return None
