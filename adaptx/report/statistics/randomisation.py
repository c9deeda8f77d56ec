"""Approximate randomisation: a significance test that swaps the predictions of two systems.

If variant and baseline were equally good, each row's two predictions could just as well have been swapped. A
permutation therefore swaps the two predictions of each row with a chance of one half. The p-value is the share of
permutations whose difference is at least as large as the observed one. The observed data count as one permutation, so
that the p-value is never zero (Phipson and Smyth 2010). Rows that are translations of one another are swapped together.

Sources: Noreen 1989, Computer-Intensive Methods for Testing Hypotheses; Yeh 2000, More accurate tests for the
statistical significance of result differences (COLING).
"""

from collections.abc import Mapping

import numpy as np

from adaptx.report.statistics.bootstrap import RESAMPLES, SEED, ExampleRows, Floats, drawn_sums

_SAME = 1e-12
"""Tolerance for rounding errors, so that a permutation exactly as extreme as the observed data counts as extreme."""


def exchanged_sums(
    differences: Mapping[str, Floats],
    examples: Mapping[str, ExampleRows],
    permutations: int = RESAMPLES,
    seed: int = SEED,
) -> dict[str, Floats]:
    """Return the amounts that each permutation adds to the first system's sums and subtracts from the second's.

    Args:
        differences: language -> the second system's statistics minus the first's, shape [examples, columns].
        examples: language -> the rows of these examples.
        permutations: number of permutations.
        seed: as in `resampled_sums`.

    Returns:
        language -> sums of the differences over the exchanged rows, shape [permutations, columns].
    """
    return drawn_sums(differences, examples, permutations, seed, _half, np.matmul)


def p_value(permuted: Floats, observed: float) -> float:
    """Return the two-sided p-value of an observed difference, given those of all permutations, shape [permutations]."""
    return (1 + count_extreme(permuted, observed)) / (1 + len(permuted))


def count_extreme(permuted: Floats, observed: float) -> int:
    """Return the number of permutations whose difference is at least as large as the observed one."""
    return int(np.count_nonzero(np.abs(permuted) >= abs(observed) - _SAME))


def _half(generator: np.random.Generator, permutations: int, rows: int) -> Floats:
    return generator.integers(0, 2, size=(permutations, rows)).astype(np.float64)
