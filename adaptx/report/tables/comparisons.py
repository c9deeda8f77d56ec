"""Comparisons of a task's variants with their baselines: intervals, tests and detectable gains."""

from collections.abc import Sequence

from adaptx.report.gains.gain import SOURCE, ZERO_SHOT, Gain
from adaptx.report.statistics.over_seeds import LEAST_SEEDS
from adaptx.report.tables.cells import detectable_text, gain_text, p_text, percent, range_text
from adaptx.report.tables.families import correction, standing
from adaptx.report.tables.table import Column, Table, TableCell
from adaptx.specs import Task


def comparison_table(task: Task, metric: str, gains: Sequence[Gain], quantity: str = ZERO_SHOT) -> Table:
    """Return a table of every variant's gain in `quantity` (`ZERO_SHOT` or `SOURCE`), with intervals and p-values."""
    compared = [
        g for g in gains if (g.task, g.metric, g.quantity) == (task.name, metric, quantity) and g.gain is not None
    ]
    # One seed has no deviation, and the table fits a terminal without these columns.
    several = any(g.seeds_compared > 1 for g in compared)
    columns = (
        Column("variant", True),
        Column("gain, points\n[95%]"),
        Column("p"),
        Column("[95%, Holm]"),
        Column("p, Holm"),
        *([Column("seeds"), Column("sd over\nseeds")] if several else []),
        Column("detectable\ngain (Holm)"),
    )
    rows = tuple(
        (
            TableCell(g.variant),
            TableCell(gain_text(g), g.sign, g.is_uncertain),
            TableCell(p_text(g.p)),
            TableCell(range_text(g.corrected_low, g.corrected_high)),
            TableCell(p_text(g.holm_p)),
            *([TableCell(str(g.seeds_compared)), TableCell(percent(g.seed_deviation))] if several else []),
            TableCell(detectable_text(g.detectable, g.corrected_detectable)),
        )
        for g in compared
    )
    where = f", {quantity}" if quantity != ZERO_SHOT else ""
    return Table(f"{task.name} · comparisons in {metric}{where}", columns, rows, _caption(compared))


def _caption(compared: Sequence[Gain]) -> str:
    parts = [
        "Bold: a gain or a loss after Holm's correction; grey: undecided. p: two-sided p-value. "
        + correction(compared, by_variant=True)
    ]
    parts += [said] if (said := standing(compared)) else []
    few = [g.variant for g in compared if not g.over_seeds]
    which = "" if len(few) == len(compared) else f" ({', '.join(few)})"
    if few:
        parts.append(
            f"With fewer than {LEAST_SEEDS} seeds{which}, intervals cover the choice of test rows alone: they are "
            "about these trained models, and p is that of a randomisation test, which exchanges predictions at random."
        )
    if len(few) < len(compared):
        parts.append(
            "Intervals and p cover the choice of test rows and of seeds together; the variance over seeds is pooled "
            "over the variants of a model."
        )
    parts.append(
        "Detectable gain: a true gain of this size, in points, would be found in 4 of 5 such experiments, "
        "before correction and, in brackets, after it."
    )
    if compared and compared[0].quantity == SOURCE:
        # Variants may differ in source languages, because intermediate tasks are trained in different languages.
        by_languages = {
            g.languages: [each.variant for each in compared if each.languages == g.languages] for g in compared
        }
        over = (f"{', '.join(languages)} ({'; '.join(names)})" for languages, names in by_languages.items())
        parts.insert(
            0, f"Source languages: {', '.join(compared[0].languages) if len(by_languages) == 1 else '; '.join(over)}."
        )
    return " ".join(parts)
