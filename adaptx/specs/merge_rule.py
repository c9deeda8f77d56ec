"""The base class of merge rules: the facts that planning and methods read, without any tensor."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from adaptx.specs.weight_search import WeightSearch


@dataclass(frozen=True)
class MergeRule(ABC):
    """How the updates of several modules are combined into one.

    Every rule states all facts below. A rule that leaves one out cannot be created.
    """

    @property
    @abstractmethod
    def search(self) -> WeightSearch | None:
        """The search that finds the rule's weights, or None if nothing is searched."""

    @property
    @abstractmethod
    def given_weights(self) -> tuple[float, ...] | None:
        """The weights written in the rule or its inner rule (`combine`), one per training; None if there are none."""

    @property
    @abstractmethod
    def negates(self) -> bool:
        """Return whether the rule subtracts some update, or may do so because its weights are searched for."""

    @property
    @abstractmethod
    def merged_rank(self) -> int | None:
        """The rank of the module that LoRA modules are merged into; None means the sum of their ranks."""

    @abstractmethod
    def linear_weights(self, count: int) -> tuple[float, ...] | None:
        """Return the weights with which the rule sums `count` updates, or None if its result is no weighted sum.

        That depends on the rule's settings. DARE, for example, gives a weighted sum if it drops no entries, and TIES
        does if it trims none and there is only one update.
        """
