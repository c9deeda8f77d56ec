"""The analysis of one task beyond its scores: significance tests, gaps, classes of languages, scaling, cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from adaptx.report.figures.classes import class_points
from adaptx.report.figures.pareto import pareto_plot
from adaptx.report.figures.scaling import scaling_curves
from adaptx.report.gains.compare import Comparisons
from adaptx.report.gains.gain import SOURCE, ZERO_SHOT, Gain
from adaptx.report.gains.gaps import gaps
from adaptx.report.gains.pairwise import PairDifference, pair_differences, scored_alike
from adaptx.report.gains.peaks import LaterPeak, peaks
from adaptx.report.gains.scaling import Series, compute_series, size_series
from adaptx.report.gains.verdict import Verdict, Verdicts
from adaptx.report.results.measured import Measurements
from adaptx.report.results.redrawn import Redrawn, redraw
from adaptx.report.results.styles import VariantStyles
from adaptx.report.tables.breakdown import FAMILY, breakdown_tables, class_gains
from adaptx.report.tables.class_differences import differences_sentence
from adaptx.report.tables.comparisons import comparison_table
from adaptx.report.tables.frontier import frontier_table, priced
from adaptx.report.tables.gaps import gap_tables
from adaptx.report.tables.language_effects import language_effects_sentence, language_effects_table, language_regression
from adaptx.report.tables.pairwise import pairwise_table
from adaptx.report.tables.peaks import peak_sentences, peak_table
from adaptx.report.tables.scaling import scaling_sentences, scaling_table
from adaptx.report.tables.table import Table
from adaptx.specs import Task

PARAMETERS, OPERATIONS = "body parameters", "operations of the intermediate training"


@dataclass(frozen=True)
class ReportPart:
    """One topic of the analysis: its tables and figures, and sentences that say what they show."""

    sentences: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[Path, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.tables or self.figures or self.sentences)


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """The analysis of one task. A part without results is empty, and `bool(part)` is False.

    Attributes:
        comparisons: significance tests of the gains.
        pairs: every variant against every other.
        gaps: generalisation gaps.
        classes: gains by class of languages.
        scaling: gain against model size, gain against compute, and whether the largest budget lowers the gain.
        worth: score against cost.
    """

    comparisons: ReportPart
    gaps: ReportPart
    pairs: ReportPart
    classes: ReportPart
    scaling: ReportPart
    worth: ReportPart

    @property
    def tables(self) -> tuple[Table, ...]:
        parts = (self.comparisons, self.gaps, self.classes, self.scaling, self.worth)
        return tuple(table for part in parts for table in part.tables)

    @property
    def figures(self) -> tuple[Path, ...]:
        return (*self.classes.figures, *self.scaling.figures, *self.worth.figures)


def analyse(
    task: Task, measurements: Measurements, compared: Comparisons, styles: VariantStyles, out: Path
) -> Analysis:
    """Analyse one task, and draw the figures.

    out: the beginning of the figures' paths. With `reports/nli`, they are in `reports` and have `nli` in their names.
    """
    gains, averages = compared.gains, (ZERO_SHOT, SOURCE)
    redrawn = redraw(measurements, task)
    budgets = compute_series(task, gains, redrawn)
    found, verdicts = peaks(task, budgets, compared.verdicts)
    comparisons = [comparison_table(task, metric, gains, each) for metric in task.metrics for each in averages]
    return Analysis(
        comparisons=ReportPart(tables=tuple(table for table in comparisons if table.rows)),
        gaps=ReportPart(tables=tuple(gap_tables(task, *gaps(task, gains, redrawn)))),
        pairs=_pairs(task, gains, verdicts, redrawn, styles),
        classes=_classes(task, measurements, gains, styles, _figure(out, "families")),
        scaling=_scaling(task, size_series(task, gains, redrawn), budgets, found, styles, out),
        worth=_worth(task, gains, redrawn, styles, _figure(out, "pareto")),
    )


def _figure(out: Path, kind: str) -> Path:
    """Return the file of a figure: `out/pareto.nli.png` for the kind `pareto` and the task `nli`."""
    return out.with_name(f"{kind}.{out.name}.png")


def _pairs(
    task: Task, gains: Sequence[Gain], verdicts: Verdicts, redrawn: Redrawn, styles: VariantStyles
) -> ReportPart:
    """Compare the variants that were scored on the same rows, in the zero-shot languages that all of them share."""
    wanted = (task.name, task.metrics[0], ZERO_SHOT)
    averages = [gain for gain in gains if (gain.task, gain.metric, gain.quantity) == wanted]
    languages = [
        language
        for language in (averages[0].languages if averages else ())
        if all(language in each.languages for each in averages)
    ]
    if not languages:
        return ReportPart()
    variants = scored_alike(redrawn, languages)

    def known(pair: PairDifference) -> Verdict | None:
        return verdicts.of(pair.compared(task.name, task.metrics[0], languages))

    table = pairwise_table(task, variants, pair_differences(variants, known), languages, styles)
    return ReportPart(tables=(table,) if table else ())


def _classes(
    task: Task, measurements: Measurements, gains: Sequence[Gain], styles: VariantStyles, file: Path
) -> ReportPart:
    tables = breakdown_tables(task, gains)
    regression = language_regression(measurements, task, gains)
    figure = class_points(task.name, FAMILY, class_gains(task, gains, FAMILY), styles, file)
    sentences = [differences_sentence(task, gains)]
    if regression is not None:
        tables.append(language_effects_table(task, regression))
        sentences.append(language_effects_sentence(task, regression))
    return ReportPart(tuple(filter(None, sentences)), tuple(tables), (figure,) if figure else ())


def _scaling(
    task: Task,
    sizes: Sequence[Series],
    budgets: Sequence[Series],
    found: Sequence[LaterPeak],
    styles: VariantStyles,
    out: Path,
) -> ReportPart:
    parts = [
        _scaling_part(task, size, series, styles, _figure(out, kind))
        for size, kind, series in ((PARAMETERS, "scaling", sizes), (OPERATIONS, "compute", budgets))
        if series
    ]
    if found:
        parts.append(ReportPart(tuple(peak_sentences(task, found)), (peak_table(task, found, OPERATIONS),)))
    return ReportPart(
        tuple(sentence for part in parts for sentence in part.sentences),
        tuple(table for part in parts for table in part.tables),
        tuple(figure for part in parts for figure in part.figures),
    )


def _scaling_part(task: Task, size: str, series: Sequence[Series], styles: VariantStyles, file: Path) -> ReportPart:
    figure = scaling_curves(task.name, size, series, styles, file)
    table = scaling_table(task, series, size)
    return ReportPart(tuple(scaling_sentences(task, series, size)), (table,), (figure,) if figure else ())


def _worth(task: Task, gains: Sequence[Gain], redrawn: Redrawn, styles: VariantStyles, file: Path) -> ReportPart:
    found = priced(task, gains, redrawn)
    if len(found) < 2:
        return ReportPart()
    figure = pareto_plot(task, found, styles, file)
    return ReportPart((), (frontier_table(task, found, styles),), (figure,) if figure else ())
