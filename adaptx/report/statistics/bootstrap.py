"""Paired bootstrap over test examples: how far a gain could move had other examples been drawn.

Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapters 6 and 13 (percentile interval); Koehn
2004, Statistical Significance Tests for Machine Translation Evaluation (paired: both systems on the same
resample). A score is the value of statistics summed over examples (`adaptx.metrics`), so a resample is a weighted
sum, whatever the metric. What is drawn is a row of a data set with everything that hangs on it, as a cluster: rows that
translate one another carry one number within their parallel group and are drawn together; unrelated sets are
drawn independently.
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
SEED = 20_040_725

_BLOCK_CELLS = 1 << 21
"""Resample counts held at a time, which bounds memory at 16 MiB whatever the size of the sets."""


@dataclass(frozen=True, eq=False)
class ExampleRows:
    """Which rows the examples of one language are. rows: row number of each, shape [examples]; sets whose
    rows translate one another share `group`.
    """

    rows: NDArray[np.int64]
    group: str | None = None


def resampled_sums(
    statistics: Mapping[str, Floats],
    examples: Mapping[str, ExampleRows],
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> dict[str, Floats]:
    """Sums of each language's statistics under the same resamples of its examples.

    Args:
        statistics: language -> what each example adds to each sum, shape [examples, columns].
        examples: language -> which rows those are.
        resamples: how many.
        seed: a resample of a set depends on this, its group or language, and its rows, on nothing else in
            the call.

    Returns:
        language -> sums, shape [resamples, columns]. Row i of every language of a group is the same draw, so
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
    """As `resampled_sums`, with another way of drawing rows and of summing what they add."""
    clusters: dict[str, list[str]] = {}
    for language in statistics:
        group = examples[language].group
        clusters.setdefault(f"group {group}" if group is not None else f"language {language}", []).append(language)
    sums = {language: np.empty((repeats, columns.shape[1])) for language, columns in statistics.items()}
    for key, languages in clusters.items():
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
    """Percentile interval of resampled values, shape [resamples]."""
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(resampled, [tail, 100 - tail])
    return float(low), float(high)


def _draw(generator: np.random.Generator, resamples: int, rows: int) -> Floats:
    """How often each row is drawn in each resample of as many rows; shape [resamples, rows]."""
    indices = generator.integers(0, rows, size=(resamples, rows))
    indices += np.arange(resamples)[:, None] * rows
    return np.bincount(indices.ravel(), minlength=resamples * rows).reshape(resamples, rows).astype(np.float64)


def _of_examples(weights_RN: Floats, position_E: NDArray[np.intp]) -> Floats:
    """The weight of each example's row; shape [resamples, examples]."""
    whole = len(position_E) == weights_RN.shape[1] and bool(np.array_equal(position_E, np.arange(len(position_E))))
    return weights_RN if whole else weights_RN[:, position_E]


def _sums(weights_RE: Floats, statistics_EC: Floats) -> Floats:
    """Weighted sums of the statistics; a resample with none of this set's rows, possible where a small set shares a
    group with a large one, tells nothing and stands as the whole set.
    """
    drawn_R1 = weights_RE.any(axis=1, keepdims=True)
    return np.where(drawn_R1, weights_RE @ statistics_EC, statistics_EC.sum(axis=0))
