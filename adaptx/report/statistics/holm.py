"""Holm's correction: p-values of several comparisons, so that one false alarm among all of them stays as rare as said.

Holm 1979, A Simple Sequentially Rejective Multiple Test Procedure, Scandinavian Journal of Statistics 6(2).
"""

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """Corrected p-values in the given order: the i-th smallest of m times m - i + 1, rising, at most 1."""
    count = len(p_values)
    corrected = [0.0] * count
    so_far = 0.0
    for rank, place in enumerate(sorted(range(count), key=lambda place: p_values[place])):
        so_far = max(so_far, min(1.0, (count - rank) * p_values[place]))
        corrected[place] = so_far
    return corrected
