"""Gains over the matched baseline, by language and on the zero-shot average, with bootstrap intervals.

Every quantity (a language, an average, a class of languages) is a weighted sum of the scores of languages. One rule
therefore gives its score, gain, interval and p-value. A resample draws test examples with replacement, its score is the
metric computed on the drawn examples, and its gain is the variant's score minus the baseline's on the same draw. With
several seeds, gains are averaged over the seeds and all seeds share each resample. That interval covers the draw of
test examples only. With three seeds or more, a second interval covers the draw of seeds.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from adaptx.planning.zero_shot import equal_weights, zero_shot_weights
from adaptx.report.baselines import Match, is_baseline, match
from adaptx.report.language_classes import language_classes
from adaptx.report.measured import Measurements, Variant
from adaptx.report.pairs import ByLanguage, permuted_gains, resampled_gains
from adaptx.report.statistics.bootstrap import RESAMPLES, Floats, interval
from adaptx.report.statistics.holm import holm
from adaptx.report.statistics.over_seeds import over_seeds
from adaptx.report.statistics.randomisation import p_value

ZERO_SHOT = "zero-shot average"
SOURCE = "source languages"
GAP = "generalisation gap"

Quantities = dict[tuple[str, str], dict[str, float]]
"""(attribute, quantity) -> language -> its weight. The attribute is empty unless the quantity is a language class."""


@dataclass(frozen=True, kw_only=True)
class Gain:
    """One quantity of one variant on one task. Scores are shares in [0, 1], averaged over the variant's seeds.

    quantity: a language's code, `ZERO_SHOT`, `SOURCE`, `GAP` (source minus zero-shot), or a class of zero-shot
        languages by `attribute` (empty otherwise). examples: number of test rows, summed over the languages.
    gain, low, high: difference to the baseline and its 95% interval, as shares. None without a baseline; low and high
        are also None if the test set of a language has a single row.
    p: p-value by approximate randomisation. holm_p: the same, corrected for its family of comparisons (all languages,
        one average, or one attribute) in the task and metric.
    seeds_compared, seed_deviation, seed_low, seed_high, seed_p: the gain over seeds. The last three need 3 seeds.
    note: why there is no gain or interval, or how the baseline differs.
    one_class: languages in which all predictions of a seed are of one class, with that class.
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
    attribute: str = ""
    p: float | None = None
    holm_p: float | None = None
    seeds_compared: int = 0
    seed_deviation: float | None = None
    seed_low: float | None = None
    seed_high: float | None = None
    seed_p: float | None = None
    one_class: str = ""

    @property
    def is_language(self) -> bool:
        return not self.attribute and self.quantity not in (ZERO_SHOT, SOURCE, GAP)

    @property
    def sign(self) -> int:
        """1 if the whole interval lies above zero, -1 if it lies below zero, else 0."""
        if self.low is None or self.high is None:
            return 0
        return 1 if self.low > 0 else -1 if self.high < 0 else 0

    @property
    def is_uncertain(self) -> bool:
        """Return whether there is an interval that includes zero."""
        return self.low is not None and self.sign == 0


def compute_gains(measurements: Measurements, resamples: int = RESAMPLES) -> list[Gain]:
    """Return the gains of all variants, ordered by task, metric, variant and quantity.

    resamples: number of bootstrap resamples, and of permutations for the p-values.
    """
    found: list[Gain] = []
    for task in measurements.tasks:
        variants = measurements.variants(task.name)
        matches = {id(variant): match(variant, variants) for variant in variants}
        labels = list(dict.fromkeys(variant.label for variant in variants))
        pairs = [(v, m.baseline) for v in variants if (m := matches[id(v)]).baseline is not None]
        resampled = resampled_gains(pairs, task.metrics, resamples)
        permuted = permuted_gains(pairs, task.metrics, resamples)
        for metric in task.metrics:
            of_metric: list[Gain] = []
            for label in labels:
                same = [variant for variant in variants if variant.label == label]
                of_metric += _gains_of(same, metric, matches, resampled[metric], permuted[metric])
            found += _corrected(of_metric)
    return found


