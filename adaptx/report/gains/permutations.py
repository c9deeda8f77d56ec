"""More permutations for families of many comparisons, so that Holm's correction can still find something.

The smallest p-value of 10,000 permutations is 1 / 10,001. Corrected for 1,000 comparisons it is 0.1, so nothing could
have a verdict. Tests with fewer than three seeds therefore get more permutations, up to 2,000 per comparison of their
family: then about 100 permutations are as extreme as a gain whose corrected p is 0.05, and p is known to 10%. A test
stops when it has 100 such permutations (Besag and Clifford 1991, Sequential Monte Carlo p-values, Biometrika 78(2)).
If that takes too long, it gets at least 100 per comparison, with which a corrected p can be below 0.01.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from adaptx.report.gains.verdict import Verdicts
from adaptx.report.gains.verdicts import Comparison, families, uncorrected
from adaptx.report.results.measured import Variant
from adaptx.report.results.pairs import GainsOfPairs, permuted_gains, weighted
from adaptx.report.statistics.bootstrap import RESAMPLES, SEED
from adaptx.report.statistics.over_seeds import LEAST_SEEDS
from adaptx.report.statistics.randomisation import count_extreme

ENOUGH = 100
"""Number of extreme permutations from which on a p-value is known well enough."""
LEAST, MOST = 100, 2_000
"""Numbers of permutations per comparison of a family. With `MOST`, a corrected p of 0.05 has `ENOUGH` extreme ones."""
MOST_DRAWS = 2_000_000_000
"""Number of rows, drawn for a task over all permutations, after which `LEAST` has to do. They take about a minute."""


def with_enough_permutations(comparisons: Sequence[Comparison], decided: Verdicts) -> list[Comparison]:
    """Return the comparisons, with p-values from more permutations where the size of the family needs them."""
    found, sizes = list(comparisons), dict[int, int]()
    for places in families(comparisons, uncorrected(comparisons), decided).values():
        sizes |= dict.fromkeys(places, len(places))
    for task in dict.fromkeys(comparison.gain.task for comparison in comparisons):
        _permute_more(found, {place: size for place, size in sizes.items() if found[place].gain.task == task})
    return found


def _permute_more(found: list[Comparison], sizes: Mapping[int, int]) -> None:
    """Replace the comparisons of one task by those with more permutations. sizes: place -> size of its family."""
    block = drawn = 0
    while True:
        wanted = LEAST if drawn > MOST_DRAWS else MOST
        places = [place for place, size in sizes.items() if _needs_more(found[place], wanted * size)]
        if not places:
            return
        pairs = {id(variant): (variant, baseline) for place in places for variant, baseline in found[place].pairs}
        metrics = list(dict.fromkeys(found[place].gain.metric for place in places))
        block += 1
        drawn += RESAMPLES * sum(_rows(variant) for variant, _ in pairs.values())
        permuted = permuted_gains(list(pairs.values()), metrics, RESAMPLES, SEED + block)
        for place in places:
            found[place] = _with_block(found[place], permuted)


def _needs_more(comparison: Comparison, wanted: int) -> bool:
    """Return whether p is that of a randomisation test with too few permutations. wanted: number of permutations."""
    rows = comparison.rows
    if rows is None or len(comparison.by_seed) >= LEAST_SEEDS:
        return False
    return rows.permutations < wanted and rows.extreme < ENOUGH


def _with_block(comparison: Comparison, permuted: GainsOfPairs) -> Comparison:
    """Return the comparison with a p-value that also counts these permutations."""
    rows, of_metric = comparison.rows, permuted[comparison.gain.metric]
    assert rows is not None
    gains_SR = [weighted(of_metric[id(variant)], comparison.weights) for variant, _ in comparison.pairs]
    permuted_R = np.mean(gains_SR, axis=0)
    extreme = rows.extreme + count_extreme(permuted_R, float(np.mean(comparison.by_seed)))
    permutations = rows.permutations + len(permuted_R)
    p = (1 + extreme) / (1 + permutations)
    return replace(comparison, rows=replace(rows, extreme=extreme, permutations=permutations, p=p))


def _rows(variant: Variant) -> int:
    return sum(len(measured.examples.rows) for measured in variant.languages.values())
