"""Tables of generalisation gaps, next to the gains in the source languages and in the others."""

from collections.abc import Sequence

from adaptx.report.gains.gain import ALPHA, Gain
from adaptx.report.gains.gaps import Gap, GapDifference, Part, Retained
from adaptx.report.statistics.holm import holm, holm_levels
from adaptx.report.statistics.over_seeds import LEAST_SEEDS
from adaptx.report.statistics.two_way import TwoWay
from adaptx.report.tables.cells import NOTHING, gain_text, interval_text, p_text, percent
from adaptx.report.tables.table import Column, Table, TableCell
from adaptx.specs import Task

AT_CHANCE = "at chance"
UNBOUNDED = "unbounded"


def gap_tables(task: Task, found: Sequence[Gap], differences: Sequence[GapDifference]) -> list[Table]:
    """Return a table of the gaps and a table of their differences, each only if it has rows."""
    if not found:
        return []
    columns = (
        Column("variant", True),
        Column("source,\n%"),
        Column("zero-shot,\n%"),
        Column("gap, points [95%]"),
        Column("gain in source,\npoints [95%]"),
        Column("zero-shot gain,\npoints [95%]"),
        Column("retained gain,\n% [95%]"),
    )
    rows = tuple(
        (
            TableCell(each.variant.label),
            _score(each.source),
            _score(each.zero_shot),
            TableCell(AT_CHANCE, 0, True) if each.at_chance else TableCell(_tested(each.draws.mean, each.test)),
            _gain(each.source.gain),
            _gain(each.zero_shot.gain),
            TableCell(_retained(each.retained)),
        )
        for each in found
    )
    tables = [Table(f"{task.name} · generalisation gap in {task.metrics[0]}", columns, rows, _caption(found))]
    return tables + ([_difference_table(task, differences)] if differences else [])


def _difference_table(task: Task, differences: Sequence[GapDifference]) -> Table:
    columns = (
        Column("several tasks", True),
        Column("minus the mean of", True),
        Column("difference,\npoints [95%, Holm]"),
        Column("p"),
        Column("p, Holm"),
    )
    tests = [each.test for each in differences if each.test is not None and not each.at_chance]
    p_values = [test.p for test in tests]
    corrected = iter(zip(tests, holm(p_values), holm_levels(p_values, ALPHA), strict=True))
    rows: list[tuple[TableCell, ...]] = []
    for each in differences:
        cells = TableCell(each.several.variant.label), TableCell("\n".join(gap.variant.label for gap in each.single))
        if each.at_chance or each.test is None:
            said = TableCell(AT_CHANCE if each.at_chance else _tested(each.difference, None), 0, each.at_chance)
            rows.append((*cells, said, TableCell(NOTHING), TableCell(NOTHING)))
            continue
        test, holm_p, level = next(corrected)
        sign = 0 if holm_p >= ALPHA else 1 if each.difference > 0 else -1
        shown = TableCell(interval_text(each.difference, *test.interval(level)), sign, not sign)
        rows.append((*cells, shown, TableCell(p_text(test.p)), TableCell(p_text(holm_p))))
    covers = "rows and seeds" if all(each.over_seeds for each in differences) else "rows, and seeds from three on"
    caption = (
        "Below zero: after several intermediate tasks the gap is smaller than after a single one, which may also mean "
        f"that the score in the source languages is lower. Intervals and p cover {covers}, corrected by Holm for this "
        f"table. {AT_CHANCE.capitalize()}: a score of one of the compared models is not shown to be above guessing."
    )
    return Table(f"{task.name} · gap after several tasks compared with one", columns, tuple(rows), caption)


def _caption(found: Sequence[Gap]) -> str:
    parts = [
        "Gap: source score minus zero-shot score. It is given only if the intervals of both scores are above chance. "
        "A gap also shrinks when the source score falls, so read it with the two gains. Retained "
        "gain: the zero-shot gain as a share of the gain in the source languages, with Fieller's interval. Unbounded: "
        "the gain in the source languages is not clearly above zero, so any share is possible."
    ]
    languages = {(each.source.languages, each.zero_shot.languages) for each in found}
    if len(languages) == 1:
        source, zero_shot = (", ".join(each) for each in next(iter(languages)))
        parts.insert(0, f"Source: {source}. Zero-shot: {zero_shot}.")
    chances = [part.chance for each in found for part in (each.source, each.zero_shot)]
    if max(chances) > 0:
        low, high = percent(min(chances)), percent(max(chances))
        parts.append(f"Chance (the most common class, or guessing): {low if low == high else f'{low} to {high}'}%.")
    few = any(each.seeds < LEAST_SEEDS for each in found)
    parts.append(f"Intervals of gaps cover {f'rows, and seeds from {LEAST_SEEDS} on' if few else 'rows and seeds'}.")
    return " ".join(parts)


def _score(part: Part) -> TableCell:
    """Return the cell of a score. It is grey if the score is not clearly above chance."""
    return TableCell(percent(part.score), 0, not part.above_chance)


def _retained(found: Retained) -> str:
    if found.is_unbounded:
        return UNBOUNDED
    if found.value is None:
        return NOTHING
    value, low, high = (percent(each, 0).replace("-", "−") for each in (found.value, found.low, found.high))
    return f"{value} [{low}, {high}]"


def _gain(gain: Gain | None) -> TableCell:
    return TableCell(NOTHING) if gain is None else TableCell(gain_text(gain), gain.sign, gain.is_uncertain)


def _tested(value: float, test: TwoWay | None) -> str:
    return interval_text(value, *(test.interval() if test is not None else (None, None)))
