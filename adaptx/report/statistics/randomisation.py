"""Approximate randomisation: could the two systems' predictions have been exchanged?

Noreen 1989, Computer-Intensive Methods for Testing Hypotheses; Yeh 2000, More accurate tests for the statistical
significance of result differences (COLING). Were variant and baseline the same, each row's two predictions could as
well have come from the other system: a permutation exchanges them in rows drawn with a chance of one half. Rows that
translate one another are exchanged together, as the bootstrap draws them together. The p-value counts the data as they
are as one permutation, so that it is never zero (Phipson and Smyth 2010).
"""

from collections.abc import Mapping

import numpy as np

from adaptx.report.statistics.bootstrap import RESAMPLES, SEED, ExampleRows, Floats, drawn_sums

_SAME = 1e-12
"""Differences below this are rounding: permutations as extreme as the data count as extreme."""


def exchanged_sums(
    differences: Mapping[str, Floats],
    examples: Mapping[str, ExampleRows],
    permutations: int = RESAMPLES,
    seed: int = SEED,
) -> dict[str, Floats]:
    """What exchanging adds to one system's sums and takes from the other's.

    Args:
        differences: language -> the other system's statistics less this one's, shape [examples, columns].
        examples: language -> which rows those are.
        permutations: how many.
        seed: as in `resampled_sums`.

    Returns:
        language -> sums of the differences over the exchanged rows, shape [permutations, columns].
    """
    return drawn_sums(differences, examples, permutations, seed, _half, np.matmul)


def p_value(permuted: Floats, observed: float) -> float:
    """Two-sided p-value of a difference given its values under permutation, shape [permutations]."""
    extreme = int(np.count_nonzero(np.abs(permuted) >= abs(observed) - _SAME))
    return (1 + extreme) / (1 + len(permuted))


def _half(generator: np.random.Generator, permutations: int, rows: int) -> Floats:
    return generator.integers(0, 2, size=(permutations, rows)).astype(np.float64)
