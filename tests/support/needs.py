"""Marks for tests that need an optional package: adapters, which requires transformers below 5, or bitsandbytes."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest

from adaptx.planning import support_methods
from adaptx.specs import Bottleneck

HAS_ADAPTERS = support_methods.has_package("adapters")
adapters = pytest.mark.skipif(not HAS_ADAPTERS, reason="needs the adapters library: pip install 'adaptx[bottleneck]'")

HAS_BITSANDBYTES = support_methods.has_package("bitsandbytes")
bitsandbytes = pytest.mark.skipif(not HAS_BITSANDBYTES, reason="needs bitsandbytes: pip install 'adaptx[quant]'")


def at_hand(value: Any) -> bool:
    """Return whether this method, or this stage and everything it starts from, can run here."""
    return HAS_ADAPTERS or not _holds_bottleneck(value)


def _holds_bottleneck(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_holds_bottleneck, value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = (getattr(value, field.name) for field in dataclasses.fields(value))
        return isinstance(value, Bottleneck) or any(map(_holds_bottleneck, parts))
    return False


def each(cases: Mapping[str, Any], names: bool = False) -> list[Any]:
    """Return the parameters of a test: the cases, or their names. Cases that need adapters are skipped without it."""
    return [
        pytest.param(name if names else case, id=name, marks=() if at_hand(case) else adapters)
        for name, case in cases.items()
    ]


def plan_with_adapters(patch: pytest.MonkeyPatch) -> None:
    """Plan as if the library were installed."""
    patch.setattr(support_methods, "has_package", lambda _: True)
