"""Comparisons of a task's variants with their baselines: interval and test over examples, and the same over seeds."""

from collections.abc import Sequence

from adaptx.report.cells import NOTHING, gain_text, interval_text, p_text, percent
from adaptx.report.gains import SOURCE, ZERO_SHOT, Gain
from adaptx.report.statistics.over_seeds import LEAST_SEEDS
from adaptx.report.tables import Column, Table, TableCell
from adaptx.specs import Task


def comparison_table(task: Task, metric: str, gains: Sequence[Gain], quantity: str = ZERO_SHOT) -> Table:
    """Return a table of every variant's gain on `quantity` (`ZERO_SHOT` or `SOURCE`), with both significance tests."""
    compared = [
        g for g in gains if (g.task, g.metric, g.quantity) == (task.name, metric, quantity) and g.gain is not None
    ]
    columns = (
        Column("variant", True),
        Column("gain, points\n[95%, examples]"),
        Column("p"),
        Column("p, Holm"),
        Column("seeds"),
        Column("std. dev.\nover seeds"),
        Column("gain\n[95%, seeds]"),
        Column("p, seeds"),
    )
    rows = tuple(
        (
            TableCell(g.variant),
            TableCell(gain_text(g), g.sign, g.is_uncertain),
            TableCell(p_text(g.p)),
            TableCell(p_text(g.holm_p)),
            TableCell(str(g.seeds_compared)),
            TableCell(percent(g.seed_deviation)),
            _over_seeds(g),
            TableCell(p_text(g.seed_p)),
        )
        for g in compared
    )
    where = f", {quantity}" if quantity != ZERO_SHOT else ""
    return Table(f"{task.name} · comparisons in {metric}{where}", columns, rows, _caption(compared))


def _over_seeds(gain: Gain) -> TableCell:
    if gain.gain is None or gain.seed_low is None or gain.seed_high is None:
        return TableCell(NOTHING)
    sign = 1 if gain.seed_low > 0 else -1 if gain.seed_high < 0 else 0
    return TableCell(interval_text(gain.gain, gain.seed_low, gain.seed_high), sign, sign == 0)


def _caption(compared: Sequence[Gain]) -> str:
    parts = [
        "p: two-sided p-value of a randomisation test, which exchanges the predictions of variant and baseline at "
        f"random. p, Holm: corrected for the {len(compared)} comparisons of this table.",
    ]
    few = [g.variant for g in compared if g.seeds_compared < LEAST_SEEDS]
    if few:
        which = "all of them" if len(few) == len(compared) else ", ".join(few)
        parts.append(f"Variants with fewer than {LEAST_SEEDS} seeds have no interval over seeds: {which}.")
    if compared and compared[0].quantity == SOURCE:
        # Variants may differ in source languages, because intermediate tasks are trained in different languages.
        by_languages = {
            g.languages: [each.variant for each in compared if each.languages == g.languages] for g in compared
        }
        over = (f"{', '.join(languages)} ({'; '.join(names)})" for languages, names in by_languages.items())
        parts.insert(
            0, f"Source languages: {', '.join(compared[0].languages) if len(by_languages) == 1 else '; '.join(over)}."
        )
    if len(few) < len(compared):
        parts.append(
            "Gain over seeds: t interval over the gain of each seed, with the test examples held fixed; its p-value "
            "is not corrected."
        )
    return " ".join(parts)
