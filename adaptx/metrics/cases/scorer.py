"""The scorer of a case layout: it computes numbers from a case's inputs, and says how exactly they must agree."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from adaptx.metrics.cases.case import CaseNode
from adaptx.metrics.official import OfficialStop

# Largest differences, in the units of a layout. Metrics of texts, tags and rankings agree within 1e-9, and values that
# depend on float32 embeddings within 2e-5. Shares of right decisions must be equal.
TEXT = 1e-9
EMBEDDINGS = 2e-5
EXACT = 0.0


@dataclass(frozen=True)
class Scorer:
    """The scorer of one layout.

    score: a function from a case's `inputs` to its numbers, in the layout of `expected`. tolerance: the largest
    difference between two numbers that agree. tolerances: other tolerances for some keys of `expected`. unordered: the
    keys of lists whose order does not matter.
    """

    score: Callable[[CaseNode], dict[str, Any]]
    tolerance: float = TEXT
    tolerances: Mapping[str, float] = field(default_factory=dict[str, float])
    unordered: frozenset[str] = frozenset()


def stopped(stop: OfficialStop) -> dict[str, Any]:
    """Return the entry that replaces the numbers of a case if the official script stops with an exception."""
    return {"raises": [stop.kind, stop.message], "cause": stop.cause}


def attempt(score: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the numbers that `score` computes. If it raises OfficialStop, return the entry that `stopped` makes."""
    try:
        return score()
    except OfficialStop as stop:
        return stopped(stop)


def ratio(numerator: float, denominator: int, of: str) -> float:
    """Return numerator / denominator. `of` names, for the message, the things that the denominator counts.

    Raises:
        OfficialStop: the denominator is 0, where the official script raises a ZeroDivisionError.
    """
    if denominator == 0:
        raise OfficialStop("ZeroDivisionError", "float division by zero", f"there are no {of} to average over")
    return numerator / denominator
