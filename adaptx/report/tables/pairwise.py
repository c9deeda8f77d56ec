"""A table of all variants against all variants."""

from collections.abc import Sequence

from adaptx.report.gains.pairwise import PAIRS, PairDifference, Scored
from adaptx.report.results.styles import VariantStyles
from adaptx.report.statistics.over_seeds import LEAST_SEEDS
from adaptx.report.tables.cells import NOTHING, p_text, percent, points
from adaptx.report.tables.table import Column, Table, TableCell
from adaptx.specs import Task

MOST_VARIANTS = 24
"""Maximum number of variants of a table. Wider tables cannot be read."""


def pairwise_table(
    task: Task,
    variants: Sequence[Scored],
    found: Sequence[PairDifference],
    languages: Sequence[str],
    styles: VariantStyles,
) -> Table | None:
    """Return a table with a row and a column per variant.

    Return None for too many variants, and for fewer than three: the comparison with the baseline says the same.
    """
    if not 2 < len(variants) <= MOST_VARIANTS:
        return None
    by_pair = {(pair.first, pair.second): pair for pair in found}
    columns = (
        Column("variant", True),
        Column("score,\n%"),
        *(Column(f"minus\n{styles[each.label].number}") for each in variants),
    )
    rows = tuple(
        (
            TableCell(styles.name(row.label)),
            TableCell(percent(sum(row.by_seed.values()) / len(row.by_seed))),
            *(_cell(row.label, column.label, by_pair) for column in variants),
        )
        for row in variants
    )
    return Table(f"{task.name} · every variant against every other", columns, rows, _caption(task, found, languages))


def _cell(row: str, column: str, by_pair: dict[tuple[str, str], PairDifference]) -> TableCell:
    side = 1 if (row, column) in by_pair else -1
    pair = by_pair.get((row, column)) or by_pair.get((column, row))
    if pair is None:
        return TableCell("" if row == column else NOTHING)
    said = points(side * pair.difference)
    if pair.holm_p is None:
        return TableCell(said)
    return TableCell(f"{said}\np {p_text(pair.holm_p)}", side * pair.sign, pair.sign == 0)


def _caption(task: Task, found: Sequence[PairDifference], languages: Sequence[str]) -> str:
    tested = [pair for pair in found if pair.holm_p is not None]
    few = [pair for pair in tested if not pair.over_seeds]
    covers = "test rows and seeds"
    if few:
        covers = f"test rows alone, because there are fewer than {LEAST_SEEDS} common seeds"
        if len(few) < len(tested):
            covers = f"test rows and seeds; of pairs with fewer than {LEAST_SEEDS} common seeds, test rows alone"
    own = sum(pair.family == PAIRS for pair in tested)
    other = len(tested) - own
    corrected = f"all {own} pairs" if not other else f"the {own} pairs that no other table compares"
    elsewhere = (
        f" The other {'pair has' if other == 1 else f'{other} pairs have'} the verdict from the table that compares "
        "them: a variant and its baseline, or a contrast."
        if other
        else ""
    )
    return (
        f"Each cell is the score of its row minus that of its column, in points of {task.metrics[0]} over "
        f"{', '.join(languages)}. p is corrected for {corrected} (Holm). It covers {covers}.{elsewhere} Bold: a "
        "difference; grey: undecided. The pairs were not declared before the scores were seen, so this is exploratory."
    )
