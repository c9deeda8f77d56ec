"""The Pareto front of gain against cost: the points that no other point beats."""

from collections.abc import Sequence


def pareto_front(costs: Sequence[float], gains: Sequence[float]) -> list[int]:
    """Return the indices of the points on the front, cheapest first.

    A point is on the front unless another point is at least as good in cost and gain, and better in one of them.
    """
    order = sorted(range(len(costs)), key=lambda place: (costs[place], -gains[place]))
    front: list[int] = []
    for place in order:
        same = bool(front) and (costs[place], gains[place]) == (costs[front[-1]], gains[front[-1]])
        if not front or gains[place] > gains[front[-1]] or same:
            front.append(place)
    return front
