"""Gains of a variant over its baseline, recomputed on resampled rows and with swapped predictions.

Suffixes of tensor and array names, one letter per dimension: E examples, C columns of statistics, R resamples or
permutations.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from adaptx.metrics import METRICS
from adaptx.report.results.measured import Variant
from adaptx.report.statistics.bootstrap import SEED, Floats, resampled_sums
from adaptx.report.statistics.randomisation import exchanged_sums

Pair = tuple[Variant, Variant]
"""A variant and its baseline."""
ByLanguage = dict[str, Floats]
GainsOfPairs = dict[str, dict[int, ByLanguage]]
"""Metric -> id of a variant -> language -> gains, shape [R]. Languages are left out if the two were scored on different
rows."""

RowsKey = tuple[tuple[str, str | None, bytes], ...]
"""(language, parallel group, row numbers) per language. Variants with equal keys share their resamples."""


def resampled_gains(pairs: Sequence[Pair], metrics: Sequence[str], resamples: int) -> GainsOfPairs:
    """Return each variant's gain on resamples of the test examples; variant and baseline share each resample."""
    return _over_alike(pairs, metrics, lambda languages, members: _resampled(languages, members, metrics, resamples))


def permuted_gains(pairs: Sequence[Pair], metrics: Sequence[str], permutations: int, seed: int = SEED) -> GainsOfPairs:
    """Return each variant's gain after it has swapped its predictions with the baseline's on randomly chosen rows."""
    return _over_alike(
        pairs, metrics, lambda languages, members: _permuted(languages, members, metrics, permutations, seed)
    )


def weighted(gains: ByLanguage, weights: Mapping[str, float]) -> Floats:
    """Return the weighted sum of the gains in several languages, shape [R]."""
    return np.sum([weight * gains[language] for language, weight in weights.items()], axis=0)


def rows_key(variant: Variant, languages: Sequence[str]) -> RowsKey:
    """Return a key that identifies the rows on which a variant was scored in these languages."""
    found = [(language, variant.languages[language].examples) for language in languages]
    return tuple((language, examples.group, examples.rows.tobytes()) for language, examples in found)


def shared_languages(variant: Variant, other: Variant) -> list[str]:
    """Return the languages in which both variants were scored on the same rows."""
    return [
        language
        for language, measured in variant.languages.items()
        if language in other.languages and measured.record.golds_file == other.languages[language].record.golds_file
    ]


def distinct_columns(statistics: Sequence[Floats]) -> tuple[Floats, list[list[int]]]:
    """Return the arrays' distinct columns as one array and, for each given array, the positions of its columns there.

    Many columns are equal, because all variants have the same counts of gold answers. Distinct columns are summed only
    once.
    """
    places: dict[bytes, int] = {}
    columns: list[Floats] = []
    found: list[list[int]] = []
    for each in statistics:
        found.append([])
        for column in each.T:
            place = places.setdefault(column.tobytes(), len(columns))
            if place == len(columns):
                columns.append(column)
            found[-1].append(place)
    return np.stack(columns, axis=1), found


def _over_alike(
    pairs: Sequence[Pair],
    metrics: Sequence[str],
    gains: Callable[[list[str], list[Pair]], Mapping[tuple[int, str, str], Floats]],
) -> GainsOfPairs:
    """Compute the gains of all pairs, with one call of `gains` for all pairs that share their rows.

    Drawing is most of the work, so these pairs and all metrics share one set of draws.
    """
    alike: dict[RowsKey, list[Pair]] = {}
    for variant, baseline in pairs:
        alike.setdefault(rows_key(variant, shared_languages(variant, baseline)), []).append((variant, baseline))
    found: GainsOfPairs = {metric: {id(variant): {} for variant, _ in pairs} for metric in metrics}
    for key, members in alike.items():
        for (number, metric, language), values in gains([language for language, _, _ in key], members).items():
            found[metric][number][language] = values
    return found


def _resampled(
    languages: list[str], members: list[Pair], metrics: Sequence[str], resamples: int
) -> Mapping[tuple[int, str, str], Floats]:
    variants = {id(variant): variant for pair in members for variant in pair}
    wanted = [(number, metric) for number in variants for metric in metrics]
    columns = {
        language: distinct_columns(
            [variants[number].languages[language].statistics[metric] for number, metric in wanted]
        )
        for language in languages
    }
    examples = {language: members[0][0].languages[language].examples for language in languages}
    sums = resampled_sums({language: each for language, (each, _) in columns.items()}, examples, resamples)
    found: dict[tuple[int, str, str], Floats] = {}
    for language in languages:
        scores = {
            (number, metric): METRICS[metric].value(sums[language][:, place])
            for (number, metric), place in zip(wanted, columns[language][1], strict=True)
        }
        for variant, baseline in members:
            for metric in metrics:
                found[id(variant), metric, language] = scores[id(variant), metric] - scores[id(baseline), metric]
    return found


def _permuted(
    languages: list[str], members: list[Pair], metrics: Sequence[str], permutations: int, seed: int
) -> Mapping[tuple[int, str, str], Floats]:
    # Exchanging the predictions of a row adds the difference of the two systems' statistics to one sum and subtracts it
    # from the other. The sums of these differences over the exchanged rows are therefore all that has to be drawn.
    wanted = [(pair, metric) for pair in members for metric in metrics]
    columns = {
        language: distinct_columns(
            [
                baseline.languages[language].statistics[metric] - variant.languages[language].statistics[metric]
                for (variant, baseline), metric in wanted
            ]
        )
        for language in languages
    }
    examples = {language: members[0][0].languages[language].examples for language in languages}
    sums = exchanged_sums({language: each for language, (each, _) in columns.items()}, examples, permutations, seed)
    found: dict[tuple[int, str, str], Floats] = {}
    for language in languages:
        for ((variant, baseline), metric), place in zip(wanted, columns[language][1], strict=True):
            moved_RC = sums[language][:, place]
            ours, theirs = (each.languages[language].statistics[metric].sum(axis=0) for each in (variant, baseline))
            value = METRICS[metric].value
            found[id(variant), metric, language] = value(ours + moved_RC) - value(theirs - moved_RC)
    return found
