"""How modules are merged: rules over weights, where the weights come from, and whose head is kept.

Every rule acts on updates: what a module adds to the weights it stands on. Of a LoRA module that is (alpha / rank) B A
of each site, of full fine-tuning the difference to the checkpoint, and of a bottleneck adapter its own tensors. The
arithmetic is in `adaptx.composition.merging`, one file a rule.
"""

from dataclasses import KW_ONLY
from typing import Annotated

from adaptx.errors import UserError
from adaptx.specs.checked import spec
from adaptx.specs.ranges import Count, Natural, NotNegative, PositiveShare, Seed, ShareBelowOne, Within
from adaptx.specs.task import Task


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


@spec
class Linear:
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


@spec
class TaskArithmetic:
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


@spec
class Ties:
    """Trim, elect a sign, average what agrees with it (Yadav et al. 2023, arXiv:2306.01708, section 3).

    density: share of each tensor's entries that trimming keeps (the paper's k). scale: the paper's lambda.
    """

    density: PositiveShare = 0.2
    scale: float = 1.0

    def __post_init__(self) -> None:
        if not self.scale:
            raise UserError("Ties(scale=0): a scale of zero leaves the bare checkpoint; give another, 1 is usual")


@spec
class Dare:
    """Drop entries of updates at random and rescale the others, then combine (Yu et al. 2024, arXiv:2311.03099).

    drop_rate: probability that an entry is dropped; those kept are divided by 1 - drop_rate.
    """

    drop_rate: ShareBelowOne = 0.9
    seed: Seed = 1
    combine: Linear | TaskArithmetic | Ties = Linear()

    def __post_init__(self) -> None:
        _check_given("Dare", self.combine)


@spec
class MagnitudePruning:
    """Keep the largest entries of each update's tensors, then combine."""

    density: PositiveShare = 0.2
    combine: Linear | TaskArithmetic = Linear()

    def __post_init__(self) -> None:
        _check_given("MagnitudePruning", self.combine)


@spec
class SvdRank:
    """Another rule's merged LoRA brought to a rank: the nearest one in squared error (Eckart and Young 1936).

    `SvdRank(8, TaskArithmetic())` is the sum of B A products at rank 8.
    """

    rank: Count
    combine: Linear | TaskArithmetic | Ties | Dare | MagnitudePruning = Linear()

    def __post_init__(self) -> None:
        _check_given("SvdRank", self.combine)


MergeRule = Linear | TaskArithmetic | Ties | Dare | MagnitudePruning | SvdRank


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


def searched(rule: MergeRule) -> WeightSearch | None:
    """The search that a rule's weights come from, if they are searched."""
    return rule.weights if isinstance(rule, Linear) and isinstance(rule.weights, WeightSearch) else None


def given_weights(rule: MergeRule) -> tuple[float, ...] | None:
    """The weights written in a rule or in the one it combines by, one a training; None where there are none."""
    match rule:
        case Linear(weights) | TaskArithmetic(_, weights):
            return weights if isinstance(weights, tuple) else None
        case Dare(combine=combine) | MagnitudePruning(combine=combine) | SvdRank(combine=combine):
            return given_weights(combine)
        case Ties():
            return None


def negates(rule: MergeRule) -> bool:
    """Whether some update is subtracted, or may be."""
    search = searched(rule)
    if search is not None:
        return isinstance(search.by, LoraHub) and search.by.low < 0
    match rule:
        case TaskArithmetic(scale) | Ties(scale=scale) if scale < 0:
            return True
        case Dare(combine=combine) | MagnitudePruning(combine=combine) | SvdRank(combine=combine):
            return negates(combine)
        case _:
            return min(given_weights(rule) or (0.0,)) < 0


def _check_given(name: str, combine: MergeRule) -> None:
    if searched(combine) is not None:
        raise UserError(
            f"{name}(combine=Linear(weights=WeightSearch(...))): weights are searched for Linear by itself; merge by "
            "Linear(WeightSearch(...)) alone, or give the weights"
        )
