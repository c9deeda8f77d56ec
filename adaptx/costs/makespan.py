"""How long several workers need for groups of stages that depend on one another."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class TimedGroup:
    """A group of stages that one worker carries out.

    seconds: how long the rest of it takes. makes: the fingerprints of its stages. needs: those of its inputs.
    is_running: whether a worker has begun it.
    """

    seconds: float
    makes: frozenset[str]
    needs: frozenset[str] = frozenset()
    is_running: bool = False


def makespan(works: Sequence[TimedGroup], workers: int) -> float:
    """Return the seconds until all groups are done.

    As in a run, a group begins once a worker is free and its inputs are made. Of those that can begin, the one with the
    longest chain of groups that depend on it comes first. Inputs that no group makes are there already.
    """
    if workers == 1:
        return sum(work.seconds for work in works)
    maker = {key: place for place, work in enumerate(works) for key in work.makes}
    needs = [{maker[key] for key in work.needs if key in maker} - {place} for place, work in enumerate(works)]
    needed_by: list[list[int]] = [[] for _ in works]
    for place, inputs in enumerate(needs):
        for each in inputs:
            needed_by[each].append(place)
    chains = _chains(works, needs, needed_by)
    # Running groups come first, whatever their chains are.
    ready = [(not work.is_running, -chains[place], place) for place, work in enumerate(works) if not needs[place]]
    heapq.heapify(ready)
    missing = [len(inputs) for inputs in needs]
    busy: list[tuple[float, int]] = []
    now = 0.0
    while ready or busy:
        while ready and len(busy) < workers:
            place = heapq.heappop(ready)[-1]
            heapq.heappush(busy, (now + works[place].seconds, place))
        now, ended = heapq.heappop(busy)
        for place in needed_by[ended]:
            missing[place] -= 1
            if not missing[place]:
                heapq.heappush(ready, (not works[place].is_running, -chains[place], place))
    return now


def _chains(works: Sequence[TimedGroup], needs: Sequence[set[int]], needed_by: Sequence[Sequence[int]]) -> list[float]:
    """Return the seconds of the longest chain of dependent groups that begins with each group."""
    chains = [work.seconds for work in works]
    left = [len(later) for later in needed_by]
    ends = [place for place, count in enumerate(left) if not count]
    while ends:
        place = ends.pop()
        for earlier in needs[place]:
            chains[earlier] = max(chains[earlier], works[earlier].seconds + chains[place])
            left[earlier] -= 1
            if not left[earlier]:
                ends.append(earlier)
    return chains
