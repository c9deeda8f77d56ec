"""The rows of a suite's table: each is one method and one intermediate task, across all of the suite's target tasks.

A row has one model per target task, trained on that task. The result tables of Hu et al. 2020 (arXiv:2003.11080) and
Phang et al. 2020 (arXiv:2005.13013) have this layout.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean

from adaptx.planning.naming import UNTRAINED, intermediate_name
from adaptx.report.results.baselines import is_baseline
from adaptx.report.results.measured import Measurements, Variant
from adaptx.report.results.scored_as import how_scored
from adaptx.specs import Group, QuestionAnswering, Suite, Task, Train

ENGLISH = "en"
BREAKS = "sentence_breaks"

Scores = Mapping[str, Mapping[str, float]]
"""Metric -> language -> share in [0, 1], the mean over seeds."""


@dataclass(frozen=True, eq=False, kw_only=True)
class SuiteRow:
    """One row of a suite's table.

    Attributes:
        scores: task name -> its scores.
        trained_in: task name -> its source languages, which are not zero-shot.
        untrained: names of tasks measured without training on them.
        notes: task name -> how its score is computed, if that needs explaining.
    """

    label: str
    model: str
    method: str
    intermediate: str
    is_baseline: bool
    scores: dict[str, Scores] = field(default_factory=dict[str, Scores])
    trained_in: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    untrained: list[str] = field(default_factory=list[str])
    notes: dict[str, str] = field(default_factory=dict[str, str])

    def languages(self, task: Task) -> tuple[str, ...]:
        """Return the measured languages of a task, in the suite's order."""
        measured = next(iter(self.scores.get(task.name, {}).values()), {})
        return tuple(language for language in task.languages if language in measured)


def suite_rows(suite: Suite, measurements: Measurements) -> list[SuiteRow]:
    """Return the rows of a suite, in the recipe's order.

    Some tasks (Tatoeba, BUCC) are measured without training on them. Their scores are added to the rows with the same
    method and intermediate task. Scores of the untrained checkpoint are added to the rows of baselines. A score that
    fits no row gets a row of its own.
    """
    rows: dict[tuple[str, str], SuiteRow] = {}
    headless: list[tuple[Task, Sequence[Variant], bool]] = []
    for task in suite.tasks:
        variants = _variants(task, measurements)
        by_label: dict[str, list[Variant]] = {}
        for variant in variants:
            by_label.setdefault(variant.label, []).append(variant)
        keys = [_key(seeds[0]) for seeds in by_label.values()]
        for seeds in by_label.values():
            first, is_alone = seeds[0], keys.count(_key(seeds[0])) == 1
            if task.format.embeds and first.factors.target == UNTRAINED:
                headless.append((task, seeds, is_alone))
            else:
                _put(_row(rows, first, is_alone), task, seeds)
    shared = list(rows.values())
    for task, seeds, is_alone in headless:
        fitting = [row for row in shared if is_alone and task.name not in row.scores and _fits(row, seeds[0])]
        for row in fitting or [_row(rows, seeds[0], is_alone)]:
            _put(row, task, seeds)
            row.untrained.append(task.name)
    return list(rows.values())


def counted(task: Task) -> tuple[str, ...]:
    """Return the metrics whose mean is a task's score: F1 and exact match for question answering, else the first."""
    if not isinstance(task.format, QuestionAnswering):
        return task.metrics[:1]
    found = [metric for end in ("f1", "exact_match") for metric in task.metrics if metric.endswith(end)]
    return tuple(found) or task.metrics[:1]


def metric_means(row: SuiteRow, task: Task) -> tuple[float, ...] | None:
    """Return each `counted` metric's mean over a task's measured languages; None if no language is measured."""
    languages = row.languages(task)
    return tuple(_mean_over(row, task, metric, languages) for metric in counted(task)) if languages else None


def task_score(row: SuiteRow, task: Task, without_english: bool = False) -> float | None:
    """Return the mean of a task's counted metrics over its measured languages; None if no language is measured."""
    languages = [lang for lang in row.languages(task) if not (without_english and lang == ENGLISH)]
    return fmean(_mean_over(row, task, metric, languages) for metric in counted(task)) if languages else None


