"""The base class of merge rules."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from adaptx.specs.weight_search import WeightSearch


@dataclass(frozen=True)
class MergeRule(ABC):
    """How the updates of several modules are combined into one."""

    @property
    @abstractmethod
    def search(self) -> WeightSearch | None:
        """The search that finds the rule's weights, or None if the rule does not search for weights."""

    @property
    @abstractmethod
    def given_weights(self) -> tuple[float, ...] | None:
        """The weights that the user gave to the rule or to its inner rule (`combine`), one per training; None if there
        are none.
        """

    @property
    @abstractmethod
    def negates(self) -> bool:
        """Whether the rule subtracts an update, or may do so because a search finds its weights."""

    @property
    @abstractmethod
    def merged_rank(self) -> int | None:
        """The rank to which merged LoRA modules are reduced; None keeps the sum of their ranks."""

    @abstractmethod
    def linear_weights(self, count: int) -> tuple[float, ...] | None:
        """Return the weights of `count` updates if the rule's result is their weighted sum, or else None.

        TIES, for example, gives a weighted sum only if it neither trims its updates nor has more than one.
        """
