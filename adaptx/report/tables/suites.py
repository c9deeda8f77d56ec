"""A suite's table in the layout of its papers: one row per variant, columns for tasks and averages.

Averages follow the suite's official script: a task's score is the mean over its languages, English included, a group's
score is the mean over its tasks, and the suite's score is the mean over all tasks. In question answering, the score in
a language is the mean of F1 and exact match.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from adaptx.catalog.languages import language_name
from adaptx.metrics.suites import OFFICIAL_SUITES
from adaptx.report.results.measured import Measurements
from adaptx.report.results.suites import (
    ENGLISH,
    SuiteRow,
    average,
    counted,
    is_whole,
    measured_tasks,
    metric_means,
    suite_rows,
    task_score,
)
from adaptx.report.tables.cells import NOTHING, percent
from adaptx.report.tables.table import Column, Table, TableCell
from adaptx.specs import Group, Suite, Task

_SHORT = (("accuracy", "acc."), ("exact_match", "EM"), ("map_at_20", "mAP@20"), ("f1", "F1"))
"""Pairs of the end of a metric's name and its short form in the papers' headers. Other metrics keep their names."""

Block = list[tuple[Column, list[TableCell]]]
"""Columns that must stay together in one table, each with its cells (one per row)."""


@dataclass(frozen=True, eq=False)
class SuiteResult:
    """The measured rows of a suite. rows: empty if the recipe measures none of the suite's tasks."""

    suite: Suite
    rows: Sequence[SuiteRow]

    def tables(self, widest: int) -> list[Table]:
        """Return the suite's table, split by groups into several tables if it is wider than `widest` characters."""
        if not self.rows:
            return []
        blocks = [self._averages(), *(self._group(group) for group in self.suite.groups)]
        label: Block = [(Column("variant", True), [TableCell(text) for text in self._labels])]
        parts: list[Block] = []
        for block in blocks:
            if parts and _table("", label + parts[-1] + block).width <= widest:
                parts[-1] += block
            else:
                parts.append(list(block))
        title = f"{self.suite.name} · suite, %"
        drawn = [_table(f"{title}, continued" if number else title, label + part) for number, part in enumerate(parts)]
        return [*drawn[:-1], replace(drawn[-1], caption=self._caption())]

    @property
    def summary(self) -> str:
        """Sentences on the suite's best average, and on the average of the same method without an intermediate task."""
        tasks = measured_tasks(self.rows, self.suite.tasks)
        averages = {index: value for index, row in enumerate(self.rows) if (value := average(row, tasks)) is not None}
        if not averages:
            return f"{self.suite.name}: no variant is measured on all tasks of this report, so there is no average."
        best = max(averages, key=averages.__getitem__)
        row, labels = self.rows[best], self._labels
        beside = [
            f"{percent(averages[index])}% ({labels[index]})"
            for index, other in enumerate(self.rows)
            if index in averages and index != best and other.is_baseline
            if (other.model, other.method) == (row.model, row.method)
        ]
        return (
            f"{self.suite.name}, {len(tasks)} of its {len(self.suite.tasks)} tasks: the best average is "
            f"{percent(averages[best])}% ({labels[best]})"
            + (f". Without an intermediate task, the same method has {', '.join(beside)}." if beside else ".")
        )

    def records(self) -> list[dict[str, Any]]:
        """Return each row's unrounded shares as records: one per task and metric, one per group, one for the suite."""
        return [
            {"suite": self.suite.name, "variant": row.label, "model": row.model, **record}
            for row in self.rows
            for record in self._records(row)
        ]

    @property
    def _labels(self) -> list[str]:
        several = len({row.model for row in self.rows}) > 1
        return [f"{row.model} · {row.label}" if several else row.label for row in self.rows]

    def _averages(self) -> Block:
        tasks = measured_tasks(self.rows, self.suite.tasks)
        here, whole = len(tasks), len(self.suite.tasks)
        of = "" if here == whole else f"\nof {here}/{whole}\ntasks"
        return [
            (Column(f"average{of}"), [_percent(average(row, tasks)) for row in self.rows]),
            (Column(f"zero-shot\naverage{of}"), [_percent(average(row, tasks, True)) for row in self.rows]),
        ]

    def _group(self, group: Group) -> Block:
        block = [self._task(group, task) for task in group.tasks]
        if len(group.tasks) > 1 and is_whole(group, self.rows):
            cells = [_percent(average(row, group.tasks)) for row in self.rows]
            block.append((Column("average", group=group.name), cells))
        return block

    def _task(self, group: Group, task: Task) -> tuple[Column, list[TableCell]]:
        """Return a task's column and cells. If all rows have the same number of measured languages, the header states
        it.
        """
        used = {len(row.languages(task)) for row in self.rows if row.languages(task)} or {0}
        alike = len(used) == 1
        shown = f"{next(iter(used))}/{len(task.languages)}" if alike else f"of {len(task.languages)}"
        metrics = " / ".join(map(_short, counted(task)))
        cells: list[TableCell] = []
        for row in self.rows:
            means = metric_means(row, task)
            text = " / ".join(map(percent, means)) if means else NOTHING
            cells.append(TableCell(text if alike or not means else f"{text} ({len(row.languages(task))})"))
        return Column(f"{task.name}\n{metrics}\n{shown}", group=group.name), cells

    def _records(self, row: SuiteRow) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for task in measured_tasks([row], self.suite.tasks):
            languages = row.languages(task)
            facts = {"languages_used": len(languages), "languages_expected": len(task.languages)}
            for metric, mean in zip(counted(task), metric_means(row, task) or (), strict=True):
                others = [row.scores[task.name][metric][lang] for lang in languages if lang != ENGLISH]
                zero_shot = sum(others) / len(others) if others else None
                found.append(_record("task", task.name, metric, mean, zero_shot) | facts)
            if len(counted(task)) > 1:
                zero_shot = task_score(row, task, without_english=True)
                found.append(_record("task", task.name, "mean", task_score(row, task), zero_shot) | facts)
        groups = [(("group", group.name), group.tasks) for group in self.suite.groups]
        for (kind, name), tasks in [*groups, (("suite", self.suite.name), self.suite.tasks)]:
            found.append(_record(kind, name, "mean", average(row, tasks), average(row, tasks, True)))
        return found

    def _caption(self) -> str:
        tasks = self.suite.tasks
        here = measured_tasks(self.rows, tasks)
        absent = [task.name for task in tasks if task not in here]
        parts = [
            "A task's score is the mean over its languages, English included"
            + (", and for F1 / EM the mean of both" if any(len(counted(task)) > 1 for task in here) else "")
            + ". A group's average is the mean over its tasks, the suite's average the mean over all tasks. Zero-shot "
            "average: without English. Below each task: number of languages measured / number in the suite."
        ]
        official = OFFICIAL_SUITES.get(self.suite.name)
        unscored = [task.name for task in here if official is not None and official.languages.get(task.name) == ()]
        if unscored:
            parts.append(
                f"The suite's official script leaves {', '.join(unscored)} out of its averages. It is included here."
            )
        untrained = [task.name for task in here if any(task.name in row.untrained for row in self.rows)]
        if untrained:
            parts.append(
                f"No model of this table is trained on {' or '.join(untrained)}. For such a task, the baseline is the "
                "untrained checkpoint, and the other lines show models after their intermediate task alone."
            )
        if absent:
            halves = [g.name for g in self.suite.groups if len(g.tasks) > 1 and not is_whole(g, self.rows)]
            left_out = f" or of {', '.join(halves)}" if halves else ""
            parts.append(f"Not measured here: {', '.join(absent)}. There is thus no average of the suite{left_out}.")
        if any(len(row.languages(task)) < len(task.languages) for row, task in self._cells):
            parts.append(
                "Not all languages of the suite are measured, so these averages are not comparable with published ones."
            )
        for row in self.rows:
            gone = [task.name for task in here if task.name not in row.scores]
            if gone:
                parts.append(f"{row.label}: not measured on {', '.join(gone)}.")
        notes = dict.fromkeys((task, note) for row in self.rows for task, note in row.notes.items())
        parts += [f"{task}: {note}" for task, note in notes]
        parts += self._not_zero_shot()
        return " ".join(parts)

    @property
    def _cells(self) -> list[tuple[SuiteRow, Task]]:
        return [(row, task) for row in self.rows for task in self.suite.tasks if task.name in row.scores]

    def _not_zero_shot(self) -> list[str]:
        """Return a sentence for each row that was trained in languages which the zero-shot average includes."""
        said: list[str] = []
        for row in self.rows:
            trained = {
                task: [language_name(language) for language in languages if language != ENGLISH]
                for task, languages in row.trained_in.items()
            }
            where = "; ".join(f"{task} in {', '.join(languages)}" for task, languages in trained.items() if languages)
            if where:
                said.append(f"{row.label} is not zero-shot in all languages: it is trained on {where}.")
        return said


def suite_results(suites: Sequence[Suite], measurements: Measurements) -> list[SuiteResult]:
    """Return the results of every suite that has at least one measured task."""
    results = [SuiteResult(suite, suite_rows(suite, measurements)) for suite in suites]
    return [result for result in results if result.rows]


def _table(title: str, block: Block) -> Table:
    columns = tuple(column for column, _ in block)
    return Table(title, columns, tuple(zip(*(cells for _, cells in block), strict=True)))


def _short(metric: str) -> str:
    return next((short for end, short in _SHORT if metric.endswith(end)), metric)


def _percent(share: float | None) -> TableCell:
    return TableCell(percent(share))


def _record(kind: str, name: str, metric: str, value: float | None, zero_shot: float | None) -> dict[str, Any]:
    return {"kind": kind, "name": name, "metric": metric, "value": value, "zero_shot_value": zero_shot}
