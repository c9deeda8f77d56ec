"""The Pareto fronts of a task's variants: which are on them, and in how many redraws of rows and seeds."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from adaptx.report.statistics.bootstrap import SEED
from adaptx.report.statistics.draws import Draws
from adaptx.report.statistics.pareto import front_shares, pareto_front

EQUAL_SECONDS = 0.05
"""Two variants whose seconds differ by less than this share count as equally fast. Seconds of equal trainings scatter
more than this between runs."""


@dataclass(frozen=True, kw_only=True)
class Front:
    """How firmly a variant is on a Pareto front.

    Attributes:
        is_on: whether no other variant beats it as measured.
        share: the share of redraws of rows and seeds in which no other variant beats it.
        beaten_by: the variant that beats it most often, with the share of redraws; None if none ever does.
    """

    is_on: bool
    share: float
    beaten_by: tuple[str, float] | None


def fronts(costs: Mapping[str, float | None], scores: Mapping[str, Draws], tolerance: float = 0.0) -> dict[str, Front]:
    """Return each variant's place in the front of score and cost, without the variants whose cost is unknown.

    tolerance: two costs are equal if they differ by less than this share of the larger one.
    """
    known = {label: cost for label, cost in costs.items() if cost is not None}
    if not known:
        return {}
    labels, prices = list(known), list(known.values())
    on_front = set(pareto_front(prices, [scores[label].mean for label in labels], tolerance))
    redrawn_PR = np.stack(
        [scores[label].redrawn_mean(np.random.default_rng([SEED, place])) for place, label in enumerate(labels)]
    )
    share_P, beaten_PP = front_shares(prices, redrawn_PR, tolerance)
    found: dict[str, Front] = {}
    for place, label in enumerate(labels):
        most = int(beaten_PP[place].argmax())
        share = float(beaten_PP[place, most])
        beaten_by = (labels[most], share) if share > 0 else None
        found[label] = Front(is_on=place in on_front, share=float(share_P[place]), beaten_by=beaten_by)
    return found
