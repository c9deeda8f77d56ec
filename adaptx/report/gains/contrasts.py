"""The contrasts of a recipe, computed from stored predictions.

A contrast is computed for each seed, from models that are scored on the same test rows. A resample draws rows once for
all of these models.

With at least three seeds, interval and p-value cover the choice of rows and of seeds. The variance over seeds is
pooled over models (`statistics/blocks.py`). With fewer seeds, they cover the choice of rows alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from adaptx.metrics import METRICS
from adaptx.planning.contrasts import compared_languages, compared_seeds
from adaptx.report.gains.contrast import ContrastResult
from adaptx.report.gains.corrected import corrected
from adaptx.report.gains.verdict import NO_VERDICTS, Verdicts
from adaptx.report.results.measured import Measurements, ScoredEvaluation
from adaptx.report.statistics.blocks import block_variance
from adaptx.report.statistics.bootstrap import RESAMPLES, Floats, interval, resampled_sums
from adaptx.report.statistics.over_seeds import LEAST_SEEDS
from adaptx.report.statistics.two_way import SeedVariance, TwoWay, over_rows, row_variance, two_way
from adaptx.specs import Contrast, Evaluate, Task

CONTRASTS = "contrasts"
"""Name of the family of all contrasts."""
Block = tuple[str, str, tuple[str, ...], tuple[int, ...]]
"""(task, checkpoint, languages, seeds): arms that share these are pooled."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Arm:
    """One variant of a contrast on one task, with its weight.

    `label` names checkpoint and variant. `by_seed` is seed -> language -> the stored evaluation. An untrained
    checkpoint has one score, which is repeated for every seed of the contrast.
    """

    label: str
    variant: str
    task: Task
    model: str
    weight: float
    languages: tuple[str, ...]
    by_seed: Mapping[int, Mapping[str, ScoredEvaluation]]

    @property
    def scores(self) -> Floats:
        """The score with each seed, shape [S]: the mean over the languages, in the task's first metric."""
        metric, languages = self.task.metrics[0], self.languages
        means = [np.mean([same[language].scores[metric] for language in languages]) for same in self.by_seed.values()]
        return np.array(means, dtype=np.float64)

    @property
    def is_trained(self) -> bool:
        """Whether the arm has a model per seed. An untrained checkpoint's score does not vary over seeds."""
        return any(each.factors.seed is not None for same in self.by_seed.values() for each in same.values())

    @property
    def block(self) -> Block:
        return self.task.name, self.model, self.languages, tuple(self.by_seed)


@dataclass(frozen=True, eq=False)
class Estimate:
    """A contrast before its test: its arms, and its value for each seed on redrawn rows.

    If the contrast cannot be computed, `arms` is empty and `result.note` says why.
    """

    result: ContrastResult
    arms: tuple[Arm, ...] = ()
    redrawn_SR: Floats | None = None


def contrast_results(
    contrasts: Sequence[Contrast],
    measurements: Measurements,
    resamples: int = RESAMPLES,
    decided: Verdicts = NO_VERDICTS,
) -> list[ContrastResult]:
    """Return the result of each contrast. P-values are corrected for all tested contrasts together.

    decided: verdicts on gains. A contrast that is one of these gains has its verdict and is not in the family.
    """
    found_estimates = estimates(contrasts, measurements, resamples)
    pooled = pooled_variances(found_estimates)
    tests = [_test(each, variance) for each, variance in zip(found_estimates, pooled, strict=True)]
    found = [_with_note(each.result, test) for each, test in zip(found_estimates, tests, strict=True)]
    known = [decided.of(each.compared) for each in found]
    own = [place for place, test in enumerate(tests) if test is not None and known[place] is None]
    verdicts = corrected([test for place in own if (test := tests[place]) is not None], CONTRASTS)
    told = {place: verdict for place, verdict in enumerate(known) if verdict is not None}
    told |= dict(zip(own, verdicts, strict=True))
    return [replace(each, **asdict(told[place])) if place in told else each for place, each in enumerate(found)]