def _gains_of(
    same: Sequence[Variant],
    metric: str,
    matches: Mapping[int, Match],
    resampled: Mapping[int, ByLanguage],
    permuted: Mapping[int, ByLanguage],
) -> list[Gain]:
    """Return the gains of one variant, averaged over its seeds (`same`)."""
    first = same[0]
    paired = [(variant, m.baseline) for variant in same if (m := matches[id(variant)]).baseline is not None]
    common = [set(variant.languages) for variant in same]
    notes = list(dict.fromkeys(m.note for v in same if (m := matches[id(v)]).note and not is_baseline(v)))
    if paired and len(paired) < len(same):
        notes.append(f"gain over the {len(paired)} of {len(same)} seeds that have a baseline")
    gains: list[Gain] = []
    for (attribute, quantity), weights in _quantities(first, set[str].intersection(*common)).items():
        alone = replace(_without_baseline(same, metric, quantity, weights), attribute=attribute)
        usable = [(v, b) for v, b in paired if all(language in resampled[id(v)] for language in weights)]
        if not usable:
            unlike = ["its baseline was not scored on the same rows"] if paired else []
            gains.append(replace(alone, note="; ".join(notes + unlike)))
            continue
        by_seed = over_seeds([_total(v, metric, weights) - _total(b, metric, weights) for v, b in usable])
        gained = replace(
            alone,
            baseline=", ".join(dict.fromkeys(b.label for _, b in usable)),
            baseline_score=_mean(_total(b, metric, weights) for _, b in usable),
            gain=by_seed.mean,
            note="; ".join(notes),
            seeds_compared=by_seed.seeds,
            seed_deviation=by_seed.deviation,
            seed_low=by_seed.low,
            seed_high=by_seed.high,
            seed_p=by_seed.p,
        )
        single = [lang for lang in weights if len(np.unique(first.languages[lang].examples.rows)) < 2]
        if single:
            said = f"no interval for {', '.join(single)}: its test set has a single row, which cannot be resampled"
            gains.append(replace(gained, note="; ".join([*notes, said])))
            continue
        redrawn, exchanged = (
            np.mean([_weighted(drawn[id(variant)], weights) for variant, _ in usable], axis=0)
            for drawn in (resampled, permuted)
        )
        low, high = interval(redrawn)
        gains.append(replace(gained, low=low, high=high, p=p_value(exchanged, by_seed.mean)))
    return gains


def _corrected(gains: Sequence[Gain]) -> list[Gain]:
    """Return the gains with Holm's p-values.

    All languages are one family of comparisons; each average and each attribute is a family of its own.
    """
    families: dict[str, list[int]] = {}
    for place, gain in enumerate(gains):
        if gain.p is not None:
            families.setdefault("languages" if gain.is_language else gain.attribute or gain.quantity, []).append(place)
    found = list(gains)
    for places in families.values():
        for place, corrected in zip(places, holm([gains[place].p or 0.0 for place in places]), strict=True):
            found[place] = replace(found[place], holm_p=corrected)
    return found


def _without_baseline(same: Sequence[Variant], metric: str, quantity: str, weights: Mapping[str, float]) -> Gain:
    """Return a quantity's score without a gain, with the factors of its variant."""
    first = same[0]
    return Gain(
        task=first.task.name,
        metric=metric,
        model=first.factors.model,
        method=first.factors.method,
        start=first.factors.start,
        intermediate=first.factors.intermediate,
        target=first.factors.target,
        variant=first.label,
        is_baseline=is_baseline(first),
        seeds=len(same),
        quantity=quantity,
        languages=tuple(weights),
        examples=sum(len(first.languages[language].examples.rows) for language in weights),
        score=_mean(_total(variant, metric, weights) for variant in same),
        one_class=", ".join(said for language in weights if (said := _one_class(same, language))),
    )


def _one_class(same: Sequence[Variant], language: str) -> str:
    """Return `de (entailment)` if all predictions of one of the seeds are of one class, else an empty string."""
    found = (variant.languages[language].predicted_class for variant in same)
    classes = dict.fromkeys(each for each in found if each is not None)
    return f"{language} ({' or '.join(classes)})" if classes else ""


def zero_shot_quantities(variant: Variant, languages: Container[str]) -> dict[str, dict[str, float]]:
    """Return the averages that `languages` allow (`ZERO_SHOT`, `SOURCE`, `GAP`) -> language -> its weight."""
    order = [language for language in variant.languages if language in languages]
    others = zero_shot_weights(variant.languages[language].evaluate for language in order)
    source = equal_weights([language for language in order if language not in others])
    found = {ZERO_SHOT: others} if others else {}
    if source:
        found[SOURCE] = source
    if source and others:
        found[GAP] = source | {language: -weight for language, weight in others.items()}
    return found


def _quantities(variant: Variant, languages: Container[str]) -> Quantities:
    """Return all reported quantities: each language, the averages, and the classes of zero-shot languages."""
    found: Quantities = {("", language): {language: 1.0} for language in variant.languages if language in languages}
    averages = zero_shot_quantities(variant, languages)
    found |= {("", quantity): weights for quantity, weights in averages.items()}
    others = averages.get(ZERO_SHOT, {})
    for attribute, classes in language_classes(variant.evaluate.checkpoint, others).items():
        found |= {(attribute, name): equal_weights(members) for name, members in classes.items()}
    return found


def _total(variant: Variant, metric: str, weights: Mapping[str, float]) -> float:
    return sum(w * variant.languages[language].scores[metric] for language, w in weights.items())


def _weighted(scores: Mapping[str, Floats], weights: Mapping[str, float]) -> Floats:
    return np.sum([weight * scores[language] for language, weight in weights.items()], axis=0)


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))
