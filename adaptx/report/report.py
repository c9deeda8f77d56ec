"""A report: tables, figures and one HTML file, all computed from the store."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adaptx.errors import UserError
from adaptx.planning.plan import Plan
from adaptx.report.gains.contrast import ContrastResult
from adaptx.report.gains.gain import Gain
from adaptx.report.gains.gain_metrics import gain_metrics
from adaptx.report.gains.seed_gains import seed_gains
from adaptx.report.page import html
from adaptx.report.page.findings import Findings, find
from adaptx.report.page.page_facts import missing_text, page_facts
from adaptx.report.page.section import HTML_WIDEST
from adaptx.report.page.summary import headline
from adaptx.report.results.measured import measure
from adaptx.report.results.mixing import mixing_frame
from adaptx.report.tables import text
from adaptx.report.tables.contrasts import contrast_metrics
from adaptx.report.tables.latex import latex
from adaptx.report.tables.latex_main import main_table
from adaptx.report.tables.table import Table
from adaptx.report.tables.tidy import (
    classes_frame,
    contrasts_frame,
    gains_frame,
    seed_gains_frame,
    suites_frame,
    tidy_frame,
    tidy_records,
)
from adaptx.specs import Evaluate, Recipe
from adaptx.specs.fingerprint import fingerprint
from adaptx.store.store import Store

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True, eq=False, kw_only=True)
class Report:
    """A written report: its files, and their content as objects.

    Attributes:
        folder, html, scores_csv, gains_csv, figures: paths of what was written.
        gains_by_seed_csv: scores and gains of each seed.
        scores_json: the content of scores_csv as JSON.
        latex: the tables that a paper may need.
        main_latex: the table of all variants, which fits one column of a paper.
        contrasts_csv: None if the recipe declares no contrasts.
        suites_csv: None if none of the recipe's suites was measured.
        mixing_csv: None if no variant is fused.
        classes_csv: None if no task's answers are labels.
        table, gains: pandas.DataFrame with the content of scores_csv and gains_csv.
        tables: tables for a terminal.
        page: sentences and tables of report.html.
        warnings: sentences about other possible explanations of the scores.
        missing: names of planned evaluations that are not stored.
        records: the rows of `table` as plain JSON values.
        metrics: the most important numbers, as shares in [0, 1], under names that MLflow accepts.
        variant_metrics: an evaluation of each variant -> the gains for the variant's run in MLflow.
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


def write_report(plan: Plan, store: Store, out: Path, commands: Sequence[str] = (), wide_table: bool = False) -> Report:
    """Write a report into `out`: report.html, figures, and tables as md, tex, csv and json.

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
    found = find(plan, store, measurements, out)
    sections, gains = found.sections, found.gains
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
        suites_csv=out / "suites.csv" if found.suites else None,
        mixing_csv=out / "mixing.csv" if any(section.mixing for section in sections) else None,
        classes_csv=out / "classes.csv" if any(section.classes for section in sections) else None,
        figures=found.figures,
        table=tidy_frame(measurements),
        gains=gains_frame(gains),
        tables=(*found.overview, *(table for section in sections for table in section.terminal_tables)),
        page=tuple(found.page),
        warnings=found.warnings,
        missing=measurements.missing,
        records=tuple(tidy_records(measurements)),
        metrics=_metrics(found),
        variant_metrics=gain_metrics(measurements, gains),
    )
    _write_tables(report, found)
    _write_latex(report, found, plan.recipe, wide_table)
    report.html.write_text(html.render(page_facts(plan, store, found, commands)), encoding="utf-8")
    return report


def _metrics(found: Findings) -> dict[str, float]:
    """Return the numbers for the report's run in MLflow. Without primary comparisons, all of them are exploratory."""
    headlines = [headline(task, found.gains) for task in found.measurements.tasks]
    results: list[ContrastResult | Gain] = list(found.contrasts if found.contrasts_are_primary else ())
    results += [gain for gain in found.gains if gain.standing == "primary"]
    declared = {"primary_comparisons": float(sum(each.holm_p is not None for each in results))}
    of_tasks = {name: value for each in headlines for name, value in each.items()}
    return declared | contrast_metrics(found.contrasts) | of_tasks


def _write_tables(report: Report, found: Findings) -> None:
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


def _write_latex(report: Report, found: Findings, recipe: Recipe, wide: bool) -> None:
    for_paper = [table for result in found.suites for table in result.tables(HTML_WIDEST)]
    for_paper += [table for section in found.sections for table in section.paper_tables]
    report.latex.write_text(latex(for_paper, recipe.name), encoding="utf-8")
    measured = found.measurements
    main = main_table(recipe, measured.tasks, found.gains, seed_gains(measured), found.contrasts, wide)
    report.main_latex.write_text(main, encoding="utf-8")
