"""The generalisation gap: the score in the source languages minus the mean over the other languages, with its interval.

A gap alone says little. A model that guesses everywhere has no gap, and a worse score in the source languages makes the
gap smaller. The report therefore shows the gains in both kinds of languages next to it.

The gap after several intermediate tasks is also compared with the gap after a single one: does training on many tasks
carry over to other languages better than training on one?
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from adaptx.planning.naming import UNTRAINED, training_path
from adaptx.report.gains.gain import GAP, SOURCE, ZERO_SHOT, Gain
from adaptx.report.gains.quantities import zero_shot_quantities
from adaptx.report.results.measured import Variant
from adaptx.report.results.pairs import RowsKey, rows_key
from adaptx.report.results.redrawn import Redrawn
from adaptx.report.statistics.draws import Draws, several_means
from adaptx.report.statistics.fieller import fieller
from adaptx.report.statistics.two_way import TwoWay
from adaptx.specs import Task


@dataclass(frozen=True, kw_only=True)
class Part:
    """A variant's mean score in the source languages, or in the others.

    Attributes:
        score, chance: shares.
        above_chance: whether the score's interval lies above `chance`.
        gain: the gain over the baseline in these languages; None if it was not computed.
    """

    languages: tuple[str, ...]
    score: float
    chance: float
    above_chance: bool
    gain: Gain | None


@dataclass(frozen=True, kw_only=True)
class Retained:
    """The zero-shot gain divided by the gain in the source languages.

    Attributes:
        value: None if the ratio has no meaning or no bounded interval.
        low, high: its 95% interval over rows and seeds, by Fieller's method.
        is_unbounded: whether the gain in the source languages is not clearly above zero, so that any ratio is possible.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    is_unbounded: bool = False


def retained(zero_shot: Gain | None, source: Gain | None, difference: Gain | None) -> Retained:
    """Return which part of the gain in the source languages the zero-shot languages keep.

    A loss in the source languages has no part to keep. difference: the gain in `GAP`, which is source minus zero-shot.
    """
    found = (zero_shot, source, difference)
    tested = [gain for gain in found if gain is not None and gain.holm_p is not None]
    if source is None or source.sign < 0 or len(tested) < len(found):
        return Retained()
    if source.sign == 0:
        return Retained(is_unbounded=True)
    above, below, apart = (((gain.high or 0.0) - (gain.low or 0.0)) / 2 for gain in tested)
    kept, whole = tested[0].gain or 0.0, source.gain or 0.0
    interval = fieller(kept, whole, margins=(above, below), margin_of_difference=apart)
    if interval is None:
        return Retained(is_unbounded=True)
    return Retained(value=kept / whole, low=interval[0], high=interval[1])


@dataclass(frozen=True, eq=False, kw_only=True)
class Gap:
    """A variant's gap, averaged over its seeds, as a share.

    Attributes:
        intermediates: distinct tasks trained in addition to the target task.
        seeds: number of seeds.
        source, zero_shot: the two scores whose difference is the gap.
        draws: the gap of each seed, as measured and on redrawn rows.
        test: the gap with its error; None if nothing varies.
        retained: the zero-shot gain as a share of the gain in the source languages.
    """

    variant: Variant
    intermediates: tuple[str, ...]
    seeds: int
    source: Part
    zero_shot: Part
    draws: Draws
    test: TwoWay | None
    retained: Retained

    @property
    def at_chance(self) -> bool:
        """Whether the model guesses in the source languages or in the others, so that the gap says nothing."""
        return not (self.source.above_chance and self.zero_shot.above_chance)


@dataclass(frozen=True, eq=False, kw_only=True)
class GapDifference:
    """The gap of a variant with several intermediate tasks, minus the mean gap of variants with only one of them.

    Attributes:
        several, single: the gaps of these variants.
        difference: a share.
        test: the difference with its error; None if nothing varies.
        over_seeds: whether the error covers the choice of seeds, which needs enough seeds of every variant.
    """

    several: Gap
    single: tuple[Gap, ...]
    difference: float
    test: TwoWay | None
    over_seeds: bool

    @property
    def at_chance(self) -> bool:
        """Whether one of the compared models guesses, so that the difference says nothing."""
        return any(gap.at_chance for gap in (self.several, *self.single))


def gaps(task: Task, gains: Sequence[Gain], redrawn: Redrawn) -> tuple[tuple[Gap, ...], tuple[GapDifference, ...]]:
    """Return the gaps of all variants, and the differences in gap between several intermediate tasks and a single one.

    All gaps are in the task's first metric. A difference compares only variants of the same model, method and target
    task that were scored on the same rows.
    """
    of_task = {(g.variant, g.quantity): g for g in gains if (g.task, g.metric) == (task.name, task.metrics[0])}
    found: list[Gap] = []
    for label, seeds in redrawn.variants.items():
        common = set.intersection(*(set(variant.languages) for variant in seeds))
        quantities = zero_shot_quantities(seeds[0], common)
        if GAP not in quantities:
            continue
        draws = redrawn.score(label, quantities[GAP])
        source, zero_shot = (
            _part(redrawn.score(label, quantities[name]), seeds, quantities[name], of_task.get((label, name)))
            for name in (SOURCE, ZERO_SHOT)
        )
        found.append(
            Gap(
                variant=seeds[0],
                intermediates=_intermediates(seeds[0], task),
                seeds=len(seeds),
                source=source,
                zero_shot=zero_shot,
                draws=draws,
                test=draws.test,
                retained=retained(zero_shot.gain, source.gain, of_task.get((label, GAP))),
            )
        )
    return tuple(found), tuple(_differences(found))


def _part(draws: Draws, seeds: Sequence[Variant], weights: Mapping[str, float], gain: Gain | None) -> Part:
    metric = seeds[0].task.metrics[0]
    # All seeds of a variant are scored on the same rows, so they have the same chance level.
    chance = sum(weight * seeds[0].languages[language].chance_in(metric) for language, weight in weights.items())
    test = draws.test
    lowest = test.interval()[0] if test is not None else draws.mean
    return Part(languages=tuple(weights), score=draws.mean, chance=chance, above_chance=lowest > chance, gain=gain)


def _differences(found: Sequence[Gap]) -> Iterable[GapDifference]:
    for several in found:
        if len(several.intermediates) < 2:
            continue
        single = [
            each
            for each in found
            if len(each.intermediates) == 1
            and each.intermediates[0] in several.intermediates
            and _kind(each.variant) == _kind(several.variant)
            and _whole_key(each.variant) == _whole_key(several.variant)
        ]
        if single:
            means = several_means([gap.draws for gap in (several, *single)])
            weight_M = np.array([1.0, *(-1 / len(single) for _ in single)])
            yield GapDifference(
                several=several,
                single=tuple(single),
                difference=float(weight_M @ means.mean_M),
                test=means.weighted(weight_M),
                over_seeds=means.over_seeds,
            )


def _kind(variant: Variant) -> tuple[str, str, str]:
    return variant.factors.model, variant.factors.method, variant.factors.target


def _whole_key(variant: Variant) -> tuple[RowsKey, tuple[str, ...]]:
    """Return a key of a variant's rows and gold answers. Only gaps of variants with equal keys are compared."""
    golds = tuple(measured.record.golds_file for measured in variant.languages.values())
    return rows_key(variant, list(variant.languages)), golds


def _intermediates(variant: Variant, measured: Task) -> tuple[str, ...]:
    if variant.factors.intermediate == UNTRAINED:
        return ()
    tasks = (task for train in training_path(variant.evaluate) for task in train.tasks)
    return tuple(dict.fromkeys(task.name for task in tasks if task.name != measured.name))
