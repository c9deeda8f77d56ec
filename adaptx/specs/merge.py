"""How modules are merged: the rules, and whose head the merged module has.

Every rule acts on updates: what a module adds to the weights that it is trained on top of. The update of a LoRA module
is (alpha / rank) B A per site, that of full fine-tuning the difference to the checkpoint, and that of a bottleneck
adapter its own tensors. The arithmetic is in `adaptx.composition.merging`, one file per rule.
"""

from adaptx.errors import UserError
from adaptx.specs.checked import spec
from adaptx.specs.merge_rule import MergeRule
from adaptx.specs.ranges import Count, Natural, PositiveShare, Seed, ShareBelowOne
from adaptx.specs.weight_search import WeightSearch

__all__ = [
    "AveragedHeads",
    "Dare",
    "KeptHeadOf",
    "Linear",
    "MagnitudePruning",
    "MergeRule",
    "MergedHead",
    "NoHead",
    "SvdRank",
    "TaskArithmetic",
    "Ties",
]


@spec
class Linear(MergeRule):
    """The weighted sum of updates; weights None is their average.

    The average of full fine-tuned weights is a model soup (Wortsman et al. 2022, arXiv:2203.05482), and over seeds what
    Schmidt et al. 2023 (arXiv:2310.10532) call a free lunch.
    """

    weights: tuple[float, ...] | WeightSearch | None = None

    def __post_init__(self) -> None:
        if isinstance(self.weights, tuple) and not any(self.weights):
            raise UserError(
                f"Linear(weights={self.weights}): weights of nothing but zeros leave the bare checkpoint; give one for "
                "each training, or None for their average"
            )

    @property
    def search(self) -> WeightSearch | None:
        return self.weights if isinstance(self.weights, WeightSearch) else None

    @property
    def given_weights(self) -> tuple[float, ...] | None:
        return self.weights if isinstance(self.weights, tuple) else None

    @property
    def negates(self) -> bool:
        return self.search.may_negate if self.search is not None else min(self.given_weights or (0.0,)) < 0

    @property
    def merged_rank(self) -> int | None:
        return None

    def linear_weights(self, count: int) -> tuple[float, ...] | None:
        assert self.search is None, "searched weights are found first"
        return self.given_weights or (1 / count,) * count


@spec
class TaskArithmetic(MergeRule):
    """`scale` times the sum of updates; a negative weight takes a task away (Ilharco et al. 2023, arXiv:2212.04089).

    weights None: 1 each.
    """

    scale: float = 1.0
    weights: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if not self.scale or (self.weights is not None and not any(self.weights)):
            raise UserError(
                f"{self}: a scale or weights of zero leave the bare checkpoint; give a scale that is not 0, and "
                "weights of which one is not 0, or None"
            )

    @property
    def search(self) -> WeightSearch | None:
        return None

    @property
    def given_weights(self) -> tuple[float, ...] | None:
        return self.weights

    @property
    def negates(self) -> bool:
        return self.scale < 0 or min(self.weights or (0.0,)) < 0

    @property
    def merged_rank(self) -> int | None:
        return None

    def linear_weights(self, count: int) -> tuple[float, ...] | None:
        return tuple(self.scale * weight for weight in self.weights or (1.0,) * count)


@spec
class Ties(MergeRule):
    """Trim, elect a sign, average what agrees with it (Yadav et al. 2023, arXiv:2306.01708, section 3).

    density: share of each tensor's entries that trimming keeps (the paper's k). scale: the paper's lambda.
    """

    density: PositiveShare = 0.2
    scale: float = 1.0

    def __post_init__(self) -> None:
        if not self.scale:
            raise UserError("Ties(scale=0): a scale of zero leaves the bare checkpoint; give another, 1 is usual")

    @property
    def search(self) -> WeightSearch | None:
        return None

    @property
    def given_weights(self) -> tuple[float, ...] | None:
        return None

    @property
    def negates(self) -> bool:
        return self.scale < 0

    @property
    def merged_rank(self) -> int | None:
        return None

    def linear_weights(self, count: int) -> tuple[float, ...] | None:
        return (self.scale,) if self.density == 1 and count == 1 else None


@spec
class Dare(MergeRule):
    """Drop entries of updates at random and rescale the others, then combine (Yu et al. 2024, arXiv:2311.03099).

    drop_rate: probability that an entry is dropped; those kept are divided by 1 - drop_rate.
    """

    drop_rate: ShareBelowOne = 0.9
    seed: Seed = 1
    combine: Linear | TaskArithmetic | Ties = Linear()

    def __post_init__(self) -> None:
        _check_given("Dare", self.combine)

    @property
    def search(self) -> WeightSearch | None:
        return None

    @property
    def given_weights(self) -> tuple[float, ...] | None:
        return self.combine.given_weights

    @property
    def negates(self) -> bool:
        return self.combine.negates

    @property
    def merged_rank(self) -> int | None:
        return None

    def linear_weights(self, count: int) -> tuple[float, ...] | None:
        return self.combine.linear_weights(count) if self.drop_rate == 0 else None


@spec
class MagnitudePruning(MergeRule):
    """Keep the largest entries of each update's tensors, then combine."""

    density: PositiveShare = 0.2
    combine: Linear | TaskArithmetic = Linear()

    def __post_init__(self) -> None:
        _check_given("MagnitudePruning", self.combine)

    @property
    def search(self) -> WeightSearch | None:
        return None

    @property
    def given_weights(self) -> tuple[float, ...] | None:
        return self.combine.given_weights

    @property
    def negates(self) -> bool:
        return self.combine.negates

    @property
    def merged_rank(self) -> int | None:
        return None

    def linear_weights(self, count: int) -> tuple[float, ...] | None:
        return self.combine.linear_weights(count) if self.density == 1 else None


@spec
class SvdRank(MergeRule):
    """Another rule's merged LoRA brought to a rank: the nearest one in squared error (Eckart and Young 1936).

    `SvdRank(8, TaskArithmetic())` is the sum of B A products at rank 8.
    """

    rank: Count
    combine: Linear | TaskArithmetic | Ties | Dare | MagnitudePruning = Linear()

    def __post_init__(self) -> None:
        _check_given("SvdRank", self.combine)

    @property
    def search(self) -> WeightSearch | None:
        return None

    @property
    def given_weights(self) -> tuple[float, ...] | None:
        return self.combine.given_weights

    @property
    def negates(self) -> bool:
        return self.combine.negates

    @property
    def merged_rank(self) -> int | None:
        return self.rank

    def linear_weights(self, count: int) -> tuple[float, ...] | None:
        return self.combine.linear_weights(count)


@spec
class KeptHeadOf:
    """The merged module answers with the heads of the training at this place, unchanged."""

    place: Natural


@spec
class AveragedHeads:
    """Heads are averaged too, row by row of the same label: with Linear's weights, else evenly."""


@spec
class NoHead:
    """No head: the merged module is scored on tasks that need none, or a later training begins one."""


MergedHead = KeptHeadOf | AveragedHeads | NoHead


def _check_given(name: str, combine: MergeRule) -> None:
    if combine.search is not None:
        raise UserError(
            f"{name}(combine=Linear(weights=WeightSearch(...))): weights are searched for Linear by itself; merge by "
            "Linear(WeightSearch(...)) alone, or give the weights"
        )
