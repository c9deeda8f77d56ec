"""One valid value of every spec, found by walking a few stages, and wrong values for each of its fields."""

import dataclasses
import enum
import types
import typing
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np

from adaptx import specs
from adaptx.catalog import E5_MINI, HELLASWAG, LAREQA, NLI, NTREX_SPANS, PANX, PHANG_2020, SNLI, SQUAD, TATOEBA, XTREME
from adaptx.specs import (
    Attention,
    AveragedHeads,
    Best,
    BitextMining,
    Bottleneck,
    Dare,
    Evaluate,
    Full,
    Fuse,
    Gate,
    Generate,
    GreedySoup,
    Ia3,
    KeptHead,
    KeptHeadOf,
    Linear,
    Lora,
    LoraHub,
    MagnitudePruning,
    MaskedLanguageModel,
    Merge,
    Merged,
    Mixture,
    Prompt,
    Proportional,
    Published,
    Recipe,
    Resources,
    Sequential,
    Stack,
    SvdRank,
    TaskArithmetic,
    Temperature,
    Text,
    Ties,
    Train,
    TrainConfig,
    Uniform,
    Weighted,
    WeightSearch,
    difference,
)
from adaptx.specs.merge import NoHead

CONFIG = TrainConfig(1e-3, epochs=1, selection=Best(5))
TUNED = specs.tune(lambda rate, seed: Train(E5_MINI, NLI, Lora(), TrainConfig(rate, epochs=1, seed=seed)), (1e-3, 1e-2))
FIRST, SECOND = (Train(E5_MINI, SNLI, Lora(rank), CONFIG) for rank in (4, 8))
SEARCHED = Merge((FIRST, SECOND), Linear(WeightSearch(SNLI, LoraHub())), KeptHeadOf(0))
STARTED = tuple(
    Train(E5_MINI, NLI, Lora(4), CONFIG, start)
    for start in (Sequential(FIRST), Stack((FIRST,)), Fuse((FIRST, SECOND), Gate(8)), Merged(SEARCHED))
)
SCORES = tuple(Evaluate(train, NLI, "id") for train in STARTED)
ROOTS = (
    Recipe(
        "all",
        SCORES,
        suites=(XTREME,),
        published=PHANG_2020,
        contrasts=(difference("stacked rather than continued", SCORES[1:2], SCORES[:1]),),
    ),
    Train(E5_MINI, Mixture((NLI, SNLI), Weighted((1.0, 2.0))), Full(), CONFIG, head=KeptHead()),
    Train(E5_MINI, NTREX_SPANS, Bottleneck(), CONFIG, framing=Text(Prompt("{text}"), Generate())),
    Published("./folder", E5_MINI, Lora(), name="theirs"),
    Ia3(),
    (HELLASWAG, LAREQA, PANX, SQUAD, TATOEBA, BitextMining(), MaskedLanguageModel(), Attention(4), GreedySoup()),
    (AveragedHeads(), NoHead(), Dare(), MagnitudePruning(), SvdRank(4), TaskArithmetic(), Ties(), Resources()),
    (Proportional(), Temperature(2.0), Uniform(), specs.Rank()),
    (specs.Last(), TUNED),
)


def samples() -> dict[type, Any]:
    """Return one value of every spec inside the roots."""
    found: dict[type, Any] = {}
    todo: list[Any] = [ROOTS]
    seen: set[int] = set()
    while todo:
        value = todo.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, tuple):
            todo += value
        elif dataclasses.is_dataclass(value):
            found.setdefault(type(value), value)
            todo += [getattr(value, field.name) for field in dataclasses.fields(value)]
    return found


class Unlike(enum.Enum):
    """An enumeration that belongs to no spec."""

    X = "x"


NAN, INFINITE = float("nan"), float("inf")
WRONG: dict[Any, tuple[Any, ...]] = {
    int: ("3", 1.5, True, NAN, INFINITE, [3], np.float64(2.5), np.True_, b"3", 3j),
    float: ("3", True, NAN, -INFINITE, [3.0], np.float32("nan"), {}, b"3", 10**400),
    str: (3, ["x"], b"x", Unlike.X, "\ud83d"),
    bool: ("yes", 1, 0.0, [True], Unlike.X),
    tuple: (3, {"a"}, {"a": 1}, (item for item in ()), object()),
    enum.Enum: ("linear", 1, Unlike.X, ["x"]),
    object: ("best", 3, [1], {}, object(), lambda: None, Unlike.X),
}
"""Kind of field -> values that no field of the kind accepts. The generator is a value that can be read only once."""


def wrong_values() -> Iterator[tuple[Any, str, Any]]:
    """Yield (a valid spec, one of its fields, a value that does not have the field's type)."""
    for cls, sample in samples().items():
        hints = typing.get_type_hints(cls)
        for field in dataclasses.fields(cls):
            options = _options(hints[field.name])
            for value in _wrong_for(options):
                yield sample, field.name, value
            if type(None) not in options:
                yield sample, field.name, None
            kind = next((option for option in options if dataclasses.is_dataclass(option)), None)
            if kind is not None:
                yield sample, field.name, kind


def _options(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)


def _wrong_for(options: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the values that are wrong for every option of a type."""
    kinds = {_kind(option) for option in options if option is not type(None)}
    if len(kinds) == 1:
        return WRONG[kinds.pop()]
    return (b"x", 3j, Unlike.X, object())


def _kind(option: Any) -> Any:
    origin = typing.get_origin(option)
    if origin is tuple or origin is Literal:
        return tuple if origin is tuple else enum.Enum
    if isinstance(option, type) and issubclass(option, enum.Enum):
        return enum.Enum
    return option if option in WRONG else object