def average(row: SuiteRow, tasks: Iterable[Task], without_english: bool = False) -> float | None:
    """Return the mean of the tasks' scores; None if the score of any task is missing."""
    scores = [task_score(row, task, without_english) for task in tasks]
    known = [score for score in scores if score is not None]
    return fmean(known) if known and len(known) == len(scores) else None


def measured_tasks(rows: Iterable[SuiteRow], tasks: Iterable[Task]) -> tuple[Task, ...]:
    """Return the tasks that are measured in at least one row."""
    known = {name for row in rows for name in row.scores}
    return tuple(task for task in tasks if task.name in known)


def is_whole(group: Group, rows: Iterable[SuiteRow]) -> bool:
    """Return whether every task of a group is measured in at least one row."""
    return measured_tasks(rows, group.tasks) == group.tasks


def _variants(task: Task, measurements: Measurements) -> tuple[Variant, ...]:
    """Return the variants measured on the task with this name or, if none were, on another task with the same rows.

    The two tasks may split candidates into sentences differently. A note in the suite's row then says how.
    """
    named = measurements.variants(task.name)
    if named:
        return named
    for other in measurements.tasks:
        alike = (other.format, other.metrics) == (task.format, task.metrics)
        if (
            alike
            and _candidates(other) == _candidates(task)
            and any(rows in task.evaluation for rows in other.evaluation)
        ):
            return measurements.variants(other.name)
    return ()


def _candidates(task: Task) -> list[tuple[object, ...]]:
    """Return a key of a task's candidate pool. It does not depend on how the pool is split into sentences."""
    return [
        (rows.language, rows.config, rows.split, rows.expected, *(role for role, _ in rows.columns if role != BREAKS))
        for rows in task.pool
    ]


def _trained_before(variant: Variant) -> str:
    """Return the name of a variant's intermediate tasks, or of the task mixture that it was trained on.

    A mixture that contains the measured task keeps its full name, so that all of its scores are in one row.
    """
    model = variant.evaluate.model
    if not isinstance(model, Train) or len(model.tasks) == 1:
        return variant.factors.intermediate
    below = intermediate_name(model)
    return model.task.name if below == UNTRAINED else f"{below}>{model.task.name}"


def _key(variant: Variant) -> tuple[str, str]:
    return variant.factors.model, replace(variant.factors, intermediate=_trained_before(variant)).label


def _row(rows: dict[tuple[str, str], SuiteRow], variant: Variant, is_alone: bool) -> SuiteRow:
    """Return the row of a variant, and create it if needed.

    is_alone: whether no other variant has the same factors. Otherwise each gets a row of its own.
    """
    model, label = _key(variant)
    if not is_alone:
        label = variant.label
    row = SuiteRow(
        label=label,
        model=model,
        method=variant.factors.method,
        intermediate=_trained_before(variant),
        is_baseline=is_baseline(variant),
    )
    return rows.setdefault((model, label), row)


def _fits(row: SuiteRow, headless: Variant) -> bool:
    ours = headless.factors
    if row.model != ours.model:
        return False
    if ours.method == UNTRAINED:
        return row.is_baseline
    return (row.method, row.intermediate) == (ours.method, _trained_before(headless))


def _put(row: SuiteRow, task: Task, seeds: Sequence[Variant]) -> None:
    common = [language for language in task.languages if all(_is_of(task, language, variant) for variant in seeds)]
    if not common:
        return
    row.scores[task.name] = {
        metric: {
            language: fmean(variant.languages[language].scores[metric] for variant in seeds) for language in common
        }
        for metric in counted(task)
    }
    sources = [language for language in common if seeds[0].languages[language].is_source_language]
    row.trained_in[task.name] = tuple(sources)
    if note := how_scored(seeds[0].task):
        row.notes[task.name] = note


def _is_of(task: Task, language: str, variant: Variant) -> bool:
    """Return whether a variant is measured on a suite's task in a language.

    A measured task with another name counts as the suite's task if it has the same rows in that language.
    """
    if language not in variant.languages:
        return False
    measured = variant.languages[language].evaluate.task
    return measured.name == task.name or measured.rows_in(language) == task.rows_in(language)


def _mean_over(row: SuiteRow, task: Task, metric: str, languages: Iterable[str]) -> float:
    return fmean(row.scores[task.name][metric][language] for language in languages)
