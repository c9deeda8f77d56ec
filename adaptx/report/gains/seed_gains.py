"""Scores and gains of each seed, in every quantity of the report."""

from collections.abc import Iterator
from dataclasses import dataclass

from adaptx.report.gains.quantities import quantities, total_score
from adaptx.report.results.baselines import is_baseline, match
from adaptx.report.results.measured import Measurements, Variant
from adaptx.report.results.pairs import shared_languages


@dataclass(frozen=True, kw_only=True)
class SeedGain:
    """One seed's score in one quantity, with the baseline's score and the gain over it, as shares in [0, 1].

    Attributes:
        quantity, attribute: as in `Gain`.
        seed: that of the last training; None for an untrained checkpoint.
        gain, baseline_score: None if this seed has no baseline that was scored on the same rows.
    """

    variant: str
    task: str
    metric: str
    attribute: str
    quantity: str
    is_baseline: bool
    seed: int | None
    score: float
    baseline_score: float | None
    gain: float | None


def seed_gains(measurements: Measurements) -> list[SeedGain]:
    """Return the gains of all seeds, ordered by task, variant, seed, metric and quantity.

    Their mean over the seeds with a baseline is the gain in `gains.csv`.
    """
    return [found for _, each in by_variant(measurements) for found in each]


def by_variant(measurements: Measurements) -> Iterator[tuple[Variant, list[SeedGain]]]:
    for task in measurements.tasks:
        variants = measurements.variants(task.name)
        for label in dict.fromkeys(variant.label for variant in variants):
            same = [variant for variant in variants if variant.label == label]
            common = set[str].intersection(*(set(variant.languages) for variant in same))
            for variant in same:
                yield variant, list(_of_variant(variant, match(variant, variants).baseline, common))


def _of_variant(variant: Variant, baseline: Variant | None, languages: set[str]) -> Iterator[SeedGain]:
    shared = set(shared_languages(variant, baseline)) if baseline is not None else set[str]()
    for metric in variant.task.metrics:
        for (attribute, quantity), weights in quantities(variant, languages).items():
            score = total_score(variant, metric, weights)
            compared = baseline is not None and shared.issuperset(weights)
            theirs = total_score(baseline, metric, weights) if baseline is not None and compared else None
            yield SeedGain(
                variant=variant.label,
                task=variant.task.name,
                metric=metric,
                attribute=attribute,
                quantity=quantity,
                is_baseline=is_baseline(variant),
                seed=variant.factors.seed,
                score=score,
                baseline_score=theirs,
                gain=None if theirs is None else score - theirs,
            )
