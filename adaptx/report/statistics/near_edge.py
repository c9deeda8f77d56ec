"""Intervals of gains where variant and baseline give different answers to few rows: near 100 %, or if both collapsed.

A resample of the bootstrap contains only rows that were observed. If two models differ on 3 of 150 rows, resamples vary
too little. If they differ on none, the interval would be [0, 0], although other rows would show differences. In a
language with few such rows, Newcombe's interval replaces the bootstrap's if it is wider.

The margin of a weighted sum of languages is the root of the sum of their squared weighted margins, plus the terms for
their correlations, which the bootstrap finds. Source: Zou and Donner 2008, Construction of confidence limits about
effect measures: A general approach (Statistics in Medicine 27(10)). The mean over seeds is treated in the same way.

Suffixes of arrays: L languages, S seeds, N rows, R resamples.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from adaptx.report.statistics.bootstrap import LEVEL, Floats, interval
from adaptx.report.statistics.newcombe import Margins, newcombe, normal_quantile

FEW_CLUSTERS = 10
"""A language is near the edge if variant and baseline differ in fewer clusters of rows than this, over all seeds."""


@dataclass(frozen=True, eq=False, kw_only=True)
class LanguageGain:
    """The data of a gain in one language.

    Attributes:
        weight: the language's weight in the quantity.
        ours_SN, theirs_SN: the variant's, and the baseline's, score on each row, from 0 to 1.
        cluster_N: each row's cluster.
        redrawn_SR: the gain on each resample.
    """

    weight: float
    ours_SN: Floats
    theirs_SN: Floats
    cluster_N: NDArray[np.int64]
    redrawn_SR: Floats

    @cached_property
    def is_near_edge(self) -> bool:
        """Whether variant and baseline differ in fewer than `FEW_CLUSTERS` clusters, added over all seeds."""
        differing = [len(np.unique(self.cluster_N[row_N])) for row_N in self.ours_SN != self.theirs_SN]
        return sum(differing) < FEW_CLUSTERS

    def margins(self, level: float = LEVEL) -> Margins:
        """Return the margins of the mean gain over seeds, without the weight."""
        redrawn_R = self.redrawn_SR.mean(axis=0)
        gain = float((self.ours_SN - self.theirs_SN).mean())
        low, high = interval(redrawn_R, level)
        found = Margins(max(gain - low, 0.0), max(high - gain, 0.0))
        if not self.is_near_edge:
            return found
        seeds = [newcombe(*pair, self.cluster_N, level) for pair in zip(self.ours_SN, self.theirs_SN, strict=True)]
        # Seeds in which nothing varies are taken to vary alike, because their correlation is unknown.
        alike_SS = np.maximum(_correlation(self.redrawn_SR, unknown=1.0), 0.0)
        below, above = (
            _root(np.array(side) / len(seeds), alike_SS)
            for side in ([each.below for each in seeds], [each.above for each in seeds])
        )
        return Margins(max(found.below, below), max(found.above, above))

    @property
    def error(self) -> float:
        """The standard error of the mean gain when rows are redrawn. If the two margins differ, the larger one gives
        it.
        """
        redrawn = float(self.redrawn_SR.mean(axis=0).std())
        if not self.is_near_edge:
            return redrawn
        margins = self.margins()
        return max(redrawn, max(margins.below, margins.above) / normal_quantile(LEVEL))


@dataclass(frozen=True, eq=False)
class NearEdge:
    """The mean gain over seeds in a quantity with at least one language near the edge. The trained models stay the
    same.
    """

    gain: float
    languages: tuple[LanguageGain, ...]
    correlation_LL: Floats

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Return the interval of the gain when rows are redrawn."""
        margins = [each.margins(level) for each in self.languages]
        # A language with a negative weight lowers the sum where its own gain is high.
        is_added = [each.weight > 0 for each in self.languages]
        below = [m.below if added else m.above for m, added in zip(margins, is_added, strict=True)]
        above = [m.above if added else m.below for m, added in zip(margins, is_added, strict=True)]
        return self.gain - self._summed(below), self.gain + self._summed(above)

    @property
    def variance(self) -> float:
        """The variance of the gain when rows are redrawn, from `LanguageGain.error`."""
        return self._summed([each.error for each in self.languages]) ** 2

    def _summed(self, margins: Sequence[float]) -> float:
        weights_L = np.array([each.weight for each in self.languages])
        return _root(weights_L * margins, self.correlation_LL)


def near_edge(languages: Sequence[LanguageGain]) -> NearEdge | None:
    """Return the gain in a weighted sum of languages; None if no language is near the edge."""
    if not any(each.is_near_edge for each in languages):
        return None
    gain = sum(each.weight * float((each.ours_SN - each.theirs_SN).mean()) for each in languages)
    redrawn_LR = np.stack([each.redrawn_SR.mean(axis=0) for each in languages])
    return NearEdge(gain, tuple(languages), _correlation(redrawn_LR, unknown=0.0))


def _correlation(redrawn_LR: Floats, unknown: float) -> Floats:
    """Return the correlations over resamples between the rows of an array, which are gains of languages or of seeds.

    unknown: the correlation with a gain that is the same on all resamples.
    """
    deviation_LR = redrawn_LR - redrawn_LR.mean(axis=1, keepdims=True)
    norm_L = np.sqrt((deviation_LR**2).sum(axis=1))
    varies_L = norm_L > 1e-12
    scaled_LR = deviation_LR / np.where(varies_L, norm_L, 1.0)[:, None]
    found_LL = np.where(varies_L[:, None] & varies_L, scaled_LR @ scaled_LR.T, unknown)
    np.fill_diagonal(found_LL, 1.0)
    return found_LL


def _root(margins: Floats, correlation: Floats) -> float:
    """Return the margin of a sum of terms, given their margins and their correlations."""
    return float(max(margins @ correlation @ margins, 0.0)) ** 0.5
