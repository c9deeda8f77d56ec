"""The generalisation gap: the score in the source languages minus the mean over the other languages, with its interval.

The module also compares the gap after several intermediate tasks with the gap after a single one: does training on
many tasks carry over to other languages better than training on one?
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from adaptx.metrics import METRICS
from adaptx.planning.naming import UNTRAINED, training_path
from adaptx.report.cells import interval_text
from adaptx.report.gain import GAP
from adaptx.report.gains import zero_shot_quantities
from adaptx.report.measured import Measurements, Variant
from adaptx.report.pairs import RowsKey, distinct_columns, rows_key
from adaptx.report.statistics.bootstrap import RESAMPLES, Floats, interval, resampled_sums
from adaptx.report.tables import Column, Table, TableCell
from adaptx.specs import Task


@dataclass(frozen=True, kw_only=True)
class Gap:
    """A variant's gap, averaged over its seeds, as a share. low, high: 95% interval over the draw of test examples.

    intermediates: distinct tasks trained in addition to the target task. seeds: number of seeds.
    """

    variant: str
    intermediates: tuple[str, ...]
    seeds: int
    gap: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class GapDifference:
    """The gap of a variant with several intermediate tasks, minus the mean gap of variants with one of these tasks.

    several: label of the first variant. single: labels of the variants with one task. difference, low, high: shares.
    """

    several: str
    single: tuple[str, ...]
    difference: float
    low: float
    high: float

    @property
    def sign(self) -> int:
        """1 if the whole interval lies above zero, -1 if it lies below zero, else 0."""
        return 1 if self.low > 0 else -1 if self.high < 0 else 0


@dataclass(frozen=True, eq=False, kw_only=True)
class _ResampledGap:
    """A variant's gap and its resampled values, shape [resamples]; both are means over its seeds."""

    first: Variant
    intermediates: tuple[str, ...]
    seeds: int
    gap: float
    resampled: Floats


def gaps(
    measurements: Measurements, task: Task, resamples: int = RESAMPLES
) -> tuple[tuple[Gap, ...], tuple[GapDifference, ...]]:
    """Return the gaps of all variants, and the differences in gap between several intermediate tasks and a single one.

    All gaps are in the task's first metric. A difference compares only variants of the same model, method and target
    task that were scored on the same rows.
    """
    variants = [v for v in measurements.variants(task.name) if GAP in zero_shot_quantities(v, v.languages)]
    resampled = _resampled(variants, task.metrics[0], resamples)
    drawn: dict[str, _ResampledGap] = {}
    for label in dict.fromkeys(variant.label for variant in variants):
        seeds = [variant for variant in variants if variant.label == label]
        drawn[label] = _ResampledGap(
            first=seeds[0],
            intermediates=_intermediates(seeds[0], task),
            seeds=len(seeds),
            gap=float(np.mean([_gap(variant, task.metrics[0]) for variant in seeds])),
            resampled=np.mean([resampled[id(variant)] for variant in seeds], axis=0),
        )
    found: list[Gap] = []
    for label, each in drawn.items():
        low, high = interval(each.resampled)
        of_each = each.intermediates
        found.append(Gap(variant=label, intermediates=of_each, seeds=each.seeds, gap=each.gap, low=low, high=high))
    return tuple(found), tuple(_differences(drawn))


def gap_tables(measurements: Measurements, task: Task, resamples: int = RESAMPLES) -> list[Table]:
    """Return a table of the gaps and, if there is any `GapDifference`, a table of these.

    The list is empty if no variant has a gap.
    """
    found, differences = gaps(measurements, task, resamples)
    if not found:
        return []
    columns = (Column("variant", True), Column("intermediate\ntasks"), Column("seeds"), Column("gap, points [95%]"))
    rows = tuple(
        (
            TableCell(each.variant),
            TableCell(str(len(each.intermediates))),
            TableCell(str(each.seeds)),
            TableCell(interval_text(each.gap, each.low, each.high)),
        )
        for each in found
    )
    caption = (
        "Gap: score in the source languages minus the zero-shot average. A smaller gap means that training carries "
        "over better to other languages."
    )
    tables = [Table(f"{task.name} · generalisation gap in {task.metrics[0]}", columns, rows, caption)]
    if differences:
        columns = (Column("several tasks", True), Column("minus the mean of", True), Column("difference, points [95%]"))
        rows = tuple(
            (
                TableCell(each.several),
                TableCell("\n".join(each.single)),
                TableCell(interval_text(each.difference, each.low, each.high), each.sign, each.sign == 0),
            )
            for each in differences
        )
        caption = "Below zero: after several intermediate tasks the gap is smaller than after a single one."
        tables.append(Table(f"{task.name} · gap after several tasks compared with one", columns, rows, caption))
    return tables


def _differences(drawn: Mapping[str, _ResampledGap]) -> Iterable[GapDifference]:
    for label, several in drawn.items():
        if len(several.intermediates) < 2:
            continue
        single = {
            other: each
            for other, each in drawn.items()
            if len(each.intermediates) == 1
            and each.intermediates[0] in several.intermediates
            and _kind(each.first) == _kind(several.first)
            and _whole_key(each.first) == _whole_key(several.first)
        }
        if single:
            difference = several.gap - float(np.mean([each.gap for each in single.values()]))
            resampled = several.resampled - np.mean([each.resampled for each in single.values()], axis=0)
            low, high = interval(resampled)
            yield GapDifference(several=label, single=tuple(single), difference=difference, low=low, high=high)


def _kind(variant: Variant) -> tuple[str, str, str]:
    return variant.factors.model, variant.factors.method, variant.factors.target


def _whole_key(variant: Variant) -> tuple[RowsKey, tuple[str, ...]]:
    """Return a key that identifies a variant's rows and gold answers. Variants with equal keys share resamples."""
    golds = tuple(measured.record.golds_file for measured in variant.languages.values())
    return rows_key(variant, list(variant.languages)), golds


def _intermediates(variant: Variant, measured: Task) -> tuple[str, ...]:
    if variant.factors.intermediate == UNTRAINED:
        return ()
    tasks = (task for train in training_path(variant.evaluate) for task in train.tasks)
    return tuple(dict.fromkeys(task.name for task in tasks if task.name != measured.name))


def _gap(variant: Variant, metric: str) -> float:
    weights = zero_shot_quantities(variant, variant.languages)[GAP]
    return sum(weight * variant.languages[language].scores[metric] for language, weight in weights.items())


def _resampled(variants: Sequence[Variant], metric: str, resamples: int) -> dict[int, Floats]:
    """Return `id(variant)` -> its gap in each resample, shape [resamples]. Variants with the same rows share draws."""
    alike: dict[RowsKey, list[Variant]] = {}
    for variant in variants:
        alike.setdefault(rows_key(variant, list(variant.languages)), []).append(variant)
    found = {id(variant): np.zeros(resamples) for variant in variants}
    for members in alike.values():
        first = members[0]
        columns = {
            language: distinct_columns([variant.languages[language].statistics[metric] for variant in members])
            for language in first.languages
        }
        examples = {language: measured.examples for language, measured in first.languages.items()}
        sums = resampled_sums({language: each for language, (each, _) in columns.items()}, examples, resamples)
        for place, variant in enumerate(members):
            for language, weight in zero_shot_quantities(variant, variant.languages)[GAP].items():
                of_variant = sums[language][:, columns[language][1][place]]
                found[id(variant)] += weight * METRICS[metric].value(of_variant)
    return found
