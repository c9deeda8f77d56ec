"""How a merge's weights are searched for: the rows that score a merged module, and the search."""

from dataclasses import KW_ONLY
from typing import Annotated

from adaptx.errors import UserError
from adaptx.specs.checked import spec
from adaptx.specs.ranges import Count, NotNegative, Seed, Within
from adaptx.specs.task import Task

__all__ = ["GreedySoup", "LoraHub", "WeightSearch"]


@spec
class LoraHub:
    """Weights by gradient-free search (Huang et al. 2023, arXiv:2307.13269, section 3.3).

    Maximises the score on development rows minus `regularisation` times the weights' mean magnitude, over weights in
    [low, high], by differential evolution (Storn and Price 1997) with at most `evaluations` scorings, the first of
    them uniform weights. The paper's released code minimises a loss with nevergrad.
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
    """Add modules to an average, the best first, as long as it scores no worse (Wortsman et al. 2022,
    arXiv:2203.05482, section 2, recipe 1).
    """


@spec
class WeightSearch:
    """Weights found by scoring merged modules on a task's development rows.

    limit: maximum number of rows per set, drawn as evaluation rows are.
    """

    task: Task
    by: LoraHub | GreedySoup = LoraHub()
    limit: Count | None = None

    @property
    def may_negate(self) -> bool:
        """Whether the search tries negative weights."""
        return isinstance(self.by, LoraHub) and self.by.low < 0
