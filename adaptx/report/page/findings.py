"""The content of a report: everything that is computed from the store, and the figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from adaptx.planning.plan import Plan
from adaptx.planning.row_contents import RowContents
from adaptx.report.figures.forest import contrast_panel, gain_panel
from adaptx.report.figures.forest_plot import forest_plots
from adaptx.report.figures.losses import development_curves, learning_curves
from adaptx.report.figures.tuning import rate_plot
from adaptx.report.gains.compare import compare
from adaptx.report.gains.contrast import ContrastResult
from adaptx.report.gains.gain import Gain
from adaptx.report.page.section import Section, task_section, without_conclusion
from adaptx.report.page.summary import MOST_ANSWERS, PageSummary, summarise
from adaptx.report.results.confounds import find_confounds, rows_differences, shared_rows
from adaptx.report.results.measured import Measurements
from adaptx.report.results.styles import variant_styles
from adaptx.report.tables import provenance
from adaptx.report.tables.contrasts import contrast_table
from adaptx.report.tables.reproduction import reproduction_table
from adaptx.report.tables.suites import SuiteResult, suite_results
from adaptx.report.tables.table import WIDEST, Table
from adaptx.report.tables.tuning import rate_curves, tuning_table, tuning_warnings
from adaptx.store.store import Store


@dataclass(frozen=True, kw_only=True)
class Findings:
    """The content of a report on a plan.

    Attributes:
        forest: figures of all gains and contrasts.
        tuning: table of the searches for learning rates; None if there are none.
        curves: figure of the training losses; None if none are stored.
        selection: figure of the scores on development rows by step; None if none are stored.
        rates: figure of the searches for learning rates; None if there is nothing to draw.
        leaks: sentences about data sets that share rows.
        warnings: all sentences about other possible explanations of the scores, with those in `leaks`.
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
    leaks: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def figures(self) -> tuple[Path, ...]:
        """The files of all figures."""
        of_sections = (figure for section in self.sections for figure in section.figures)
        every = (*self.forest, *of_sections, self.curves, self.selection, self.rates)
        return tuple(figure for figure in every if figure is not None)

    @property
    def overview(self) -> list[Table]:
        """The tables over several tasks, for a terminal: contrasts, suites and published scores."""
        first = [contrast_table(self.contrasts, self.contrasts_are_primary)] if self.contrasts else []
        of_suites = [table for result in self.suites for table in result.tables(WIDEST)]
        return [*first, *of_suites, *([self.reproduction] if self.reproduction is not None else [])]

    @property
    def page(self) -> list[Table | str]:
        """The sentences and tables of the whole page."""
        answered = len(self.sections) > MOST_ANSWERS
        of_sections = (part for section in self.sections for part in section.page(answered))
        tuning = [self.tuning] if self.tuning is not None else []
        return [*self.summary.sentences, *self.overview, *of_sections, *tuning, *self.warnings]


def find(plan: Plan, store: Store, measurements: Measurements, out: Path) -> Findings:
    """Analyse the measurements, and draw the figures into `out`."""
    primary = plan.recipe.primary_comparisons
    compared = compare(plan.recipe, measurements)
    gains, contrasts = compared.gains, compared.contrasts
    styles = variant_styles(measurements)
    leaks, not_compared = shared_rows(plan.recipe, RowContents(store, plan.identities))
    sections = [task_section(task, measurements, compared, styles, out) for task in measurements.tasks]
    panels = [
        contrast_panel(contrasts, primary == "contrasts"),
        *(gain_panel(task, gains, styles) for task in measurements.tasks),
    ]
    return Findings(
        measurements=measurements,
        gains=gains,
        contrasts=contrasts,
        contrasts_are_primary=primary == "contrasts",
        summary=summarise(plan.recipe, measurements, gains, contrasts),
        sections=[without_conclusion(each) if plan.recipe.smoke else each for each in sections],
        suites=suite_results(plan.recipe.suites, measurements),
        reproduction=reproduction_table(plan.recipe.published, measurements),
        forest=forest_plots([panel for panel in panels if panel is not None], out),
        tuning=tuning_table(plan),
        curves=learning_curves(provenance.losses(plan, store), out / "losses.png"),
        rates=rate_plot(rate_curves(plan), out / "learning_rates.png"),
        selection=development_curves(provenance.results_by_name(plan, store), out / "development.png"),
        leaks=tuple(leaks),
        warnings=(
            *leaks,
            *not_compared,
            *find_confounds(plan.recipe, measurements),
            *tuning_warnings(plan),
            *rows_differences(measurements),
        ),
    )
