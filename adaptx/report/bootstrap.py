"""Paired bootstrap over test examples: how far a gain could move had other examples been drawn.

Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapters 6 and 13 (percentile interval); Koehn
2004, Statistical Significance Tests for Machine Translation Evaluation (paired: both systems on the same
resample). What is drawn is a row of a data set with everything that hangs on it, as a cluster: rows that
translate one another carry one number within their parallel group and are drawn together; unrelated sets are
drawn independently.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RESAMPLES = 10_000
LEVEL = 0.95
SEED = 20_040_725

_BLOCK_CELLS = 1 << 21
"""Resample counts held at a time, which bounds memory at 16 MiB whatever the size of the sets."""


@dataclass(frozen=True, eq=False)
class Examples:
    """Which rows the examples of one language are. rows: row number of each, shape [examples]; sets whose
    rows translate one another share `group`.
    """

    rows: NDArray[np.int64]
    group: str | None = None


def resampled_means(
    values: Mapping[str, Floats],
    examples: Mapping[str, Examples],
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> dict[str, Floats]:
    """Means of each language's values under the same resamples of its examples.

    Args:
        values: language -> per-example values, shape [examples, comparisons]; a comparison is a column, say
            the scores of one variant less those of its baseline.
        examples: language -> which rows those are.
        resamples: how many.
        seed: a resample of a set depends on this, its group or language, and its rows, on nothing else in
            the call.

    Returns:
        language -> means, shape [resamples, comparisons]. Row i of every language of a group is the same
        draw, so an average over languages is the average of these arrays.
    """
    clusters: dict[str, list[str]] = {}
    for language in values:
        group = examples[language].group
        clusters.setdefault(f"group {group}" if group is not None else f"language {language}", []).append(language)
    means = {language: np.empty((resamples, columns.shape[1])) for language, columns in values.items()}
    for key, languages in clusters.items():
        generator = np.random.default_rng([seed, zlib.crc32(key.encode())])
        drawn = np.unique(np.concatenate([examples[language].rows for language in languages]))
        positions = {language: np.searchsorted(drawn, examples[language].rows) for language in languages}
        block = max(1, _BLOCK_CELLS // max(1, len(drawn)))
        for first in range(0, resamples, block):
            size = min(block, resamples - first)
            counts = _draw(generator, size, len(drawn))
            for language in languages:
                means[language][first : first + size] = _means(counts, positions[language], values[language])
    return means


def interval(resampled: Floats, level: float = LEVEL) -> tuple[float, float]:
    """Percentile interval of resampled means, shape [resamples]."""
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(resampled, [tail, 100 - tail])
    return float(low), float(high)


def _draw(generator: np.random.Generator, resamples: int, rows: int) -> Floats:
    """How often each row is drawn in each resample of as many rows; shape [resamples, rows]."""
    indices = generator.integers(0, rows, size=(resamples, rows))
    indices += np.arange(resamples)[:, None] * rows
    return np.bincount(indices.ravel(), minlength=resamples * rows).reshape(resamples, rows).astype(np.float64)


def _means(counts_RN: Floats, position_E: NDArray[np.intp], values_EC: Floats) -> Floats:
    """Weighted means of the values; a resample with none of this set's rows, possible where a small set
    shares a group with a large one, tells nothing and stands as the plain mean.
    """
    whole = len(position_E) == counts_RN.shape[1] and bool(np.array_equal(position_E, np.arange(len(position_E))))
    weights_RE = counts_RN if whole else counts_RN[:, position_E]
    totals_R1 = weights_RE.sum(axis=1, keepdims=True)
    means = weights_RE @ values_EC / np.maximum(totals_R1, 1)
    return np.where(totals_R1 > 0, means, values_EC.mean(axis=0))