def estimates(contrasts: Sequence[Contrast], measurements: Measurements, resamples: int = RESAMPLES) -> list[Estimate]:
    """Return the contrasts before their tests."""
    scored = {measured.evaluate: measured for measured in measurements.measured}
    return [_estimate(contrast, scored, resamples) for contrast in contrasts]


def pooled_variances(found: Sequence[Estimate]) -> list[SeedVariance | None]:
    """Return the variance over seeds of each contrast, pooled over the models of all contrasts that share its block.

    It is None if the contrast was not measured, or if its models belong to different blocks (see `Block`).
    """
    pool: dict[Block, dict[str, Floats]] = {}
    for estimate in found:
        for arm in estimate.arms:
            if arm.is_trained:
                pool.setdefault(arm.block, {})[arm.label] = arm.scores
    return [_pooled(estimate.arms, pool) for estimate in found]


def _estimate(contrast: Contrast, scored: Mapping[Evaluate, ScoredEvaluation], resamples: int) -> Estimate:
    empty = ContrastResult(name=contrast.name)
    absent = sum(evaluate not in scored for evaluate in contrast.evaluations)
    if absent:
        note = f"{absent} of its {len(contrast.evaluations)} evaluations are not stored yet"
        return Estimate(replace(empty, note=note))
    arms = _arms(contrast, scored)
    if unlike := _scored_on_other_rows(arms):
        return Estimate(replace(empty, note=f"its models were not scored on the same rows in {unlike}"))
    by_seed_S = np.sum([arm.weight * arm.scores for arm in arms], axis=0)
    evaluated = _one_per_language(arms)
    redrawn_SR = _redrawn(arms, resamples)
    row_low, row_high = interval(redrawn_SR.mean(axis=0))
    ours, theirs = _two_variants(arms)
    measured = replace(
        empty,
        tasks=tuple(dict.fromkeys(task for task, _ in evaluated)),
        languages=tuple(dict.fromkeys(language for _, language in evaluated)),
        metric=" + ".join(dict.fromkeys(arm.task.metrics[0] for arm in arms)),
        examples=sum(len(each.examples.rows) for each in evaluated.values()),
        difference=float(by_seed_S.mean()),
        seeds=tuple(arms[0].by_seed),
        by_seed=tuple(map(float, by_seed_S)),
        row_low=row_low,
        row_high=row_high,
        ours=ours,
        theirs=theirs,
    )
    return Estimate(measured, tuple(arms), redrawn_SR)


def _arms(contrast: Contrast, scored: Mapping[Evaluate, ScoredEvaluation]) -> list[Arm]:
    """Return the arms of all terms. If several terms have the same variant in the same languages, it is one arm."""
    seeds = compared_seeds([term.evaluations for term in contrast.terms]) or (0,)
    found: dict[tuple[str, str, tuple[str, ...]], Arm] = {}
    for term, languages in zip(contrast.terms, compared_languages(contrast), strict=True):
        variants: dict[tuple[str, str], list[ScoredEvaluation]] = {}
        for evaluate in term.evaluations:
            measured = scored[evaluate]
            variants.setdefault((evaluate.task.name, measured.variant), []).append(measured)
        for (task, label), same in variants.items():
            arm = _arm(same, term.weight / len(variants), languages[task], seeds)
            earlier = found.get((task, label, arm.languages))
            weight = arm.weight + (earlier.weight if earlier else 0.0)
            found[task, label, arm.languages] = replace(arm, weight=weight)
    return list(found.values())


def _arm(same: Sequence[ScoredEvaluation], weight: float, languages: tuple[str, ...], seeds: Sequence[int]) -> Arm:
    first = same[0]
    by_seed: dict[int | None, dict[str, ScoredEvaluation]] = {}
    for measured in same:
        by_seed.setdefault(measured.factors.seed, {})[measured.evaluate.language] = measured
    return Arm(
        # Checkpoints may have variants of the same label, such as `lora-r8 · baseline`.
        label=f"{first.factors.model} {first.variant}",
        variant=first.variant,
        task=first.evaluate.task,
        model=first.factors.model,
        weight=weight,
        languages=languages,
        by_seed={seed: by_seed[None if None in by_seed else seed] for seed in seeds},
    )


