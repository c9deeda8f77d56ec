"""A report: tables, figures and one HTML file, all computed from the store."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import adaptx
from adaptx.catalog.languages import language_name
from adaptx.errors import UserError
from adaptx.planning.plan import Plan
from adaptx.planning.row_contents import RowContents
from adaptx.report import html, provenance, text
from adaptx.report.analysis import Analysis, analyse
from adaptx.report.class_tables import class_table
from adaptx.report.confounds import find_confounds, rows_differences, shared_rows
from adaptx.report.contrast import ContrastResult
from adaptx.report.contrast_tables import contrast_metrics, contrast_table
from adaptx.report.contrasts import contrast_results
from adaptx.report.forest import contrast_panel, gain_panel
from adaptx.report.gain import Gain
from adaptx.report.gain_metrics import gain_metrics
from adaptx.report.gains import compute_gains
from adaptx.report.latex import latex
from adaptx.report.latex_main import main_table
from adaptx.report.measured import Measurements, measure
from adaptx.report.mixing import mixed_variants, mixing_frame
from adaptx.report.mixing_plots import mixing_heatmap
from adaptx.report.plots_forest import forest_plots
from adaptx.report.plots_heatmap import gain_heatmap
from adaptx.report.plots_languages import language_scatter
from adaptx.report.plots_losses import development_curves, learning_curves
from adaptx.report.plots_rows import gain_by_rows
from adaptx.report.plots_tuning import rate_plot
from adaptx.report.reference import reference
from adaptx.report.reproduction import reproduction_table
from adaptx.report.seed_gains import seed_gains
from adaptx.report.statistics.bootstrap import RESAMPLES
from adaptx.report.styles import VariantStyles, variant_styles
from adaptx.report.suite_tables import SuiteResult, suite_results
from adaptx.report.summary import MOST_ANSWERS, SMOKE, Answer, PageSummary, headline, summarise, task_answer
from adaptx.report.table import (
    classes_frame,
    contrasts_frame,
    gains_frame,
    seed_gains_frame,
    suites_frame,
    tidy_frame,
    tidy_records,
)
from adaptx.report.tables import WIDEST, Table, cost_table, gain_table, language_table, score_tables
from adaptx.report.tuning import rate_curves, tuning_table, tuning_warnings
from adaptx.specs import Evaluate, Recipe, Task
from adaptx.specs.fingerprint import fingerprint
from adaptx.store.store import Store

if TYPE_CHECKING:
    from rich.console import Console

GENERIC_COMMANDS = ("adaptx plan RECIPE", "adaptx run RECIPE", "adaptx report RECIPE --out DIR")

HTML_WIDEST = 145
"""Maximum width in characters of a score table on the page."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Report:
    """A written report: its files, and their content as objects.

    folder, html, scores_csv, gains_csv, figures: paths of what was written.
    gains_by_seed_csv: scores and gains of each seed. scores_json: the same tidy table as scores_csv.
    latex: the tables that a paper may need. main_latex: the table of all variants alone, which fits one column.
    contrasts_csv, suites_csv, mixing_csv, classes_csv: None if the recipe declares no contrasts, if none of its suites
        was measured, if no variant is fused, and if no task's answers are labels.
    table, gains: pandas.DataFrame with the content of scores_csv and gains_csv.
    tables: tables for a terminal. page: sentences and tables of report.html.
    warnings: sentences about other possible explanations of the scores.
    missing: names of planned evaluations that are not stored.
    records: the rows of `table` as plain JSON values.
    metrics: the most important numbers, as shares in [0, 1], under names that MLflow accepts.
    variant_metrics: an evaluation of each variant -> its gains, for the variant's own run in MLflow.
    """

    folder: Path
    html: Path
    scores_csv: Path
    gains_csv: Path
    gains_by_seed_csv: Path
    scores_json: Path
    latex: Path
    main_latex: Path
    contrasts_csv: Path | None
    suites_csv: Path | None
    mixing_csv: Path | None
    classes_csv: Path | None
    figures: tuple[Path, ...]
    table: Any
    gains: Any
    tables: tuple[Table, ...]
    page: tuple[Table | str, ...]
    warnings: tuple[str, ...]
    missing: tuple[str, ...]
    records: tuple[dict[str, Any], ...]
    metrics: dict[str, float]
    variant_metrics: dict[Evaluate, dict[str, float]]

    def __repr__(self) -> str:
        missing = f", {len(self.missing)} evaluations not stored yet" if self.missing else ""
        return f"<Report {self.html}{missing}>"

    @property
    def files(self) -> tuple[Path, ...]:
        """All files of the report."""
        perhaps = (self.contrasts_csv, self.suites_csv, self.mixing_csv, self.classes_csv)
        optional = (file for file in perhaps if file is not None)
        tables = (
            self.scores_csv,
            self.gains_csv,
            self.gains_by_seed_csv,
            self.scores_json,
            self.latex,
            self.main_latex,
        )
        return (self.html, *tables, *optional, *self.figures)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the evaluations that the report shows. It is the same for reports on the same stored scores."""
        return fingerprint(sorted({record["fingerprint"] for record in self.records}))

    def print(self, console: "Console") -> None:
        """Print the tables, warnings and missing evaluations to a terminal of 120 columns."""
        text.print_tables(self.tables, console)
        for warning in self.warnings:
            console.print(f"! {warning}", style="yellow", markup=False, highlight=False)
        if self.missing:
            console.print(f"! {missing_text(self.missing)}", style="yellow", markup=False, highlight=False)

    def markdown(self) -> str:
        """Return the page's sentences and tables as Markdown."""
        return text.markdown(self.page)

    def to_json(self) -> list[dict[str, Any]]:
        """Return the tidy table as a list of records with plain JSON values."""
        return list(self.records)


