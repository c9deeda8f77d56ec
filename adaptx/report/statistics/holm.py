"""Holm's correction of p-values for several comparisons.

Rejecting corrected p-values below 0.05 keeps the chance of at least one false positive among all comparisons below 5%.

Holm 1979, A Simple Sequentially Rejective Multiple Test Procedure, Scandinavian Journal of Statistics 6(2).
"""

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the corrected p-values in the order of `p_values`.

    The i-th smallest of m p-values is multiplied by m - i + 1. Corrected values are at most 1, and each is at least as
    large as the corrected value of every smaller p-value.
    """
    count = len(p_values)
    corrected = [0.0] * count
    so_far = 0.0
    for rank, place in enumerate(sorted(range(count), key=lambda place: p_values[place])):
        so_far = max(so_far, min(1.0, (count - rank) * p_values[place]))
        corrected[place] = so_far
    return corrected


def holm_levels(p_values: Sequence[float], alpha: float = 0.05) -> list[float]:
    """Return a confidence level per comparison, at which its interval excludes zero exactly if Holm's test rejects.

    The i-th smallest of m p-values has the level 1 - alpha / (m - i + 1). From the first comparison on that is not
    rejected, all have the level of that comparison.

    After Serlin 1993, Confidence Intervals and the Scientific Method: A Case for Holm on the Range, Journal of
    Experimental Education 61(4).
    """
    count = len(p_values)
    levels = [0.0] * count
    stopped: float | None = None
    for rank, place in enumerate(sorted(range(count), key=lambda place: p_values[place])):
        share = alpha / (count - rank) if stopped is None else stopped
        if stopped is None and p_values[place] > share:
            stopped = share
        levels[place] = 1 - share
    return levels
