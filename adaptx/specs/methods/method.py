"""The base class of methods.

`adaptx.methods` has the code by which a method changes a network.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Self

from adaptx.specs.merge_rule import MergeRule
from adaptx.specs.mixing import MixingRule
from adaptx.specs.model import Shape


class Requirement(NamedTuple):
    """A package that a method needs, and the extra of adaptx that installs it."""

    package: str
    extra: str


class StepSizes(NamedTuple):
    """The sizes that a method adds to the memory of a training step, by their names in `adaptx.costs.step_memory`.

    Attributes:
        once: elements per token that exist once, whatever the number of layers.
        kept: elements per token and layer that are kept for the backward pass.
        weights: numbers of weights.
    """

    once: dict[str, float]
    kept: dict[str, float]
    weights: dict[str, float]


@dataclass(frozen=True)
class Method(ABC):
    """The choice of which parameters of the backbone a training changes.

    A subclass must set every attribute. An attribute whose name ends in `_refusal` is the reason why the method does
    not do something, or None if the method does it.

    Attributes:
        modules: plural noun for the method's modules, for messages.
        whole: whether a module is the whole backbone, so that no parameter stays frozen.
        over_quantised: whether modules can be trained on top of quantised weights.
        library: the library (`peft` or `adapters`) whose file format can hold the modules, or None.
        matrices: True if a module's tensors are matrices that multiply each token's vector, False if they are vectors
            that scale it.
        needs: a package that only an extra of adaptx installs, or None.
        fold_refusal: why a module cannot be added into the linear weights below it.
        stack_refusal: why modules cannot be trained on top of frozen modules.
        fuse_refusal: why modules cannot be mixed.
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
        """Return the method's name on the command line: `full`, `lora`, `bottleneck`."""
        return cls.__name__.lower()

    @classmethod
    @abstractmethod
    def of_size(cls, rank: int, reduction_factor: float) -> Self:
        """Return the method with these sizes and with defaults for all else.

        A method ignores a size that it does not have. Bottleneck adapters, for example, have no rank.
        """

    @property
    @abstractmethod
    def label(self) -> str:
        """Short name that includes the size: `full`, `lora-r8`, `bottleneck-f16`."""

    @abstractmethod
    def parameters(self, shape: Shape) -> int:
        """Return the number of parameters of a module for a checkpoint of that shape."""

    @abstractmethod
    def shape_refusal(self, shape: Shape) -> str | None:
        """Return why a checkpoint of that shape cannot have a module of this method, or None if it can."""

    @abstractmethod
    def continues(self, earlier: "Method") -> bool:
        """Return whether a module of the method `earlier` can be trained further as a module of this method."""

    @abstractmethod
    def merge_refusal(self, others: Sequence["Method"], rule: MergeRule) -> str | None:
        """Return why a module of this method cannot be merged with modules of `others`, or None if it can.

        All methods in `others` are of the same class as this one.
        """

    @abstractmethod
    def merged(self, others: Sequence["Method"], rule: MergeRule) -> "Method":
        """Return the method of the module into which a module of this method and modules of `others` are merged."""

    @abstractmethod
    def mixing_parameters(self, mixing: MixingRule, modules: int, shape: Shape) -> int:
        """Return the number of parameters in all mixing layers of a fusion of `modules` modules."""

    @abstractmethod
    def step_sizes(self, shape: Shape) -> StepSizes:
        """Return the sizes that this method adds to the memory of a training step."""