@dataclass(frozen=True, kw_only=True)
class Section:
    """The page's section on one task.

    answer: what to do on this task. sources: names of the source languages. scores: metric -> its tables. narrow: the
    same tables, narrow enough for a terminal. classes: scores per class; None if answers are not labels. heatmap,
    scatter, by_rows: PNG files of gains by language, of scores against the baseline's by language, and of gain against
    target rows; None if there is nothing to draw. mixing: heat maps of the weights of fused variants.
    """

    task: Task
    answer: Answer
    sources: str
    scores: Mapping[str, Sequence[Table]]
    narrow: Sequence[Table]
    classes: Table | None
    gains: Table
    cost: Table
    languages: Table
    analysis: Analysis
    heatmap: Path | None
    scatter: Path | None
    by_rows: Path | None
    mixing: tuple[Path, ...]

    @property
    def figures(self) -> tuple[Path | None, ...]:
        return (self.heatmap, self.scatter, self.by_rows, *self.analysis.figures, *self.mixing)

    @property
    def paper_tables(self) -> tuple[Table, ...]:
        """The tables that a paper may need: scores, analysis and cost."""
        return (*(table for each in self.scores.values() for table in each), *self.analysis.tables, self.cost)


def write_report(plan: Plan, store: Store, out: Path, commands: Sequence[str] = (), wide_table: bool = False) -> Report:
    """Write report.html, figures, tables (md, tex), scores (csv, json), gains and further tables (csv) into `out`.

    Args:
        plan: the recipe's plan. Evaluations that are not stored are left out, and the report names them.
        store: the store that holds the plan's stages.
        out: the folder to write to. It is created if needed, and files of an earlier report there are overwritten.
        commands: the command lines that made this report, shown under "Reproduce".
        wide_table: whether table-main.tex is as wide as a page of two columns, instead of one column.

    Raises:
        UserError: no evaluation of the plan is stored.
    """
    measurements = measure(plan, store)
    if not measurements.measured:
        raise UserError(
            f"no evaluation of recipe {plan.recipe.name} is stored in {store.root}: run the recipe first "
            "(`adaptx run RECIPE`), or name the store that holds its results (--store DIR)"
        )
    out.mkdir(parents=True, exist_ok=True)
    found = _find(plan, store, measurements, out)
    suites_csv = out / "suites.csv" if found.suites else None
    mixing_csv = out / "mixing.csv" if any(section.mixing for section in found.sections) else None
    first = [contrast_table(found.contrasts, found.contrasts_are_primary)] if found.contrasts else []
    of_suites = [*first, *(table for result in found.suites for table in result.tables(WIDEST))]
    of_suites += [found.reproduction] if found.reproduction is not None else []
    sections, gains = found.sections, found.gains
    figures = (
        *found.forest,
        *(figure for section in sections for figure in section.figures),
        found.curves,
        found.selection,
        found.rates,
    )
    report = Report(
        folder=out,
        html=out / "report.html",
        scores_csv=out / "scores.csv",
        gains_csv=out / "gains.csv",
        gains_by_seed_csv=out / "gains_by_seed.csv",
        scores_json=out / "scores.json",
        latex=out / "tables.tex",
        main_latex=out / "table-main.tex",
        contrasts_csv=out / "contrasts.csv" if found.contrasts else None,
        suites_csv=suites_csv,
        mixing_csv=mixing_csv,
        classes_csv=out / "classes.csv" if any(section.classes for section in found.sections) else None,
        figures=tuple(figure for figure in figures if figure is not None),
        table=tidy_frame(measurements),
        gains=gains_frame(gains),
        tables=(*of_suites, *(table for section in sections for table in _terminal_tables(section))),
        page=(
            *found.summary.sentences,
            *of_suites,
            *(part for section in sections for part in _page(section, len(sections) > MOST_ANSWERS)),
            *([found.tuning] if found.tuning is not None else []),
            *found.warnings,
        ),
        warnings=found.warnings,
        missing=measurements.missing,
        records=tuple(tidy_records(measurements)),
        metrics=contrast_metrics(found.contrasts)
        | {name: value for task in measurements.tasks for name, value in headline(task, gains).items()},
        variant_metrics=gain_metrics(measurements, gains),
    )
    _write_tables(report, found)
    _write_latex(report, found, plan.recipe, wide_table)
    report.html.write_text(html.render(_facts(plan, store, found, commands)), encoding="utf-8")
    return report


