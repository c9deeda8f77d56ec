"""Paired bootstrap over test examples: how much a gain would vary if other test examples had been drawn.

A resample draws as many rows as the test set has, with replacement, and computes the score of both systems on the same
draw. The spread of the resampled gains gives the interval. Sources: Efron and Tibshirani 1993, An Introduction to the
Bootstrap, chapters 6 and 13 (percentile interval); Koehn 2004, Statistical Significance Tests for Machine Translation
Evaluation (paired: both systems on the same resample).

Every metric is a function of statistics that are summed over examples (`adaptx.metrics`). A resample therefore needs
only weighted sums of these statistics, where the weight of a row is the number of times that it was drawn.

All examples that depend on one row of a data set are drawn together. So are rows that are translations of one another:
they have the same number in a parallel group. This keeps languages correlated as they are in the data. Unrelated sets
are drawn independently.
"""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int, int], Floats]
"""(generator, repeats, rows) -> weight of each row in each repeat, shape [repeats, rows]."""
Total = Callable[[Floats, Floats], Floats]
"""(weights [repeats, examples], statistics [examples, columns]) -> sums [repeats, columns]."""

RESAMPLES = 10_000
LEVEL = 0.95
"""Confidence level of all intervals."""
SEED = 20_040_725

_BLOCK_CELLS = 1 << 21
"""Maximum number of weights in memory at a time. They take 16 MiB, however large the test sets are."""


@dataclass(frozen=True, eq=False)
class ExampleRows:
    """The rows to which the examples of one language belong.

    Attributes:
        rows: row index of each example, shape [examples].
        group: name of the parallel group, which sets share if their rows are translations of one another; None for a
            set without translations.
    """

    rows: NDArray[np.int64]
    group: str | None = None


def resampled_sums(
    statistics: Mapping[str, Floats],
    examples: Mapping[str, ExampleRows],
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> dict[str, Floats]:
    """Return the sums of each language's statistics under resamples of its examples.

    Args:
        statistics: language -> each example's contribution to each sum, shape [examples, columns].
        examples: language -> the rows of these examples.
        resamples: number of resamples.
        seed: seed of the draws. A set's draws depend only on this seed, the set's group or language, and its rows.

    Returns:
        language -> sums, shape [resamples, columns]. Row i comes from the same draw in every language of a group, so
        a quantity over several languages is computed row by row.
    """
    return drawn_sums(statistics, examples, resamples, seed, _draw, _sums)


def drawn_sums(
    statistics: Mapping[str, Floats],
    examples: Mapping[str, ExampleRows],
    repeats: int,
    seed: int,
    draw: Draw,
    total: Total,
) -> dict[str, Floats]:
    """Do what `resampled_sums` does, with the caller's own weights of rows and own way to sum.

    draw: returns the weight of each row in each repeat. total: returns the weighted sums of the statistics.
    """
    clusters: dict[str, list[str]] = {}
    for language in statistics:
        group = examples[language].group
        clusters.setdefault(f"group {group}" if group is not None else f"language {language}", []).append(language)
    sums = {language: np.empty((repeats, columns.shape[1])) for language, columns in statistics.items()}
    for key, languages in clusters.items():
        # The generator depends on the group's name only, so a set is drawn the same way whatever else is in the call.
        # Weights are drawn once for all distinct rows of a group; each language then looks up the weights of its rows.
        generator = np.random.default_rng([seed, zlib.crc32(key.encode())])
        drawn = np.unique(np.concatenate([examples[language].rows for language in languages]))
        positions = {language: np.searchsorted(drawn, examples[language].rows) for language in languages}
        block = max(1, _BLOCK_CELLS // max(1, len(drawn)))
        for first in range(0, repeats, block):
            size = min(block, repeats - first)
            weights_RN = draw(generator, size, len(drawn))
            for language in languages:
                of_examples_RE = _of_examples(weights_RN, positions[language])
                sums[language][first : first + size] = total(of_examples_RE, statistics[language])
    return sums


def interval(resampled: Floats, level: float = LEVEL) -> tuple[float, float]:
    """Return the percentile interval (low, high) of resampled values, shape [resamples]."""
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(resampled, [tail, 100 - tail])
    return float(low), float(high)


def _draw(generator: np.random.Generator, resamples: int, rows: int) -> Floats:
    """Return how often each row is drawn in each resample of `rows` draws; shape [resamples, rows]."""
    indices = generator.integers(0, rows, size=(resamples, rows))
    # Shift each resample's indices into a range of its own, so that one bincount counts the rows of all resamples.
    indices += np.arange(resamples)[:, None] * rows
    return np.bincount(indices.ravel(), minlength=resamples * rows).reshape(resamples, rows).astype(np.float64)


def _of_examples(weights_RN: Floats, position_E: NDArray[np.intp]) -> Floats:
    """Return the weight of each example, shape [resamples, examples]: that of the row at `position_E`."""
    whole = len(position_E) == weights_RN.shape[1] and bool(np.array_equal(position_E, np.arange(len(position_E))))
    return weights_RN if whole else weights_RN[:, position_E]


def _sums(weights_RE: Floats, statistics_EC: Floats) -> Floats:
    """Return weighted sums of the statistics, shape [resamples, columns].

    A resample may draw no row of a small set that shares its group with a large one. The whole small set is used then.
    """
    drawn_R1 = weights_RE.any(axis=1, keepdims=True)
    return np.where(drawn_R1, weights_RE @ statistics_EC, statistics_EC.sum(axis=0))
