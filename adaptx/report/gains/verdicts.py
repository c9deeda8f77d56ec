"""Verdicts on gains: would a gain also appear with other test rows and other seeds?

With at least three seeds, the interval and the p-value of a gain cover the choice of test rows and of seeds
(`statistics/two_way.py`), so they are about the method. The variance over seeds is pooled over the variants of a model.
With fewer seeds, they cover the choice of rows alone (bootstrap, approximate randomisation), so they are about the
trained models. Where variant and baseline differ on few rows, Newcombe's intervals replace the bootstrap's, which are
too narrow there (`statistics/near_edge.py`).

A verdict is made after Holm's correction over a family of comparisons. Within a task and metric, all languages together
are one family. Each average is another family, and so is each attribute of languages. The comparisons that a recipe
declares as primary are one family over all tasks. A test that several quantities share (the source languages may be
English alone) is made once, in the first of these families that has it: primary, averages, languages, attributes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from adaptx.report.gains.corrected import corrected
from adaptx.report.gains.gain import Gain
from adaptx.report.gains.verdict import NO_VERDICTS, Compared, Verdicts
from adaptx.report.results.measured import Variant
from adaptx.report.statistics.bootstrap import LEVEL, Floats, interval
from adaptx.report.statistics.near_edge import NearEdge
from adaptx.report.statistics.over_seeds import LEAST_SEEDS
from adaptx.report.statistics.power import detectable_effect
from adaptx.report.statistics.randomisation import count_extreme
from adaptx.report.statistics.two_way import (
    RowVariance,
    SeedVariance,
    TwoWay,
    pooled_variance,
    row_variance,
    two_way,
)

Key = tuple[str, ...]
"""The names that identify a group of comparisons."""


@dataclass(frozen=True, kw_only=True, eq=False)
class DrawnRows:
    """A mean gain over seeds, and how it varies when rows are redrawn. The trained models stay the same.

    Attributes:
        low, high: its 95% interval.
        p: its p-value by approximate randomisation.
        permutations, extreme: number of permutations, and of those as extreme as the gain.
        variance: its variance over rows.
        redrawn_R: its value on each resample; None with three or more seeds, for which it is not needed.
        near_edge: gives its interval if variant and baseline differ on few rows of a language.
    """

    low: float
    high: float
    p: float
    permutations: int
    extreme: int
    variance: RowVariance
    redrawn_R: Floats | None
    near_edge: NearEdge | None = None

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Return the interval of the gain: by `near_edge` if it is given, and otherwise the percentile interval."""
        if self.near_edge is not None:
            return self.near_edge.interval(level)
        assert self.redrawn_R is not None
        return interval(self.redrawn_R, level)

    def detectable(self, level: float = LEVEL) -> float:
        """Return the smallest true gain of these models that a test at `level` finds in 4 of 5 experiments."""
        return detectable_effect(self.variance.mean, 0.0, float("inf"), level)


@dataclass(frozen=True, eq=False, kw_only=True)
class Comparison:
    """A variant's gain in one quantity before its verdict.

    Attributes:
        by_seed: the gain of each seed.
        rows: the gain on redrawn rows; None if it is not tested.
        pairs: for each seed, the variant and its baseline.
        weights: language -> its weight in the quantity.
    """

    gain: Gain
    by_seed: tuple[float, ...] = ()
    rows: DrawnRows | None = None
    pairs: tuple[tuple[Variant, Variant], ...] = ()
    weights: Mapping[str, float] = field(default_factory=dict[str, float])

    @property
    def arms(self) -> Key:
        """The key (task, metric, model, attribute, quantity). Comparisons with equal keys pool their variances over
        seeds.
        """
        gain = self.gain
        return gain.task, gain.metric, gain.model, gain.attribute, gain.quantity

    @property
    def rank(self) -> int:
        """Order of the families: the first one that has a test corrects it. 0: primary, 1: averages, 2: languages."""
        gain = self.gain
        return 0 if gain.standing == "primary" else 3 if gain.attribute else 2 if gain.is_language else 1

    @property
    def family(self) -> Key:
        """A key, such as `("nli", "accuracy", "script")`, that is equal for all comparisons that are corrected
        together.
        """
        gain = self.gain
        if gain.standing == "primary":
            return ("primary",)
        return gain.task, gain.metric, "languages" if gain.is_language else gain.attribute or gain.quantity


