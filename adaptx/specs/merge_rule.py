"""What is known of a merge rule without any tensor: planning and the methods ask its value."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from adaptx.specs.weight_search import WeightSearch


@dataclass(frozen=True)
class MergeRule(ABC):
    """How the updates of several modules are combined into one.

    Every rule states all facts below. A rule that leaves one out cannot be made.
    """

    @property
    @abstractmethod
    def search(self) -> WeightSearch | None:
        """The search that finds the rule's weights, or None if nothing is searched."""

    @property
    @abstractmethod
    def given_weights(self) -> tuple[float, ...] | None:
        """The weights written in the rule or in its `combine`, one per training, or None if there are none."""

    @property
    @abstractmethod
    def negates(self) -> bool:
        """Whether the rule subtracts some update, or may."""

    @property
    @abstractmethod
    def merged_rank(self) -> int | None:
        """The rank that merged LoRA modules are brought to; None is the sum of their ranks."""

    @abstractmethod
    def linear_weights(self, count: int) -> tuple[float, ...] | None:
        """Return the weights with which the rule sums `count` updates, or None if it is no weighted sum of them.

        It depends on the settings: DARE that drops nothing and TIES over one update are weighted sums.
        """
