"""Gains by class of language: by family, script, resources, distance from English, and presence in pretraining.

The gain of a class is the unweighted mean over its zero-shot languages. Its interval comes from the same resamples as
all other intervals.
"""

from collections.abc import Sequence

from adaptx.report.gains.gain import Gain
from adaptx.report.tables.cells import gain_text, p_text, percent
from adaptx.report.tables.class_differences import difference_table
from adaptx.report.tables.families import correction, standing
from adaptx.report.tables.table import Column, Table, TableCell
from adaptx.specs import Task

FAMILY = "family"


def class_gains(task: Task, gains: Sequence[Gain], attribute: str) -> list[Gain]:
    """Return the gains in each class of one attribute (`Latn` is a class of `script`), for the task's first metric."""
    of_task = [g for g in gains if (g.task, g.metric) == (task.name, task.metrics[0])]
    return [g for g in of_task if g.attribute == attribute and g.gain is not None]


def breakdown_tables(task: Task, gains: Sequence[Gain]) -> list[Table]:
    """Return two tables per attribute that divides the task's languages into at least two classes.

    The first has the gain in each class, the second the differences between classes.
    """
    of_classes = [gain for gain in gains if gain.task == task.name and gain.attribute and not gain.minus]
    tables: list[Table] = []
    for attribute in dict.fromkeys(gain.attribute for gain in of_classes):
        tables.append(_table(task, attribute, class_gains(task, gains, attribute)))
        tables.append(difference_table(task, attribute, gains))
    return [table for table in tables if table.rows]


def _table(task: Task, attribute: str, found: Sequence[Gain]) -> Table:
    columns = (
        Column("variant", True),
        Column(attribute, True),
        Column("languages", True),
        Column("score, %"),
        Column("gain, points [95%]"),
        Column("p, Holm"),
    )
    rows = tuple(
        (
            TableCell(g.variant),
            TableCell(g.quantity),
            TableCell(", ".join(g.languages)),
            TableCell(percent(g.score)),
            TableCell(gain_text(g), g.sign, g.is_uncertain),
            TableCell(p_text(g.holm_p)),
        )
        for g in found
    )
    caption = " ".join(filter(None, (correction(found, by_variant=False), standing(found))))
    return Table(f"{task.name} · gain by {attribute}", columns, rows, caption)
