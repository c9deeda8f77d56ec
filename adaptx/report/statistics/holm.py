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