def _scored_on_other_rows(arms: Iterable[Arm]) -> str:
    """Return the task and language, such as `nli de`, of two evaluations with different rows; empty if none differ."""
    golds: dict[tuple[str, str], str] = {}
    for arm in arms:
        for same in arm.by_seed.values():
            for language in arm.languages:
                file = same[language].record.golds_file
                if golds.setdefault((arm.task.name, language), file) != file:
                    return f"{arm.task.name} {language}"
    return ""


def _one_per_language(arms: Iterable[Arm]) -> dict[tuple[str, str], ScoredEvaluation]:
    """Return (task, language) -> one of the evaluations there, all of which must have the same rows."""
    return {
        (arm.task.name, language): same[language]
        for arm in arms
        for same in arm.by_seed.values()
        for language in arm.languages
    }


def _redrawn(arms: Sequence[Arm], resamples: int) -> Floats:
    """Return the contrast on redrawn rows, shape [seeds, resamples]. All models share the draws."""
    seeds = list(arms[0].by_seed)
    redrawn_SR = np.zeros((len(seeds), resamples))
    for task in dict.fromkeys(arm.task.name for arm in arms):
        of_task = [arm for arm in arms if arm.task.name == task]
        scores = _redrawn_scores(of_task, resamples)
        for arm in of_task:
            for place, seed in enumerate(seeds):
                drawn = [scores[arm.by_seed[seed][language].fingerprint] for language in arm.languages]
                redrawn_SR[place] += arm.weight * np.mean(drawn, axis=0)
    return redrawn_SR


def _redrawn_scores(arms: Sequence[Arm], resamples: int) -> dict[str, Floats]:
    """Return fingerprint of an evaluation -> its score on each resample. All arms are of one task."""
    metric = arms[0].task.metrics[0]
    of_language: dict[str, dict[str, ScoredEvaluation]] = {}
    for arm in arms:
        for same in arm.by_seed.values():
            for language in arm.languages:
                of_language.setdefault(language, {})[same[language].fingerprint] = same[language]
    columns = {
        language: np.concatenate([each.statistics[metric] for each in found.values()], axis=1)
        for language, found in of_language.items()
    }
    examples = {language: next(iter(found.values())).examples for language, found in of_language.items()}
    sums = resampled_sums(columns, examples, resamples)
    scores: dict[str, Floats] = {}
    for language, found in of_language.items():
        width = columns[language].shape[1] // len(found)
        for place, fingerprint in enumerate(found):
            scores[fingerprint] = METRICS[metric].value(sums[language][:, place * width : (place + 1) * width])
    return scores


def _test(estimate: Estimate, pooled: SeedVariance | None) -> TwoWay | None:
    """Return the difference with its error. Return None if nothing varies, or if there is no difference."""
    if estimate.redrawn_SR is None:
        return None
    by_seed, rows = estimate.result.by_seed, row_variance(estimate.redrawn_SR)
    return over_rows(by_seed, rows) if len(by_seed) < LEAST_SEEDS else two_way(by_seed, rows, pooled)


def _pooled(arms: Sequence[Arm], pool: Mapping[Block, Mapping[str, Floats]]) -> SeedVariance | None:
    blocks = {arm.block for arm in arms}
    if len(blocks) != 1 or not all(arm.is_trained for arm in arms):
        return None
    return block_variance(np.stack([*pool[blocks.pop()].values()]), [arm.weight for arm in arms])


def _with_note(result: ContrastResult, test: TwoWay | None) -> ContrastResult:
    if result.difference is None or test is not None:
        return result
    return replace(result, note="no interval: the difference is the same on every row and seed")


def _two_variants(arms: Sequence[Arm]) -> tuple[str, str]:
    """Return the labels of the two variants if the contrast is the first minus the second, else empty strings."""
    weighted = {arm.weight: arm for arm in arms if arm.weight}
    if len(weighted) != sum(arm.weight != 0 for arm in arms) or set(weighted) != {1.0, -1.0}:
        return "", ""
    ours, theirs = weighted[1.0], weighted[-1.0]
    alike = ours.task.name == theirs.task.name and ours.languages == theirs.languages
    return (ours.variant, theirs.variant) if alike else ("", "")