@dataclass(frozen=True, kw_only=True)
class _Findings:
    """The content of a report on a plan.

    forest: the figures of all gains and contrasts. tuning: the development scores of the learning rates that were
    searched; None without a search. curves, selection: the figures of the training losses and of the scores on
    development rows by step; None if none are stored. rates: the figure of the searches for learning rates.
    """

    measurements: Measurements
    gains: list[Gain]
    contrasts: Sequence[ContrastResult]
    contrasts_are_primary: bool
    summary: PageSummary
    sections: Sequence[Section]
    suites: Sequence[SuiteResult]
    reproduction: Table | None
    forest: tuple[Path, ...]
    tuning: Table | None
    curves: Path | None
    selection: Path | None
    rates: Path | None
    warnings: tuple[str, ...]


def _find(plan: Plan, store: Store, measurements: Measurements, out: Path) -> _Findings:
    """Analyse the measurements, and draw the figures into `out`."""
    primary = plan.recipe.primary_comparisons
    gains = compute_gains(measurements, primary=primary)
    contrasts = contrast_results(plan.recipe.contrasts, measurements)
    styles = variant_styles(measurements)
    sections = [_section(task, measurements, gains, styles, out) for task in measurements.tasks]
    panels = [
        contrast_panel(contrasts, primary == "contrasts"),
        *(gain_panel(task, gains, styles) for task in measurements.tasks),
    ]
    return _Findings(
        measurements=measurements,
        gains=gains,
        contrasts=contrasts,
        contrasts_are_primary=primary == "contrasts",
        summary=summarise(plan.recipe, measurements, gains, contrasts),
        sections=[_without_conclusion(each) if plan.recipe.smoke else each for each in sections],
        suites=suite_results(plan.recipe.suites, measurements),
        reproduction=reproduction_table(plan.recipe.published, measurements),
        forest=forest_plots([panel for panel in panels if panel is not None], out),
        tuning=tuning_table(plan),
        curves=learning_curves(provenance.losses(plan, store), out / "losses.png"),
        rates=rate_plot(rate_curves(plan), out / "learning_rates.png"),
        selection=development_curves(provenance.results_by_name(plan, store), out / "development.png"),
        warnings=(
            *shared_rows(plan.recipe, RowContents(store, plan.identities)),
            *find_confounds(plan.recipe, measurements),
            *tuning_warnings(plan),
            *rows_differences(measurements),
        ),
    )


def _write_tables(report: Report, found: _Findings) -> None:
    """Write every file of a report except the page and the figures."""
    report.table.to_csv(report.scores_csv, index=False)
    report.gains.to_csv(report.gains_csv, index=False)
    seed_gains_frame(found.measurements).to_csv(report.gains_by_seed_csv, index=False)
    report.scores_json.write_text(json.dumps(report.records, indent=1, allow_nan=False), encoding="utf-8")
    if report.contrasts_csv is not None:
        contrasts_frame(found.contrasts).to_csv(report.contrasts_csv, index=False)
    if report.suites_csv is not None:
        suites_frame(found.suites).to_csv(report.suites_csv, index=False)
    if report.mixing_csv is not None:
        mixing_frame(found.measurements).to_csv(report.mixing_csv, index=False)
    if report.classes_csv is not None:
        classes_frame(found.measurements).to_csv(report.classes_csv, index=False)
    (report.folder / "tables.md").write_text(report.markdown(), encoding="utf-8")


def _write_latex(report: Report, found: _Findings, recipe: Recipe, wide: bool) -> None:
    for_paper = [table for result in found.suites for table in result.tables(HTML_WIDEST)]
    for_paper += [table for section in found.sections for table in section.paper_tables]
    report.latex.write_text(latex(for_paper, recipe.name), encoding="utf-8")
    measured = found.measurements
    main = main_table(recipe, measured.tasks, found.gains, seed_gains(measured), found.contrasts, wide)
    report.main_latex.write_text(main, encoding="utf-8")


