"""Table and sentences about peaks: whether the gain is lower at the largest budget than at a smaller one."""

from collections.abc import Sequence

from adaptx.report.gains.peaks import LaterPeak
from adaptx.report.statistics.over_seeds import LEAST_SEEDS
from adaptx.report.tables.cells import NOTHING, interval_text, p_equals, p_text, points, shortened
from adaptx.report.tables.table import Column, Table, TableCell
from adaptx.specs import Task


def peak_table(task: Task, found: Sequence[LaterPeak], size: str) -> Table:
    """Return a table of the largest budget against the best smaller one. size: the unit of a budget."""
    columns = (
        Column("series", True),
        Column("gain in", True),
        Column("best smaller\nbudget"),
        Column("gain,\npoints"),
        Column("largest\nbudget"),
        Column("gain,\npoints"),
        Column("largest minus best smaller,\npoints [95%, Holm]"),
        Column("p, Holm"),
    )
    rows = tuple(
        (
            TableCell(each.series),
            TableCell(each.where),
            TableCell(shortened(each.step.size)),
            TableCell(points(each.step.gain)),
            TableCell(shortened(each.step.last_size)),
            TableCell(points(each.step.last_gain)),
            TableCell(_change(each), each.sign, each.verdict is not None and not each.sign),
            TableCell(p_text(each.verdict.holm_p) if each.verdict is not None else NOTHING),
        )
        for each in found
    )
    covers = (
        "rows and seeds"
        if all(each.over_seeds for each in found)
        else f"rows alone in series with fewer than {LEAST_SEEDS} seeds, for the models as trained"
    )
    caption = (
        f"Below zero: the gain falls past the best smaller budget. Budget: {size}; variants with equal budgets are "
        "averaged. The largest budget is compared with every smaller one, and p and intervals are corrected for all of "
        "these comparisons in the same languages (Holm). They therefore allow for the best smaller budget being the "
        f"luckiest. They cover {covers}. A comparison that the recipe declares has the verdict on its contrast."
    )
    return Table(f"{task.name} · the largest budget against the best smaller one", columns, rows, caption)


def peak_sentences(task: Task, found: Sequence[LaterPeak]) -> list[str]:
    """Return a sentence for all languages in which the gain falls or still rises, and one on the others."""
    said = [f"{task.name}, {each.series}: {_told(each)}" for each in found if each.sign]
    undecided = [each for each in found if not each.sign]
    if undecided:
        places = ", ".join(dict.fromkeys(f"{each.where} ({_change(each)})" for each in undecided))
        said.append(
            f"{task.name}: the largest budget is shown to be neither better nor worse than the best smaller one in: "
            f"{places}."
        )
    return said


def _told(peak: LaterPeak) -> str:
    assert peak.verdict is not None
    over = "rows and seeds" if peak.over_seeds else "rows, for the models as trained"
    numbers = (
        f"{_change(peak)} points (95% interval over {over}, corrected for {peak.verdict.family_size} comparisons; "
        f"{p_equals(peak.verdict.holm_p)})"
    )
    budgets = f"{shortened(peak.step.last_size)} operations rather than {shortened(peak.step.size)}"
    if peak.sign < 0:
        return f"more intermediate training lowers the gain in the {peak.where}, by {numbers} for {budgets}."
    return f"the gain in the {peak.where} still rises to the largest budget, by {numbers} for {budgets}."


def _change(peak: LaterPeak) -> str:
    verdict = peak.verdict
    low, high = (verdict.corrected_low, verdict.corrected_high) if verdict is not None else (None, None)
    return interval_text(peak.step.change, low, high)
