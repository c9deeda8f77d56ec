"""Holm's correction of the tests of one family, with an interval that agrees with each verdict."""

from collections.abc import Sequence
from typing import Protocol

from adaptx.report.gains.gain import ALPHA
from adaptx.report.gains.verdict import Verdict
from adaptx.report.statistics.bootstrap import LEVEL
from adaptx.report.statistics.holm import holm, holm_levels


class Test(Protocol):
    """A test of a difference: its p-value, its interval at any level, and the smallest true difference it finds."""

    @property
    def p(self) -> float: ...

    def interval(self, level: float = LEVEL) -> tuple[float, float]: ...

    def detectable(self, level: float = LEVEL) -> float: ...


def corrected(tests: Sequence[Test], family: str) -> list[Verdict]:
    """Return the verdicts on all tests of a family. family: its name."""
    p_values = [test.p for test in tests]
    found: list[Verdict] = []
    for test, holm_p, level in zip(tests, holm(p_values), holm_levels(p_values, ALPHA), strict=True):
        (low, high), (corrected_low, corrected_high) = test.interval(), test.interval(level)
        found.append(
            Verdict(
                low=low,
                high=high,
                p=test.p,
                holm_p=holm_p,
                corrected_low=corrected_low,
                corrected_high=corrected_high,
                detectable=test.detectable(),
                corrected_detectable=test.detectable(1 - ALPHA / len(tests)),
                family=family,
                family_size=len(tests),
            )
        )
    return found
