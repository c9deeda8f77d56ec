"""The cost of a gain of one point: the operations beyond those of the baseline, divided by the gain."""

from collections.abc import Mapping
from dataclasses import dataclass

from adaptx.report.gains.gain import Gain
from adaptx.report.tables.cells import NOTHING, throughput


@dataclass(frozen=True)
class CostPerPoint:
    """The extra cost of one percentage point of gain, with its 95% interval.

    Attributes:
        value: None if the gain is not above zero.
        low: the smallest plausible cost; None if even the upper end of the gain's interval is not above zero.
        high: the largest plausible cost; None if the gain may be zero, so that there is no largest one.
    """

    value: float | None
    low: float | None
    high: float | None


def cost_per_point(gain: Gain, extra: float) -> CostPerPoint:
    """Return the cost of one point of a gain. extra: the cost of the variant minus the cost of its baseline.

    The interval reflects the uncertainty of the gain alone, because the cost is counted exactly.
    """

    def per_point(share: float | None) -> float | None:
        return extra / (100 * share) if share is not None and share > 0 else None

    return CostPerPoint(per_point(gain.gain), per_point(gain.high), per_point(gain.low))


def cost_text(gain: Gain, costs: Mapping[str, float | None], unit: float = 1.0) -> str:
    """Return the cost of one point as text, such as `1.2 [0.8, 2.6]`.

    An undecided gain gives `at least 0.8`. Without a gain or without extra cost, the text says so.

    costs: the cost of each variant by its label. unit: the cost is divided by this, for example 1e12.
    """
    own = costs.get(gain.variant)
    theirs = costs.get(gain.baseline) if gain.baseline is not None else None
    if gain.gain is None or gain.low is None or own is None or theirs is None:
        return NOTHING
    if own <= theirs:
        return "no extra cost"
    found = cost_per_point(gain, (own - theirs) / unit)
    if found.low is None or gain.sign < 0:
        return "no gain"
    if gain.sign == 0 or found.high is None or found.value is None:
        return f"at least {throughput(found.low)}"
    return f"{throughput(found.value)} [{throughput(found.low)}, {throughput(found.high)}]"
