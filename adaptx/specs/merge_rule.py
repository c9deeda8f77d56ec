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
        """The search that finds the rule's weights, or None if the rule does not search for weights."""

    @property
    @abstractmethod
    def given_weights(self) -> tuple[float, ...] | None:
        """The weights given to the rule or its inner rule (`combine`), one per training; None if none were given."""

    @property
    @abstractmethod
    def negates(self) -> bool:
        """Return whether the rule subtracts some update, or may do so because its weights are searched for."""

    @property
    @abstractmethod
    def merged_rank(self) -> int | None:
        """The rank of the module that LoRA modules are merged into; None means the sum of the modules' ranks."""

    @abstractmethod
    def linear_weights(self, count: int) -> tuple[float, ...] | None:
        """Return the weights of `count` updates if the rule's result is their weighted sum, or else None.

        The settings decide whether it is. DARE, for example, gives a weighted sum if it drops no entries, and TIES
        gives one if it trims no entries and there is only one update.
        """
