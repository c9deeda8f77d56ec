"""The Pareto front of score against cost: the points that no other point beats, and how often each is on it.

Point A beats point B if A is at least as good in cost and score, and better in one of them. Costs that are measured
differ between runs, so costs within a tolerance count as equal: of two such points, the one with the better score
beats the other.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from adaptx.report.statistics.bootstrap import Floats


def pareto_front(costs: Sequence[float], scores: Sequence[float], tolerance: float = 0.0) -> list[int]:
    """Return the indices of the points that no other point beats, cheapest first.

    tolerance: two costs are equal if they differ by less than this share of the larger one.
    """
    order = sorted(range(len(costs)), key=lambda place: (costs[place], -scores[place]))
    scores_P1 = np.array(scores, dtype=np.float64)[:, None]
    return [place for place in order if not _beaten(place, costs, scores_P1, tolerance).any()]


def front_shares(costs: Sequence[float], scores_PR: Floats, tolerance: float = 0.0) -> tuple[Floats, Floats]:
    """Return how often each point is on the front, and how often each point beats each other point.

    Args:
        costs: the cost of each point, which is the same on every resample.
        scores_PR: each point's score on each resample, shape [points, resamples].
        tolerance: two costs are equal if they differ by less than this share of the larger one.

    Returns:
        front: share of resamples in which the point is on the front, shape [P].
        beaten: share of resamples in which the first point is beaten by the second, shape [P, P].
    """
    beaten_POR = [_beaten(place, costs, scores_PR, tolerance) for place in range(len(costs))]
    on_front_P = np.array([1 - beaten_OR.any(axis=0).mean() for beaten_OR in beaten_POR])
    return on_front_P, np.array([beaten_OR.mean(axis=1) for beaten_OR in beaten_POR])


def _beaten(place: int, costs: Sequence[float], scores_PR: Floats, tolerance: float) -> NDArray[np.bool_]:
    """Return whether each point beats the one at `place` on each resample, shape [P, R]. No point beats itself."""
    score_R = scores_PR[place]
    found_PR = scores_PR > score_R
    for other, cost in enumerate(costs):
        is_equal = abs(cost - costs[place]) < tolerance * max(cost, costs[place])
        if cost > costs[place] and not is_equal:
            found_PR[other] = False
        elif cost < costs[place] and not is_equal:
            found_PR[other] |= scores_PR[other] == score_R
    return found_PR