def drawn_rows(
    by_seed: Sequence[float], redrawn_SR: Floats, exchanged_SR: Floats, edge: NearEdge | None = None
) -> DrawnRows | None:
    """Return the mean gain on redrawn rows. Return None for one or two seeds if it is the same on every draw.

    Args:
        by_seed: the gain of each seed.
        redrawn_SR: the same on each resample.
        exchanged_SR: the same after each permutation of predictions.
        edge: the gain near the edge, if variant and baseline differ on few rows of a language.
    """
    mean_R = redrawn_SR.mean(axis=0)
    if edge is None and not np.ptp(mean_R) and len(by_seed) < LEAST_SEEDS:
        return None
    low, high = interval(mean_R) if edge is None else edge.interval()
    variance = row_variance(redrawn_SR)
    extreme = count_extreme(exchanged_SR.mean(axis=0), float(np.mean(by_seed)))
    permutations = exchanged_SR.shape[1]
    return DrawnRows(
        low=low,
        high=high,
        p=(1 + extreme) / (1 + permutations),
        permutations=permutations,
        extreme=extreme,
        variance=variance if edge is None else replace(variance, mean=max(variance.mean, edge.variance)),
        redrawn_R=mean_R if len(by_seed) < LEAST_SEEDS else None,
        near_edge=edge,
    )


def verdicts(comparisons: Sequence[Comparison], decided: Verdicts = NO_VERDICTS) -> list[Gain]:
    """Return all gains of a report, in the given order, with intervals, p-values and corrected p-values.

    decided: verdicts that were made elsewhere, such as those on declared contrasts. They replace those made here.
    """
    tests = uncorrected(comparisons)
    known = decided
    for family, places in families(comparisons, tests, decided).items():
        found = corrected([test for place in places if (test := tests[place]) is not None], family[-1])
        compared = (comparisons[place].gain.compared for place in places)
        known = known.with_more((each, verdict) for each, verdict in zip(compared, found, strict=True) if each)
    return [_told(comparison, test, known) for comparison, test in zip(comparisons, tests, strict=True)]


def uncorrected(comparisons: Sequence[Comparison]) -> list[TwoWay | DrawnRows | None]:
    """Return the test of each comparison before correction; None if it cannot be tested."""
    pooled = pooled_over_arms(comparisons)
    return [_test(comparison, pooled) for comparison in comparisons]


def families(
    comparisons: Sequence[Comparison], tests: Sequence[TwoWay | DrawnRows | None], decided: Verdicts
) -> dict[Key, list[int]]:
    """Return the places of the tests of each family: one for each test that is not decided elsewhere."""
    distinct: dict[Compared, int] = {}
    for place in sorted(range(len(tests)), key=lambda place: comparisons[place].rank):
        compared = comparisons[place].gain.compared
        if tests[place] is not None and compared is not None and decided.of(compared) is None:
            distinct.setdefault(compared.oriented[0], place)
    found: dict[Key, list[int]] = {}
    for place in distinct.values():
        found.setdefault(comparisons[place].family, []).append(place)
    return found


def pooled_over_arms(comparisons: Sequence[Comparison]) -> Mapping[Key, SeedVariance | None]:
    """Return the variance over seeds by `Comparison.arms`; None where no comparison has two seeds."""
    arms: dict[Key, list[tuple[float, ...]]] = {}
    for comparison in comparisons:
        if comparison.rows is not None:
            arms.setdefault(comparison.arms, []).append(comparison.by_seed)
    return {key: pooled_variance(every) for key, every in arms.items()}


def _test(comparison: Comparison, pooled: Mapping[Key, SeedVariance | None]) -> TwoWay | DrawnRows | None:
    if comparison.rows is None:
        return None
    if len(comparison.by_seed) < LEAST_SEEDS:
        return comparison.rows
    return two_way(comparison.by_seed, comparison.rows.variance, pooled[comparison.arms])


def without_interval(gain: Gain) -> Gain:
    """Return the gain with a note that it has no interval, because it is the same on every row and seed."""
    said = "no interval: variant and baseline differ by the same amount on every row and seed"
    return replace(gain, note="; ".join(filter(None, (gain.note, said))))


def _told(comparison: Comparison, test: TwoWay | DrawnRows | None, known: Verdicts) -> Gain:
    """Return the gain with the verdict on its test."""
    gain, rows = comparison.gain, comparison.rows
    if rows is None:
        return gain
    verdict = known.of(gain.compared) if test is not None else None
    if verdict is None:
        return without_interval(gain)
    return replace(gain, **asdict(verdict), row_low=rows.low, row_high=rows.high, row_p=rows.p)
