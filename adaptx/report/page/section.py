"""The section of a report on one task: its answer, tables and figures."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from adaptx.catalog.languages import language_name
from adaptx.report.figures.heatmap import gain_heatmap
from adaptx.report.figures.languages import language_scatter
from adaptx.report.figures.mixing import mixing_heatmap
from adaptx.report.figures.rows import gain_by_rows
from adaptx.report.gains.compare import Comparisons
from adaptx.report.page.analysis import Analysis, analyse
from adaptx.report.page.summary import SMOKE, Answer, task_answer
from adaptx.report.results.measured import Measurements
from adaptx.report.results.mixing import mixed_variants
from adaptx.report.results.styles import VariantStyles
from adaptx.report.tables.classes import class_table
from adaptx.report.tables.main_tables import cost_table, gain_table, language_table, score_tables
from adaptx.report.tables.reference import reference
from adaptx.report.tables.table import Table
from adaptx.specs import Task

HTML_WIDEST = 145
"""Maximum width in characters of a score table on the page."""


@dataclass(frozen=True, kw_only=True)
class Section:
    """The page's section on one task.

    Attributes:
        answer: what to do on this task.
        sources: names of the source languages.
        scores: metric -> its tables.
        narrow: the same tables, narrow enough for a terminal.
        classes: scores per class; None if answers are not labels.
        heatmap: figure of the gains by language; None if there are none.
        scatter: figure of the scores against the baseline's; None if there are none.
        by_rows: figure of the gains against the number of target rows; None if that number does not vary.
        mixing: heat maps of the weights of fused variants.
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

    @property
    def terminal_tables(self) -> list[Table]:
        """The tables that a terminal shows: scores, comparisons, cost and languages."""
        return [*self.narrow, *self.analysis.comparisons.tables, self.cost, self.languages]

    def page(self, answered: bool) -> list[Table | str]:
        """Return the sentences and tables of the section: answer, scores, analysis, cost, languages.

        answered: whether the answer is here and not in the summary.
        """
        found = self.analysis
        parts = (found.comparisons, found.pairs, found.gaps, found.classes, found.scaling, found.worth)
        analysed = [piece for part in parts for piece in (*part.sentences, *part.tables)]
        said = [self.answer.markdown] if answered else []
        return [*said, *self.narrow, *analysed, self.cost, self.languages]


def task_section(
    task: Task, measurements: Measurements, compared: Comparisons, styles: VariantStyles, out: Path
) -> Section:
    """Analyse one task, and draw its figures into the folder `out`."""
    metric, name = task.metrics[0], re.sub(r"[^\w.-]", "_", task.name)
    gains = compared.gains
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
        analysis=analyse(task, measurements, compared, styles, out / name),
        heatmap=gain_heatmap(gains, task.name, metric, styles, out / f"gain_heatmap.{name}.png"),
        scatter=language_scatter(task, gains, styles, out / f"languages.{name}.png"),
        by_rows=gain_by_rows(task, measurements, gains, styles, out / f"target_rows.{name}.png"),
        mixing=tuple(
            mixing_heatmap(each, out / f"mixing_weights.{name}.{number}.png") for number, each in enumerate(mixed, 1)
        ),
    )


def without_conclusion(section: Section) -> Section:
    """Return a section of a smoke run: with its tables, and without an answer."""
    return replace(section, answer=Answer(SMOKE))
