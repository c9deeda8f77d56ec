"""Gains over the matched baseline: in each language, in averages and in classes of languages.

Each of these quantities is a weighted sum of the scores in several languages, so one rule gives its score, gain,
interval and p-value. A resample draws test examples with replacement. The gain on a resample is the variant's score
minus the baseline's score on the same draw. With several seeds, gains are averaged over the seeds, which share each
resample.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from adaptx.metrics import METRICS
from adaptx.report.gains.gain import Gain
from adaptx.report.gains.permutations import with_enough_permutations
from adaptx.report.gains.quantities import quantities, total_score
from adaptx.report.gains.verdict import NO_VERDICTS, Verdicts
from adaptx.report.gains.verdicts import Comparison, drawn_rows, verdicts, without_interval
from adaptx.report.results.baselines import Match, is_baseline, match
from adaptx.report.results.measured import Measurements, Variant
from adaptx.report.results.pairs import ByLanguage, permuted_gains, resampled_gains, weighted
from adaptx.report.statistics.bootstrap import RESAMPLES, Floats
from adaptx.report.statistics.near_edge import LanguageGain, NearEdge, near_edge
from adaptx.specs import PrimaryComparisons


def compute_gains(
    measurements: Measurements,
    resamples: int = RESAMPLES,
    primary: PrimaryComparisons | None = None,
    decided: Verdicts = NO_VERDICTS,
) -> list[Gain]:
    """Return the gains of all variants, ordered by task, metric, variant and quantity.

    resamples: number of bootstrap resamples, and also least number of permutations for the p-values.
    primary: the recipe's primary comparisons. If they are an average, its gains are one family over all tasks.
    decided: verdicts on contrasts. A gain that is one of these contrasts has its verdict and is in no other family.
    """
    compared = comparisons(measurements, resamples, primary)
    return verdicts(with_enough_permutations(compared, decided), decided)


def comparisons(
    measurements: Measurements, resamples: int = RESAMPLES, primary: PrimaryComparisons | None = None
) -> list[Comparison]:
    """Return the comparisons from which `compute_gains` makes its gains, in the same order."""
    found: list[Comparison] = []
    for task in measurements.tasks:
        variants = measurements.variants(task.name)
        matches = {id(variant): match(variant, variants) for variant in variants}
        labels = list(dict.fromkeys(variant.label for variant in variants))
        pairs = [(v, m.baseline) for v in variants if (m := matches[id(v)]).baseline is not None]
        resampled = resampled_gains(pairs, task.metrics, resamples)
        permuted = permuted_gains(pairs, task.metrics, resamples)
        for metric in task.metrics:
            for label in labels:
                same = [variant for variant in variants if variant.label == label]
                compared = _comparisons(same, metric, matches, resampled[metric], permuted[metric])
                found += [_marked(each, primary, metric == task.metrics[0]) for each in compared]
    return found


def _marked(comparison: Comparison, primary: PrimaryComparisons | None, first_metric: bool) -> Comparison:
    """Return the comparison with its `Gain.standing` filled in."""
    if not first_metric or comparison.gain.quantity != primary:
        return comparison
    return replace(comparison, gain=replace(comparison.gain, standing="primary"))


def _comparisons(
    same: Sequence[Variant],
    metric: str,
    matches: Mapping[int, Match[Variant]],
    resampled: Mapping[int, ByLanguage],
    permuted: Mapping[int, ByLanguage],
) -> list[Comparison]:
    """Return a variant's comparisons with its baseline, one per quantity. Scores and gains are averaged over seeds.

    same: the variant's models, one per seed.
    """
    first = same[0]
    paired = [(variant, m.baseline) for variant in same if (m := matches[id(variant)]).baseline is not None]
    common = [set(variant.languages) for variant in same]
    notes = list(dict.fromkeys(m.note for v in same if (m := matches[id(v)]).note and not is_baseline(v)))
    if paired and len(paired) < len(same):
        notes.append(f"gain over the {len(paired)} of {len(same)} seeds that have a baseline")
    found: list[Comparison] = []
    for (attribute, quantity), weights in quantities(first, set[str].intersection(*common)).items():
        alone = replace(_without_baseline(same, metric, quantity, weights), attribute=attribute)
        usable = [(v, b) for v, b in paired if all(language in resampled[id(v)] for language in weights)]
        if not usable:
            unlike = ["its baseline was not scored on the same rows"] if paired else []
            found.append(Comparison(gain=replace(alone, note="; ".join(notes + unlike))))
            continue
        by_seed = [total_score(v, metric, weights) - total_score(b, metric, weights) for v, b in usable]
        gained = replace(
            alone,
            baseline=", ".join(dict.fromkeys(b.label for _, b in usable)),
            baseline_score=_mean(total_score(b, metric, weights) for _, b in usable),
            gain=_mean(by_seed),
            note="; ".join(notes),
            by_seed=tuple(by_seed),
            seeds_compared=len(by_seed),
            seed_deviation=float(np.std(by_seed, ddof=1)) if len(by_seed) > 1 else None,
        )
        single = [lang for lang in weights if len(np.unique(first.languages[lang].examples.rows)) < 2]
        if single:
            said = f"no interval for {', '.join(single)}: its test set has a single row, which cannot be resampled"
            found.append(Comparison(gain=replace(gained, note="; ".join([*notes, said]))))
            continue
        redrawn_SR, exchanged_SR = (
            np.stack([weighted(drawn[id(variant)], weights) for variant, _ in usable])
            for drawn in (resampled, permuted)
        )
        rows = drawn_rows(by_seed, redrawn_SR, exchanged_SR, _near_edge(usable, metric, weights, resampled))
        gained = gained if rows is not None else without_interval(gained)
        found.append(Comparison(gain=gained, by_seed=tuple(by_seed), rows=rows, pairs=tuple(usable), weights=weights))
    return found


def _near_edge(
    pairs: Sequence[tuple[Variant, Variant]],
    metric: str,
    weights: Mapping[str, float],
    resampled: Mapping[int, ByLanguage],
) -> NearEdge | None:
    """Return the data for Newcombe's intervals, which suit gains that rest on few rows (`statistics/near_edge.py`).

    Return None if no language needs them, or if the metric is not a mean over rows.

    pairs: for each seed, the variant and its baseline.
    """

    def scores_sn(which: int, language: str) -> Floats:
        return np.stack([pair[which].languages[language].statistics[metric][:, 0] for pair in pairs])

    first = pairs[0][0]
    if not all(METRICS[metric].is_mean_of_rows(first.languages[lang].statistics[metric]) for lang in weights):
        return None
    return near_edge(
        [
            LanguageGain(
                weight=weight,
                ours_SN=scores_sn(0, language),
                theirs_SN=scores_sn(1, language),
                cluster_N=first.languages[language].examples.rows,
                redrawn_SR=np.stack([resampled[id(variant)][language] for variant, _ in pairs]),
            )
            for language, weight in weights.items()
        ]
    )


def _without_baseline(same: Sequence[Variant], metric: str, quantity: str, weights: Mapping[str, float]) -> Gain:
    """Return the variant's score in a quantity as a `Gain` that has no gain yet."""
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
        languages=tuple(language for language, weight in weights.items() if weight > 0),
        minus=tuple(language for language, weight in weights.items() if weight < 0),
        examples=sum(len(first.languages[language].examples.rows) for language in weights),
        score=_mean(total_score(variant, metric, weights) for variant in same),
        one_class=", ".join(said for language in weights if (said := _one_class(same, language))),
    )


def _one_class(same: Sequence[Variant], language: str) -> str:
    """Return `de (entailment)` if the model of a seed predicts a single class in German, else an empty string."""
    found = (variant.languages[language].predicted_class for variant in same)
    classes = dict.fromkeys(each for each in found if each is not None)
    return f"{language} ({' or '.join(classes)})" if classes else ""


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))
