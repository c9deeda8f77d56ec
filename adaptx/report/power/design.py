"""Designs: the comparisons that a plan will make, with their test rows and seeds, before any score is known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from adaptx.report.power.row_counts import RowCount
from adaptx.report.statistics.two_way import pooled_degrees
from adaptx.specs import Evaluate

PARALLEL = 0.3
"""Assumed correlation of a row's paired difference between two languages of a parallel set. In the quickstart it is 0.2
to 0.3 (AmericasNLI)."""
LARGEST_VARIANCE = 0.25
"""The variance of a score of 0 or 1 on one row is at most this."""


@dataclass(frozen=True, kw_only=True)
class ScoredSet:
    """One test set of a design, with the weights of the models' scores on it.

    Attributes:
        total: the sum of these weights.
        squares: the sum of the squared weights. A gain over two languages has the weights 1/2 and -1/2 on each set.
        count: None if the number of rows is unknown.
    """

    evaluate: Evaluate
    total: float
    squares: float
    count: RowCount | None

    @property
    def group(self) -> str:
        """The name of the set's parallel group, or of its task and language if it has none."""
        rows = self.evaluate.task.rows_in(self.evaluate.language)
        return rows.parallel_group or f"{self.evaluate.task.name} {self.evaluate.language}"

    def variance(self, of_pair: float) -> float:
        """Return the variance of the weighted mean scores on this set when its rows are redrawn.

        of_pair: the variance of the difference of any two models on one row. Rows are independent.
        """
        assert self.count is not None
        level = max(LARGEST_VARIANCE - of_pair / 2, 0.0)
        return (level * self.total**2 + of_pair / 2 * self.squares) / self.count.rows


@dataclass(frozen=True, kw_only=True)
class Design:
    """A comparison that the plan will make: a variant's gain in one quantity, or a contrast.

    Attributes:
        comparison: the variant's label, or the contrast's name.
        task: the task's name; several are joined by a plus sign.
        quantity: `ZERO_SHOT`, `SOURCE` or `contrast`.
        family: the name of the family. The comparisons of a family are corrected together.
        seeds: number of seeds in which the comparison is made.
        weights: the weights of the models; 1 and -1 for a gain.
        arms: the variance over seeds is pooled over comparisons with these numbers of seeds.
        blocks: for a contrast, the number of models over which the variance is pooled; 0 if `arms` applies.
        note: why nothing can be said; empty otherwise.
    """

    comparison: str
    task: str
    metric: str
    quantity: str
    family: str
    languages: tuple[str, ...]
    sets: tuple[ScoredSet, ...]
    seeds: int
    weights: tuple[float, ...] = (1.0, -1.0)
    arms: tuple[int, ...] = ()
    blocks: int = 0
    note: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        return self.task, self.quantity, self.comparison

    @property
    def squares(self) -> float:
        """The sum of the squared weights of the models; 2 for a gain."""
        return sum(weight * weight for weight in self.weights)

    @property
    def rows(self) -> int | None:
        """The number of test rows of all sets together; None if it is unknown."""
        counts = [each.count for each in self.sets]
        return None if None in counts else sum(count.rows for count in counts if count is not None)

    @property
    def clusters(self) -> int | None:
        """The number of clusters of all sets together; None if some set has none, or if they are unknown."""
        counts = [each.count.clusters if each.count is not None else None for each in self.sets]
        return None if None in counts else sum(count for count in counts if count is not None)

    def row_variance(self, of_pair: float) -> float:
        """Return the variance of the comparison, with one seed, when rows are redrawn.

        of_pair: the variance of the difference of two models on one row. Sets that are translations of each other are
            correlated (`PARALLEL`), and other sets are independent.
        """
        groups: dict[str, list[float]] = {}
        for each in self.sets:
            groups.setdefault(each.group, []).append(each.variance(of_pair))
        return sum(_correlated(variances) for variances in groups.values())

    def degrees(self, seeds: int | None = None) -> float:
        """Return the degrees of freedom of the variance over seeds, with this number of seeds or with those planned."""
        if self.blocks:
            return (self.blocks - 1) * ((seeds or self.seeds) - 1)
        return pooled_degrees([seeds or count for count in self.arms if seeds or count > 1])


def _correlated(variances: Sequence[float]) -> float:
    alone, together = sum(variances), sum(variance**0.5 for variance in variances) ** 2
    return alone + PARALLEL * (together - alone)


def family_sizes(designs: Sequence[Design]) -> Mapping[str, int]:
    """Return the number of comparisons of each family that can be tested."""
    sizes: dict[str, int] = {}
    for design in designs:
        sizes[design.family] = sizes.get(design.family, 0) + (not design.note)
    return sizes
