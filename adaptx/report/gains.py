"""Gains over the matched baseline, by language and on the zero-shot average, with bootstrap intervals.

Every quantity is a weighted sum of languages' scores, so one rule gives its score, its gain and its interval: the
score of a resample is the metric's value of its statistics, and a gain is the variant's less the baseline's on the
same resample. With several seeds, gains are averaged over them and each resample of the examples serves all seeds: the
interval covers the draw of test examples, not the draw of seeds.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from adaptx.metrics import METRICS
from adaptx.report.baselines import Match, is_baseline, match
from adaptx.report.bootstrap import RESAMPLES, Floats, interval, resampled_sums
from adaptx.report.measured import Measurements, Variant

ZERO_SHOT = "zero-shot average"
SOURCE = "source languages"
GAP = "generalisation gap"

Pair = tuple[Variant, Variant]


@dataclass(frozen=True)
class Gain:
    """One quantity of one variant on one task; scores are shares in [0, 1], averaged over its seeds.

    quantity: a language's code, `ZERO_SHOT`, `SOURCE` or `GAP` (source less zero-shot). gain, low, high:
        against the baseline, in the same unit; None without one, low and high also where a set is a single row.
        examples: test rows read, over the languages.
    """

    task: str
    metric: str
    model: str
    method: str
    start: str
    intermediate: str
    target: str
    variant: str
    is_baseline: bool
    seeds: int
    quantity: str
    languages: tuple[str, ...]
    examples: int
    score: float
    baseline: str | None = None
    baseline_score: float | None = None
    gain: float | None = None
    low: float | None = None
    high: float | None = None
    note: str = ""

    @property
    def is_language(self) -> bool:
        return self.quantity not in (ZERO_SHOT, SOURCE, GAP)

    @property
    def sign(self) -> int:
        """1 or -1 where the whole interval lies above or below zero, else 0."""
        if self.low is None or self.high is None:
            return 0
        return 1 if self.low > 0 else -1 if self.high < 0 else 0


def compute_gains(measurements: Measurements, resamples: int = RESAMPLES) -> list[Gain]:
    """Gains of all variants, in the order tasks, metrics, variants, quantities."""
    found: list[Gain] = []
    for task in measurements.tasks:
        variants = measurements.variants(task.name)
        matches = {id(variant): match(variant, variants) for variant in variants}
        labels = list(dict.fromkeys(variant.label for variant in variants))
        pairs = [(v, m.baseline) for v in variants if (m := matches[id(v)]).baseline is not None]
        resampled = _resampled(pairs, task.metrics, resamples)
        for metric in task.metrics:
            for label in labels:
                same = [variant for variant in variants if variant.label == label]
                found += _gains_of(same, metric, matches, resampled[metric])
    return found


def _gains_of(
    same: Sequence[Variant],
    metric: str,
    matches: Mapping[int, Match],
    resampled: Mapping[int, Mapping[str, Floats]],
) -> list[Gain]:
    """Gains of one variant, over the seeds it was trained with."""
    first = same[0]
    paired = [(variant, m.baseline) for variant in same if (m := matches[id(variant)]).baseline is not None]
    common = [set(variant.languages) for variant in same]
    notes = list(dict.fromkeys(m.note for v in same if (m := matches[id(v)]).note and not is_baseline(v)))
    if paired and len(paired) < len(same):
        notes.append(f"gain over the {len(paired)} of {len(same)} seeds that have a baseline")
    gains: list[Gain] = []
    for quantity, weights in _quantities(first, set[str].intersection(*common)).items():
        alone = _without_baseline(same, metric, quantity, weights)
        usable = [(v, b) for v, b in paired if all(language in resampled[id(v)] for language in weights)]
        if not usable:
            unlike = ["its baseline was not scored on the same rows"] if paired else []
            gains.append(replace(alone, note="; ".join(notes + unlike)))
            continue
        gained = replace(
            alone,
            baseline=", ".join(dict.fromkeys(b.label for _, b in usable)),
            baseline_score=_mean(_total(b, metric, weights) for _, b in usable),
            gain=_mean(_total(v, metric, weights) - _total(b, metric, weights) for v, b in usable),
            note="; ".join(notes),
        )
        single = [lang for lang in weights if len(np.unique(first.languages[lang].examples.rows)) < 2]
        if single:
            said = f"no interval for {', '.join(single)}: one row cannot be drawn again"
            gains.append(replace(gained, note="; ".join([*notes, said])))
            continue
        low, high = interval(np.mean([_weighted(resampled[id(variant)], weights) for variant, _ in usable], axis=0))
        gains.append(replace(gained, low=low, high=high))
    return gains


def _without_baseline(same: Sequence[Variant], metric: str, quantity: str, weights: Mapping[str, float]) -> Gain:
    """What a quantity is of, and its score."""
    first = same[0]
    return Gain(
        first.task.name,
        metric,
        first.factors.model,
        first.factors.method,
        first.factors.start,
        first.factors.intermediate,
        first.factors.target,
        first.label,
        is_baseline(first),
        len(same),
        quantity,
        tuple(weights),
        sum(len(first.languages[language].examples.rows) for language in weights),
        _mean(_total(variant, metric, weights) for variant in same),
    )


def _quantities(variant: Variant, languages: set[str]) -> dict[str, dict[str, float]]:
    """Quantity -> weight of each language in it."""
    order = [language for language in variant.languages if language in languages]
    source = [language for language in order if variant.languages[language].is_source_language]
    others = [language for language in order if language not in source]
    found = {language: {language: 1.0} for language in order}
    if others:
        found[ZERO_SHOT] = {language: 1 / len(others) for language in others}
    if source:
        found[SOURCE] = {language: 1 / len(source) for language in source}
    if source and others:
        found[GAP] = found[SOURCE] | {language: -weight for language, weight in found[ZERO_SHOT].items()}
    return found


def _total(variant: Variant, metric: str, weights: Mapping[str, float]) -> float:
    return sum(w * variant.languages[language].scores[metric] for language, w in weights.items())


def _weighted(scores: Mapping[str, Floats], weights: Mapping[str, float]) -> Floats:
    return np.sum([weight * scores[language] for language, weight in weights.items()], axis=0)


def _resampled(
    pairs: Sequence[Pair], metrics: Sequence[str], resamples: int
) -> dict[str, dict[int, dict[str, Floats]]]:
    """Metric -> id of a variant -> language -> resampled gain, shape [resamples]; languages scored on equal rows only.

    Pairs that share their rows share one call, all metrics together: drawing is most of the work, and is done
    once for them.
    """
    alike: dict[tuple[tuple[str, str | None, bytes], ...], list[Pair]] = {}
    for pair in pairs:
        alike.setdefault(_rows_key(pair), []).append(pair)
    found = {metric: {id(variant): dict[str, Floats]() for variant, _ in pairs} for metric in metrics}
    for key, members in alike.items():
        languages = [language for language, _, _ in key]
        variants = {id(variant): variant for pair in members for variant in pair}
        wanted = [(number, metric) for number in variants for metric in metrics]
        columns = {
            lang: _distinct([variants[number].languages[lang].statistics[metric] for number, metric in wanted])
            for lang in languages
        }
        examples = {language: members[0][0].languages[language].examples for language in languages}
        sums = resampled_sums({language: each for language, (each, _) in columns.items()}, examples, resamples)
        for language in languages:
            scores = {
                (number, metric): METRICS[metric].value(sums[language][:, place])
                for (number, metric), place in zip(wanted, columns[language][1], strict=True)
            }
            for variant, baseline in members:
                for metric in metrics:
                    gained = scores[id(variant), metric] - scores[id(baseline), metric]
                    found[metric][id(variant)][language] = gained
    return found


def _distinct(statistics: Sequence[Floats]) -> tuple[Floats, list[list[int]]]:
    """All columns, equal ones once (counts of golds are the same for every variant), and where each array's lie."""
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


def _rows_key(pair: Pair) -> tuple[tuple[str, str | None, bytes], ...]:
    """The languages in which both were scored on the same rows, with those rows."""
    variant, baseline = pair
    key: list[tuple[str, str | None, bytes]] = []
    for language, measured in variant.languages.items():
        other = baseline.languages.get(language)
        if other is not None and measured.record["golds"] == other.record["golds"]:
            key.append((language, measured.examples.group, measured.examples.rows.tobytes()))
    return tuple(key)


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))
