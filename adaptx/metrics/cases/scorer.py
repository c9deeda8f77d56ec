"""What a case layout's scorer is: its numbers from its inputs, and how closely they are compared."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from adaptx.metrics.cases.case import CaseNode
from adaptx.metrics.official import OfficialStop

# Units of all layouts: metrics of text, tags and rankings agree to 1e-9. What depends on float32 embeddings agrees to
# 2e-5, and shares of right decisions exactly.
TEXT = 1e-9
EMBEDDINGS = 2e-5
EXACT = 0.0


@dataclass(frozen=True)
class Scorer:
    """The numbers of one layout.

    score: `inputs` -> what stands under `expected`. tolerance: largest difference of two numbers that agree;
    tolerances: the same for the values under these keys. unordered: keys of lists whose order means nothing.
    """

    score: Callable[[CaseNode], dict[str, Any]]
    tolerance: float = TEXT
    tolerances: Mapping[str, float] = field(default_factory=dict[str, float])
    unordered: frozenset[str] = frozenset()


def stopped(stop: OfficialStop) -> dict[str, Any]:
    """What stands in place of numbers where the official script stops."""
    return {"raises": [stop.kind, stop.message], "cause": stop.cause}


def attempt(score: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The numbers, or the official script's stop."""
    try:
        return score()
    except OfficialStop as stop:
        return stopped(stop)


def ratio(numerator: float, denominator: int, of: str) -> float:
    """A quotient that stops as Python's does.

    Raises:
        OfficialStop: the denominator is 0.
    """
    if denominator == 0:
        raise OfficialStop("ZeroDivisionError", "float division by zero", f"there are no {of} to average over")
    return numerator / denominator
