"""How modules are merged: the rules, and the head of the merged module.

A rule combines the updates of several modules. The update of a LoRA module is (alpha / rank) B A at each site, with its
matrices A and B. The update of full fine-tuning is the difference from the checkpoint. The update of a bottleneck
adapter is the adapter's own tensors. `adaptx.composition.merging` has the arithmetic.
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
    """The weighted sum of updates, or their average if `weights` is None.

    The average of full fine-tuned weights is called a model soup (Wortsman et al. 2022, arXiv:2203.05482). Schmidt et
    al. 2023 (arXiv:2310.10532) average over seeds.
    """

    weights: tuple[float, ...] | WeightSearch | None = None

    def __post_init__(self) -> None:
        if isinstance(self.weights, tuple) and not any(self.weights):
            raise UserError(
                f"Linear(weights={self.weights}): if all weights are zero, the result is the bare checkpoint; give "
                "weights that are not all 0, or None for the average"
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
    """`scale` times the weighted sum of updates (Ilharco et al. 2023, arXiv:2212.04089).

    A negative weight subtracts what a training has learned. If `weights` is None, every update has the weight 1.
    """

    scale: float = 1.0
    weights: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if not self.scale or (self.weights is not None and not any(self.weights)):
            raise UserError(
                f"{self}: with a scale of 0, or with weights that are all 0, the result is the bare checkpoint; give a "
                "scale other than 0, and weights=None or weights that are not all 0"
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
    """Trimmed updates, averaged where their signs agree (Yadav et al. 2023, arXiv:2306.01708, section 3).

    Trimming keeps the largest entries of each tensor, a share `density` (the paper's k) of all. The updates then elect
    a sign for each entry, and the values with that sign are averaged. The average is multiplied by `scale` (the paper's
    lambda).
    """

    density: PositiveShare = 0.2
    scale: float = 1.0

    def __post_init__(self) -> None:
        if not self.scale:
            raise UserError(
                "Ties(scale=0): if the scale is zero, the result is the bare checkpoint; give another scale, usually 1"
            )

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
    """Updates with entries dropped at random, then combined (Yu et al. 2024, arXiv:2311.03099).

    Each entry is dropped with probability `drop_rate`. The remaining entries are divided by 1 - drop_rate. The updates
    are then merged by the rule `combine`.
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
    """The largest entries of each update's tensors, merged by the rule `combine`.

    `density` is the share of a tensor's entries that is kept.
    """

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
    """The LoRA module that another rule gives, reduced to a given rank by singular value decomposition.

    The result is the matrix of that rank with the smallest squared error (Eckart and Young 1936).
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
    """The head of one merged training. `place` is the index of that training in `Merge.stages`, from 0."""

    place: Natural


@spec
class AveragedHeads:
    """The average of the trainings' heads. Labels are matched by name.

    If the merge rule is `Linear`, the heads have the weights of that rule. Under any other rule, all heads have equal
    weights.
    """


@spec
class NoHead:
    """No head. The merged module can still be scored on tasks that need none."""


MergedHead = KeptHeadOf | AveragedHeads | NoHead


def _check_given(name: str, combine: MergeRule) -> None:
    if combine.search is not None:
        raise UserError(
            f"{name}(combine=Linear(weights=WeightSearch(...))): weights can be searched for only if "
            f"Linear is the whole merge rule, not inside {name}; use Linear(WeightSearch(...)) as the rule, or give "
            "the weights"
        )
