"""The Pareto front of gain against cost: what no other choice beats in both."""

from collections.abc import Sequence


def pareto_front(costs: Sequence[float], gains: Sequence[float]) -> list[int]:
    """Places of the points to which no other is at least equal in both and better in one, cheapest first."""
    order = sorted(range(len(costs)), key=lambda place: (costs[place], -gains[place]))
    front: list[int] = []
    for place in order:
        same = bool(front) and (costs[place], gains[place]) == (costs[front[-1]], gains[front[-1]])
        if not front or gains[place] > gains[front[-1]] or same:
            front.append(place)
    return front
