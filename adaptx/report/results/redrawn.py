"""Scores and gains of every seed of a task's variants, on the measured rows and on redrawn rows.

Variants that were scored on the same rows are scored on the same redrawn rows, so that they can be compared.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from adaptx.metrics import METRICS
from adaptx.report.results.baselines import match
from adaptx.report.results.measured import Measurements, Variant
from adaptx.report.results.pairs import RowsKey, distinct_columns, rows_key, shared_languages
from adaptx.report.statistics.bootstrap import Floats, resampled_sums
from adaptx.report.statistics.draws import Draws
from adaptx.specs import Task

REDRAWS = 4_000
"""Number of resamples. They give variances and probabilities, which need fewer than the ends of an interval."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Redrawn:
    """Redrawn scores of a task's first metric.

    Attributes:
        variants: label -> the variant's models, one per seed.
        baselines: `id` of a model -> its matched baseline.
        scores: `id` of a model -> language -> its redrawn scores, shape [resamples].
    """

    metric: str
    variants: Mapping[str, Sequence[Variant]]
    baselines: Mapping[int, Variant]
    scores: Mapping[int, Mapping[str, Floats]]

    def score(self, label: str, weights: Mapping[str, float]) -> Draws:
        """Return the weighted sum of a variant's scores in several languages."""
        return _stacked([self._score(each, weights) for each in self.variants[label]])

    def gain(self, label: str, weights: Mapping[str, float]) -> Draws | None:
        """Return the weighted sum of a variant's gains, for the seeds whose baseline was scored on the same rows.

        Return None if there is no such seed.
        """
        found: list[tuple[float, Floats]] = []
        baselines: list[int] = []
        for variant in self.variants[label]:
            baseline = self.baselines.get(id(variant))
            if baseline is not None and set(weights) <= set(shared_languages(variant, baseline)):
                (ours, ours_R), (theirs, theirs_R) = (self._score(each, weights) for each in (variant, baseline))
                found.append((ours - theirs, ours_R - theirs_R))
                baselines.append(id(baseline))
        return _stacked(found, tuple(baselines)) if found else None

    def _score(self, variant: Variant, weights: Mapping[str, float]) -> tuple[float, Floats]:
        redrawn = self.scores[id(variant)]
        measured = sum(weight * variant.languages[lang].scores[self.metric] for lang, weight in weights.items())
        return measured, np.sum([weight * redrawn[lang] for lang, weight in weights.items()], axis=0)


def redraw(measurements: Measurements, task: Task, resamples: int = REDRAWS) -> Redrawn:
    """Score all variants of a task on redrawn rows."""
    every = measurements.variants(task.name)
    metric = task.metrics[0]
    labels = dict.fromkeys(variant.label for variant in every)
    matches = {id(variant): match(variant, every).baseline for variant in every}
    return Redrawn(
        metric=metric,
        variants={label: [variant for variant in every if variant.label == label] for label in labels},
        baselines={number: baseline for number, baseline in matches.items() if baseline is not None},
        scores=_scores(every, metric, resamples),
    )


def _scores(variants: Sequence[Variant], metric: str, resamples: int) -> dict[int, dict[str, Floats]]:
    """Return `id` of a model -> language -> redrawn scores. Models with equal rows share the draws."""
    alike: dict[RowsKey, list[Variant]] = {}
    for variant in variants:
        alike.setdefault(rows_key(variant, list(variant.languages)), []).append(variant)
    found: dict[int, dict[str, Floats]] = {id(variant): {} for variant in variants}
    for members in alike.values():
        first = members[0]
        columns = {
            language: distinct_columns([variant.languages[language].statistics[metric] for variant in members])
            for language in first.languages
        }
        examples = {language: measured.examples for language, measured in first.languages.items()}
        sums = resampled_sums({language: each for language, (each, _) in columns.items()}, examples, resamples)
        for place, variant in enumerate(members):
            for language in first.languages:
                of_variant = sums[language][:, columns[language][1][place]]
                found[id(variant)][language] = METRICS[metric].value(of_variant)
    return found


def _stacked(seeds: Sequence[tuple[float, Floats]], baselines: tuple[int, ...] = ()) -> Draws:
    measured_S = np.array([measured for measured, _ in seeds])
    return Draws(measured_S, np.stack([redrawn_R for _, redrawn_R in seeds]), baselines)
