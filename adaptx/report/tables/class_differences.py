"""Differences of the gain between classes of languages, such as Latin script minus Cyrillic, with a test of each.

A gain that is shown in one class and not in another one does not show that the classes differ (Gelman and Stern 2006).
The difference has an interval and a test of its own, from the same redrawn rows and seeds as any gain.
"""

from collections.abc import Sequence

from adaptx.report.gains.gain import Gain
from adaptx.report.gains.quantities import DIFFERENCE
from adaptx.report.gains.verdict import Compared
from adaptx.report.statistics.over_seeds import LEAST_SEEDS
from adaptx.report.tables.cells import gain_text, interval_text, p_equals, p_text, range_text
from adaptx.report.tables.families import correction, standing
from adaptx.report.tables.table import Column, Table, TableCell
from adaptx.specs import Task


def class_differences(task: Task, gains: Sequence[Gain]) -> list[Gain]:
    """Return the differences between classes that are tested, in the task's first metric."""
    of_task = [g for g in gains if (g.task, g.metric) == (task.name, task.metrics[0])]
    return [g for g in of_task if g.attribute.startswith(DIFFERENCE) and g.gain is not None]


def difference_table(task: Task, attribute: str, gains: Sequence[Gain]) -> Table:
    """Return a table with the differences between the classes of one attribute, such as `script`."""
    found = [g for g in class_differences(task, gains) if g.attribute == DIFFERENCE + attribute]
    columns = (
        Column("variant", True),
        Column(attribute, True),
        Column("difference,\npoints [95%]"),
        Column("p"),
        Column("[95%, Holm]"),
        Column("p, Holm"),
    )
    rows = tuple(
        (
            TableCell(g.variant),
            TableCell(g.quantity),
            TableCell(gain_text(g), g.sign, g.is_uncertain),
            TableCell(p_text(g.p)),
            TableCell(range_text(g.corrected_low, g.corrected_high)),
            TableCell(p_text(g.holm_p)),
        )
        for g in found
    )
    covers = "rows and seeds" if all(g.over_seeds for g in found) else f"rows, and seeds from {LEAST_SEEDS} on"
    parts = (
        "The mean gain in the languages of one class minus that in the languages of the other class, or of all other "
        f"classes. Intervals and p cover {covers}.",
        correction(found, by_variant=False),
        standing(found),
    )
    return Table(f"{task.name} · difference of the gain by {attribute}", columns, rows, " ".join(filter(None, parts)))


def differences_sentence(task: Task, gains: Sequence[Gain]) -> str:
    """Return a sentence that counts the clear differences between classes and names the largest; empty without any.

    A test that stands in the tables of several attributes counts once.
    """
    tested: dict[Compared, Gain] = {}
    for gain in class_differences(task, gains):
        if gain.holm_p is not None and (compared := gain.compared) is not None:
            tested.setdefault(compared.oriented[0], gain)
    if not tested:
        return ""
    clear = [gain for gain in tested.values() if gain.sign]
    total = len(tested)
    if not clear:
        of = f"none of the {total} differences" if total > 1 else "the one difference"
        return f"{task.name}: {of} of the gain between classes of languages is {'' if total > 1 else 'not '}clear."
    largest = max(clear, key=lambda gain: abs(gain.gain or 0.0))
    number = f"{len(clear)} of {total} differences" if total > 1 else "the one difference"
    return (
        f"{task.name}: {number} of the gain between classes of languages {'is' if len(clear) == 1 else 'are'} clear. "
        f"The largest is {largest.quantity} ({largest.attribute.removeprefix(DIFFERENCE)}): {_shown(largest)}."
    )


def _shown(gain: Gain) -> str:
    assert gain.gain is not None
    over = f"over rows and {gain.seeds_compared} seeds" if gain.over_seeds else "over rows"
    corrected = f", corrected for {gain.family_size} comparisons" if gain.family_size > 1 else ""
    return (
        f"{interval_text(gain.gain, gain.corrected_low, gain.corrected_high)} points with {gain.variant} (95% interval "
        f"{over}{corrected}; {p_equals(gain.holm_p)})"
    )
