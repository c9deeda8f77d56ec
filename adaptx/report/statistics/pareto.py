"""The Pareto front of score against cost: the points that no other point beats, and how often each is on it.

Point A beats point B if A is at least as good in cost and score, and better in one of them.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from adaptx.report.statistics.bootstrap import Floats


def pareto_front(costs: Sequence[float], scores: Sequence[float]) -> list[int]:
    """Return the indices of the points that no other point beats, cheapest first."""
    order = sorted(range(len(costs)), key=lambda place: (costs[place], -scores[place]))
    front: list[int] = []
    for place in order:
        same = bool(front) and (costs[place], scores[place]) == (costs[front[-1]], scores[front[-1]])
        if not front or scores[place] > scores[front[-1]] or same:
            front.append(place)
    return front


def front_probabilities(costs: Sequence[float], scores_PR: Floats) -> tuple[Floats, Floats]:
    """Return how often each point is on the front, and how often each point beats each other point.

    Args:
        costs: the cost of each point, which is the same on every resample.
        scores_PR: each point's score on each resample, shape [points, resamples].

    Returns:
        front: share of resamples in which the point is on the front, shape [P].
        beaten: share of resamples in which the first point is beaten by the second, shape [P, P].
    """
    count = len(costs)
    on_front_P, beats_PP = np.zeros(count), np.zeros((count, count))
    for place in range(count):
        beaten_OR: NDArray[np.bool_] = np.stack(
            [
                _beats(costs[other], scores_PR[other], costs[place], scores_PR[place])
                if other != place
                else np.zeros(scores_PR.shape[1], dtype=bool)
                for other in range(count)
            ]
        )
        on_front_P[place] = 1 - beaten_OR.any(axis=0).mean()
        beats_PP[place] = beaten_OR.mean(axis=1)
    return on_front_P, beats_PP


def _beats(cost: float, score_R: Floats, other_cost: float, other_score_R: Floats) -> NDArray[np.bool_]:
    if cost > other_cost:
        return np.zeros(len(score_R), dtype=bool)
    return score_R >= other_score_R if cost < other_cost else score_R > other_score_R
