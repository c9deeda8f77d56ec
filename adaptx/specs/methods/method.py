"""What is known of a method without any tensor: planning, naming and costs ask its value.

A method's tensors are the business of its record in `adaptx.methods`.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Self

from adaptx.specs.merge_rule import MergeRule
from adaptx.specs.mixing import MixingRule
from adaptx.specs.model import Shape


class Requirement(NamedTuple):
    """A package that a method cannot do without, and the extra of adaptx that brings it."""

    package: str
    extra: str


class StepSizes(NamedTuple):
    """Sizes that a training step's memory grows with under a method, next to those of every step (`costs/step_memory`).

    once: vectors that a token needs once. kept: vectors that it keeps per layer. weights: entries of weights.
    """

    once: dict[str, float]
    kept: dict[str, float]
    weights: dict[str, float]


@dataclass(frozen=True)
class Method(ABC):
    """Which parameters of the backbone a training changes.

    Every method answers all that is asked here; one that leaves a fact out cannot be defined or made. A refusal says
    why a method does not do something, and None that it does.

    modules: what its modules are called in messages. whole: its module is the whole backbone, so that nothing stays
    frozen. over_quantised: it trains over weights that are stored in few digits. library: the library whose folders
    hold its modules (`peft`, `adapters`), or None. matrices: its tensors are matrices that every token is multiplied
    with, not vectors that scale it. needs: a package that is not always installed. fold_refusal: why a
    module cannot become part of the linear weights below it. stack_refusal: why none is trained over frozen modules.
    fuse_refusal: why its modules cannot be mixed.
    """

    modules: ClassVar[str]
    whole: ClassVar[bool]
    over_quantised: ClassVar[bool]
    library: ClassVar[str | None]
    matrices: ClassVar[bool]
    needs: ClassVar[Requirement | None]
    fold_refusal: ClassVar[str | None]
    stack_refusal: ClassVar[str | None]
    fuse_refusal: ClassVar[str | None]

    def __init_subclass__(cls) -> None:
        missing = [name for name in Method.__annotations__ if not hasattr(cls, name)]
        if missing:
            raise TypeError(f"the method {cls.__name__} does not say: {', '.join(missing)}")

    @classmethod
    def name(cls) -> str:
        """Return what the command line calls the method: `full`, `lora`, `bottleneck`."""
        return cls.__name__.lower()

    @classmethod
    @abstractmethod
    def of_size(cls, rank: int, reduction_factor: float) -> Self:
        """Return the method at the size that `adaptx memory` and `adaptx bench` ask for; other settings are usual."""

    @property
    @abstractmethod
    def label(self) -> str:
        """Short name with the size: `full`, `lora-r8`, `bottleneck-f16`."""

    @abstractmethod
    def parameters(self, shape: Shape) -> int:
        """Return how many parameters a module has."""

    @abstractmethod
    def shape_refusal(self, shape: Shape) -> str | None:
        """Return why a checkpoint of that shape takes no such module, or None."""

    @abstractmethod
    def continues(self, earlier: "Method") -> bool:
        """Return whether a module of `earlier` can be trained on as one of this method: same kind, sites and shapes."""

    @abstractmethod
    def merge_refusal(self, others: Sequence["Method"], rule: MergeRule) -> str | None:
        """Return why a module cannot be merged with those of `others`, which are of its kind, or None."""

    @abstractmethod
    def merged(self, others: Sequence["Method"], rule: MergeRule) -> "Method":
        """Return the method of a module merged from one of this method and of `others`, which are of its kind."""

    @abstractmethod
    def mixing_parameters(self, mixing: MixingRule, modules: int, shape: Shape) -> int:
        """Return how many parameters the mixing layers over so many modules have."""

    @abstractmethod
    def step_sizes(self, shape: Shape) -> StepSizes:
        """Return what a training step's memory grows with under this method."""
