"""Differences between all pairs of a task's variants, baselines included, in the average over their shared languages.

Both variants of a pair are scored on the same redrawn rows, seed by seed. P-values are corrected for all pairs of the
task (Holm), except for pairs that have a verdict elsewhere: a variant and its baseline, and declared contrasts.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from adaptx.planning.zero_shot import equal_weights
from adaptx.report.gains.gain import ALPHA
from adaptx.report.gains.verdict import Compared, Verdict
from adaptx.report.results.measured import Variant
from adaptx.report.results.pairs import rows_key
from adaptx.report.results.redrawn import Redrawn
from adaptx.report.statistics.blocks import block_variance
from adaptx.report.statistics.bootstrap import Floats
from adaptx.report.statistics.holm import holm
from adaptx.report.statistics.over_seeds import LEAST_SEEDS
from adaptx.report.statistics.two_way import SeedVariance, TwoWay, over_rows, row_variance, two_way

PAIRS = "pairs"
"""Name of the family of all pairs."""


@dataclass(frozen=True, kw_only=True)
class PairDifference:
    """The mean score of `first` minus that of `second`, both labels of variants. Scores are shares.

    Attributes:
        low, high, p: 95% interval and p-value. With at least three common seeds, they cover the choice of rows and of
            seeds; with fewer, that of rows alone. None if the difference is the same on all rows and seeds.
        holm_p: p corrected for all comparisons of the family; None if p is.
        family: name of that family; `PAIRS` unless the pair has a verdict elsewhere.
        seeds: number of common seeds; 1 if neither variant was trained.
    """

    first: str
    second: str
    difference: float
    seeds: int
    low: float | None = None
    high: float | None = None
    p: float | None = None
    holm_p: float | None = None
    family: str = ""

    @property
    def over_seeds(self) -> bool:
        """Whether the interval and the p-value cover the choice of seeds."""
        return self.seeds >= LEAST_SEEDS

    def compared(self, task: str, metric: str, languages: Sequence[str]) -> Compared:
        """Return what the pair compares. languages: those of the mean."""
        return Compared(
            task=task,
            metric=metric,
            ours=self.first,
            theirs=self.second,
            languages=frozenset(languages),
            seeds=self.seeds,
        )

    @property
    def sign(self) -> int:
        """The verdict after correction: 1 if `first` is better, -1 if `second` is, 0 if undecided."""
        if self.holm_p is None or self.holm_p >= ALPHA:
            return 0
        return (self.difference > 0) - (self.difference < 0)


@dataclass(frozen=True, eq=False, kw_only=True)
class Scored:
    """A variant's average per seed, as measured and on redrawn rows. An untrained variant has the single seed None."""

    label: str
    model: str
    by_seed: Mapping[int | None, float]
    redrawn: Mapping[int | None, Floats]

    def on(self, seeds: Sequence[int | None]) -> tuple[Floats, Floats]:
        """Return the averages of these seeds twice: as measured, shape [S], and on redrawn rows, shape [S, R]."""
        known = [None if None in self.by_seed else seed for seed in seeds]
        return np.array([self.by_seed[seed] for seed in known]), np.stack([self.redrawn[seed] for seed in known])


def scored_alike(redrawn: Redrawn, languages: Sequence[str]) -> list[Scored]:
    """Return those variants whose models were all scored on the rows of the first variant in these languages."""
    weights = equal_weights(languages)
    found: list[Scored] = []
    rows = None
    for label, seeds in redrawn.variants.items():
        if not all(set(languages) <= set(variant.languages) for variant in seeds):
            continue
        rows = rows or _rows(seeds[0], languages)
        if all(_rows(variant, languages) == rows for variant in seeds):
            draws = redrawn.score(label, weights)
            numbers = [variant.factors.seed for variant in seeds]
            found.append(
                Scored(
                    label=label,
                    model=seeds[0].factors.model,
                    by_seed=dict(zip(numbers, map(float, draws.by_seed_S), strict=True)),
                    redrawn=dict(zip(numbers, draws.redrawn_SR, strict=True)),
                )
            )
    return found


def pair_differences(
    variants: Sequence[Scored], known: Callable[[PairDifference], Verdict | None] = lambda _: None
) -> list[PairDifference]:
    """Return the difference of each pair of variants that have a seed in common, with corrected p-values.

    known: returns the verdict on a pair that was tested elsewhere, and None for other pairs.
    """
    found: list[PairDifference] = []
    for first, second in itertools.combinations(variants, 2):
        seeds = _common(first, second)
        if seeds:
            (ours_S, ours_SR), (theirs_S, theirs_SR) = first.on(seeds), second.on(seeds)
            test = _test(ours_S - theirs_S, ours_SR - theirs_SR, _pooled(first, second, seeds, variants))
            low, high = test.interval() if test is not None else (None, None)
            found.append(
                PairDifference(
                    first=first.label,
                    second=second.label,
                    difference=float((ours_S - theirs_S).mean()),
                    seeds=len(seeds),
                    low=low,
                    high=high,
                    p=test.p if test is not None else None,
                )
            )
    verdicts = [known(pair) for pair in found]
    own = [pair.p for pair, verdict in zip(found, verdicts, strict=True) if verdict is None and pair.p is not None]
    corrected = iter(holm(own))
    return [
        replace(pair, low=verdict.low, high=verdict.high, p=verdict.p, holm_p=verdict.holm_p, family=verdict.family)
        if verdict is not None
        else replace(pair, holm_p=next(corrected), family=PAIRS)
        if pair.p is not None
        else pair
        for pair, verdict in zip(found, verdicts, strict=True)
    ]


def _rows(variant: Variant, languages: Sequence[str]) -> tuple[object, ...]:
    golds = tuple(variant.languages[language].record.golds_file for language in languages)
    return rows_key(variant, languages), golds


def _common(first: Scored, second: Scored) -> list[int | None]:
    """Return the seeds that both variants have. An untrained variant is compared with every seed of a trained one."""
    if None in first.by_seed or None in second.by_seed:
        return list(second.by_seed if None in first.by_seed else first.by_seed)
    return [seed for seed in first.by_seed if seed in second.by_seed]


def _pooled(
    first: Scored, second: Scored, seeds: Sequence[int | None], variants: Sequence[Scored]
) -> SeedVariance | None:
    """Return the variance over seeds, pooled over the variants that have the same checkpoint and these seeds.

    Return None if the two variants differ in their checkpoint, or if one of them is untrained.
    """
    if first.model != second.model or None in first.by_seed or None in second.by_seed:
        return None
    alike = [each for each in variants if each.model == first.model and set(seeds) <= set(each.by_seed)]
    return block_variance(np.stack([each.on(seeds)[0] for each in alike]), [1.0, -1.0])


def _test(gains_S: Floats, redrawn_SR: Floats, seeds: SeedVariance | None) -> TwoWay | None:
    rows = row_variance(redrawn_SR)
    gains = [float(gain) for gain in gains_S]
    return two_way(gains, rows, seeds) if len(gains) >= LEAST_SEEDS else over_rows(gains, rows)