def missing_text(missing: Sequence[str]) -> str:
    """Return a sentence with the number of evaluations that are not stored, and the names of up to five."""
    shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
    return f"Planned evaluations not stored yet, so not in the tables: {len(missing)} ({shown})."


def _section(
    task: Task, measurements: Measurements, gains: Sequence[Gain], styles: VariantStyles, out: Path
) -> Section:
    metric, name = task.metrics[0], re.sub(r"[^\w.-]", "_", task.name)
    mixed = mixed_variants(measurements, task)
    known = {each: reference(measurements.measured, task, each) for each in task.metrics}
    return Section(
        task=task,
        answer=task_answer(task, measurements, gains),
        sources=", ".join(language_name(language) for language in task.source_languages),
        scores={each: score_tables(task, each, gains, known[each], HTML_WIDEST) for each in task.metrics},
        narrow=[table for each in task.metrics for table in score_tables(task, each, gains, known[each])],
        classes=class_table(measurements, task),
        gains=gain_table(task, gains),
        cost=cost_table(measurements, task),
        languages=language_table(measurements, task),
        analysis=analyse(task, measurements, gains, styles, out / name),
        heatmap=gain_heatmap(gains, task.name, metric, styles, out / f"gain_heatmap.{name}.png"),
        scatter=language_scatter(task, gains, styles, out / f"languages.{name}.png"),
        by_rows=gain_by_rows(task, measurements, gains, styles, out / f"target_rows.{name}.png"),
        mixing=tuple(
            mixing_heatmap(each, out / f"mixing_weights.{name}.{number}.png") for number, each in enumerate(mixed, 1)
        ),
    )


def _without_conclusion(section: Section) -> Section:
    """Return a section of a smoke run: with its tables, and without an answer."""
    return replace(section, answer=Answer(SMOKE))


def _terminal_tables(section: Section) -> list[Table]:
    return [*section.narrow, *section.analysis.comparisons.tables, section.cost, section.languages]


def _page(section: Section, answered: bool) -> list[Table | str]:
    """Return the sentences and tables that the page shows for one task: answer, scores, analysis, cost, languages.

    answered: whether the answer is here and not in the summary.
    """
    analysis = section.analysis
    parts = (analysis.comparisons, analysis.pairs, analysis.gaps, analysis.classes, analysis.scaling, analysis.worth)
    analysed = [piece for part in parts for piece in (*part.sentences, *part.tables)]
    said = [section.answer.markdown] if answered else []
    return [*said, *section.narrow, *analysed, section.cost, section.languages]


def _facts(plan: Plan, store: Store, found: _Findings, commands: Sequence[str]) -> dict[str, Any]:
    """Return the values that fill the page's template."""
    measurements = found.measurements
    newest = provenance.newest(plan, store)
    return {
        "summary": found.summary,
        "contrasts": contrast_table(found.contrasts, found.contrasts_are_primary) if found.contrasts else None,
        "folded": found.contrasts_are_primary,
        "reproduction": found.reproduction,
        "sections": found.sections,
        "suites": [
            {"name": result.suite.name, "summary": result.summary, "tables": result.tables(HTML_WIDEST)}
            for result in found.suites
        ],
        "answers_above": len(found.sections) <= MOST_ANSWERS,
        "forest": found.forest,
        "curves": found.curves,
        "selection": found.selection,
        "rates": found.rates,
        "fused": any(section.mixing for section in found.sections),
        "labelled": any(section.classes for section in found.sections),
        "warnings": found.warnings,
        "generic_commands": not commands,
        "commands": tuple(commands) or GENERIC_COMMANDS,
        "recipe": plan.recipe,
        "version": adaptx.__version__,
        "newest": f"{newest:%-d %B %Y, %H:%M %Z}" if newest else "",
        "models": provenance.models(plan),
        "num_variants": len({gain.variant for gain in found.gains}),
        "num_stored": len(measurements.measured),
        "seeds": sorted({m.factors.seed for m in measurements.measured if m.factors.seed is not None}),
        "least_seeds": min((gain.seeds_compared for gain in found.gains if gain.holm_p is not None), default=0),
        "missing": missing_text(measurements.missing) if measurements.missing else "",
        "unchecked": sum("not checked" in measured.status for measured in measurements.measured),
        "resamples": RESAMPLES,
        "tuning": found.tuning,
        "trainings": provenance.training_table(plan, store),
        "stages": provenance.stage_table(plan, store),
        "data": provenance.data_table(plan),
        "left_out": provenance.left_out_table(plan, store),
        "machines": provenance.machines(plan, store),
    }
