"""Searches for merging weights by the scores of merged modules."""

from dataclasses import KW_ONLY
from typing import Annotated

from adaptx.errors import UserError
from adaptx.specs.checked import spec
from adaptx.specs.ranges import Count, NotNegative, Seed, Within
from adaptx.specs.task import Task

__all__ = ["GreedySoup", "LoraHub", "WeightSearch"]


@spec
class LoraHub:
    """Gradient-free search for merging weights (Huang et al. 2023, arXiv:2307.13269, section 3.3).

    The search maximises the score on development rows minus `regularisation` times the mean magnitude of the weights.
    Weights lie in [low, high]. Differential evolution (Storn and Price 1997) scores at most `evaluations` merged
    modules. The paper's released code differs: it minimises a loss with nevergrad.
    """

    evaluations: Annotated[int, Within(least=5)] = 40
    _: KW_ONLY
    low: float = -1.5
    high: float = 1.5
    regularisation: NotNegative = 0.05
    seed: Seed = 1

    def __post_init__(self) -> None:
        if not (self.low < self.high and self.high > 0):
            raise UserError(f"LoraHub(low={self.low}, high={self.high}): low must be below high, and high above 0")


@spec
class GreedySoup:
    """Greedy choice of the modules to average (Wortsman et al. 2022, arXiv:2203.05482, section 2, recipe 1).

    Modules are tried in the order of their own scores, best first. A module stays in the average unless it makes the
    average's score worse.
    """


@spec
class WeightSearch:
    """A search for merging weights by the score of merged modules on a task's development rows.

    `limit` is the maximum number of rows per development set.
    """

    task: Task
    by: LoraHub | GreedySoup = LoraHub()
    limit: Count | None = None

    @property
    def may_negate(self) -> bool:
        """Return whether the search may try negative weights."""
        return isinstance(self.by, LoraHub) and self.by.low < 0
