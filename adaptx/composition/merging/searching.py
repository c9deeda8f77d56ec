"""Searches for a merge's weights by scoring merges with different weights: LoraHub and greedy soups.

The argument `score` maps the modules' weights to the merge's score on development rows, in [0, 1].
"""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import mean
from typing import Any

import numpy as np

from adaptx.specs import LoraHub

DIFFERENCE_WEIGHT = 0.7
CROSSOVER = 0.9
LEAST_MEMBERS = 5

Weights = tuple[float, ...]
Score = Callable[[Weights], float]


@dataclass(frozen=True)
class WeightSearchResult:
    """The best weights and their score. tried: all weights that were scored, with their scores, in order."""

    weights: Weights
    score: float
    tried: tuple[tuple[Weights, float], ...]


def greedy_soup(score: Score, count: int) -> WeightSearchResult:
    """Return the best average that a greedy search finds (Wortsman et al. 2022, arXiv:2203.05482, recipe 1).

    Modules are sorted by their own scores, the best first. Each is added to the average unless this lowers the score.
    """
    tried: list[tuple[Weights, float]] = []

    def scored(members: list[int]) -> float:
        weights = tuple(1 / len(members) if place in members else 0.0 for place in range(count))
        tried.append((weights, score(weights)))
        return tried[-1][1]

    alone = [scored([place]) for place in range(count)]
    first, *others = sorted(range(count), key=lambda place: -alone[place])
    members, best = [first], alone[first]
    for place in others:
        value = scored([*members, place])
        if value >= best:
            members, best = [*members, place], value
    return WeightSearchResult(
        tuple(1 / len(members) if place in members else 0.0 for place in range(count)), best, tuple(tried)
    )


def lora_hub(score: Score, count: int, by: LoraHub) -> WeightSearchResult:
    """Return the best weights in [low, high] that LoraHub finds (Huang et al. 2023, arXiv:2307.13269, section 3.3).

    The search is differential evolution (Storn and Price 1997, doi:10.1023/A:1008202821328, scheme DE/rand/1/bin). It
    is implemented here, so that a seed gives the same weights under all versions of other libraries. The first member
    of the population is the uniform average.
    """
    draw = np.random.default_rng(by.seed)
    tried: list[tuple[Weights, float]] = []

    def value(point: Any) -> float:
        weights = tuple(float(weight) for weight in point)
        tried.append((weights, score(weights)))
        return tried[-1][1] - by.regularisation * mean(abs(weight) for weight in weights)

    size = min(max(LEAST_MEMBERS, 2 * count), by.evaluations)
    members = draw.uniform(by.low, by.high, (size, count))
    members[0] = min(max(1 / count, by.low), by.high)
    values = [value(member) for member in members]
    for step in range(by.evaluations - size):
        place = step % size
        one, two, three = members[draw.permutation(size)[:3]]
        crossed = draw.random(count) < CROSSOVER
        crossed[draw.integers(count)] = True
        trial = np.where(crossed, one + DIFFERENCE_WEIGHT * (two - three), members[place]).clip(by.low, by.high)
        # If all weights are zero, the result is the bare checkpoint and not a merge.
        found = value(trial) if trial.any() else float("-inf")
        if found >= values[place]:
            members[place], values[place] = trial, found
    best = max(range(size), key=values.__getitem__)
    weights = tuple(float(weight) for weight in members[best])
    return WeightSearchResult(weights, dict(tried)[weights], tuple(tried))
