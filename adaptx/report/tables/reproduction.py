"""Published scores next to ours: both scores, their difference, and whether it is within the tolerance (the band)."""

from collections.abc import Sequence
from statistics import fmean

from adaptx.planning.naming import UNTRAINED
from adaptx.report.results.measured import Measurements, Variant
from adaptx.report.results.scored_as import how_scored
from adaptx.report.tables.cells import NOTHING, percent, points
from adaptx.report.tables.table import Column, Table, TableCell
from adaptx.specs import PublishedScore

COLUMNS = (
    Column("task", True),
    Column("metric", True),
    Column("published model", True),
    Column("published,\n%"),
    Column("ours, %"),
    Column("difference,\npoints"),
    Column("within\nthe band", True),
    Column("our variant", True),
)


def reproduction_table(published: Sequence[PublishedScore], measurements: Measurements) -> Table | None:
    """Return a table of published scores, with one row per model and method that we measured on the same task.

    Our score is the mean over languages, English included, and then over seeds. A published score with an intermediate
    task is the best of several such tasks, so it is compared with our best variant. Whether our score lies in the band
    is told only if our checkpoint is the published one and was scored on all rows in all of the task's languages.

    Return None if we measured none of these tasks.
    """
    rows = [
        _row(score, label, variants) for score in published for label, variants in _ours(score, measurements).items()
    ]
    if not rows:
        return None
    sources = "; ".join(dict.fromkeys(score.source for score in published))
    bands = ", ".join(dict.fromkeys(f"±{100 * score.band:g}" for score in published))
    caption = (
        f"Published: {sources}. Band: {bands} points. If our checkpoint is another one, or was not scored in all "
        "languages on all rows, the two scores are not comparable and the band does not apply."
    )
    notes = dict.fromkeys(
        (variant.task.name, how_scored(variant.task))
        for score in published
        for variant in measurements.variants(score.task)
    )
    caption += "".join(f" {task}: {note}" for task, note in notes if note)
    return Table("Published scores and ours", COLUMNS, tuple(rows), caption)


def _ours(score: PublishedScore, measurements: Measurements) -> dict[str, list[Variant]]:
    """Return `model · label` -> the variant's models, one per seed, for the best variant of each model and method."""
    found: dict[tuple[str, str], dict[str, list[Variant]]] = {}
    for variant in measurements.variants(score.task):
        has_metric = all(score.metric in measured.scores for measured in variant.languages.values())
        if has_metric and (variant.factors.intermediate != UNTRAINED) == score.with_intermediate:
            key = (variant.factors.model, variant.factors.method)
            found.setdefault(key, {}).setdefault(variant.label, []).append(variant)
    best: dict[str, list[Variant]] = {}
    for (model, _), by_label in found.items():
        label = max(by_label, key=lambda each: _mean(by_label[each], score.metric))
        best[f"{model} · {label}"] = by_label[label]
    return best


def _mean(variants: Sequence[Variant], metric: str) -> float:
    return fmean(fmean(measured.scores[metric] for measured in each.languages.values()) for each in variants)


def _row(score: PublishedScore, label: str, variants: Sequence[Variant]) -> tuple[TableCell, ...]:
    ours = _mean(variants, score.metric)
    difference = ours - score.value
    verdict = _incomparable(score, variants[0]) or ("yes" if abs(difference) <= score.band else "no")
    wanted = "best intermediate task" if score.with_intermediate else "no intermediate task"
    texts = (
        score.task,
        score.metric,
        f"{score.model}, {wanted}",
        percent(score.value),
        percent(ours),
        points(difference),
        verdict,
        label,
    )
    return tuple(TableCell(text or NOTHING) for text in texts)


def _incomparable(score: PublishedScore, variant: Variant) -> str:
    """Return why the two scores are not comparable, or an empty string if they are."""
    if variant.factors.model != score.model:
        return "other model"
    used, whole = len(variant.languages), len(variant.task.languages)
    if used < whole:
        return f"{used} of {whole} languages"
    records = [measured.record for measured in variant.languages.values()]
    fewer = any(each.rows_expected is not None and each.rows_used < each.rows_expected for each in records)
    return "fewer rows" if fewer else ""
