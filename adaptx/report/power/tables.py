"""The power of a plan as tables, records and one sentence."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from adaptx.report.power.deviations import ASSUMED, Source
from adaptx.report.power.planned_contrasts import CONTRAST
from adaptx.report.power.power import Power
from adaptx.report.statistics.over_seeds import LEAST_SEEDS
from adaptx.report.tables.cells import NOTHING, count, percent
from adaptx.report.tables.table import Column, Table, TableCell

ORIGINS: dict[Source, str] = {
    "measured": "measured in the store",
    "similar": "the mean of comparisons on the same task in the store",
    "given": "given",
    "assumed": "assumed",
}
ASSUMED_ROWS = (
    "Assumed over rows: on a quarter of the rows, one of two models is right and the other wrong (Card et al. 2020, "
    "arXiv:2010.06595), and half of this is the same with every seed; --row-deviation replaces it."
)
ASSUMED_SEEDS = (
    f"Assumed over seeds: a standard deviation of {100 * ASSUMED.seeds**0.5:.1f} points (measured ones are 0.4 to 7); "
    "--seed-deviation replaces it."
)


def power_tables(found: Sequence[Power]) -> list[Table]:
    """Return two tables: what the plan detects, and what more seeds or rows would detect."""
    return [_planned_table([power for power in found if power.planned]), _other_table(found)]


def power_frame(found: Sequence[Power]) -> Any:
    """Return a pandas.DataFrame with one row per comparison and design; languages are separated by spaces."""
    import pandas as pd

    return pd.DataFrame([record | {"languages": " ".join(record["languages"])} for record in power_records(found)])


def power_records(found: Sequence[Power]) -> list[dict[str, Any]]:
    """Return one record of plain JSON values per comparison and design."""
    return [asdict(power) | {"languages": list(power.languages)} for power in found]


def power_sentence(found: Sequence[Power]) -> str:
    """Return the range of detectable gains as one sentence, or why there are none. found: the power as planned."""
    known = sorted((power.corrected, power.task) for power in found if power.corrected is not None)
    if not known:
        return f"detectable gain: unknown, because {found[0].note}"
    (low, easiest), (high, hardest) = known[0], known[-1]
    size = f"{percent(low)} points of {easiest}"
    if percent(low) != percent(high):
        size += f" to {percent(high)} points of {hardest}" if hardest != easiest else f", others up to {percent(high)}"
    few = "" if all(power.over_seeds for power in found) else f"; fewer than {LEAST_SEEDS} seeds: over rows alone"
    return (
        f"detectable {_thing(found)}: {size} (a true one of this size would be found in 4 of 5 such experiments, with "
        f"assumed deviations and after correction{few}); `adaptx power` shows each, and what more seeds or rows change"
    )


def _thing(found: Sequence[Power]) -> str:
    return "difference" if found[0].quantity == CONTRAST else "gain"


def _planned_table(planned: Sequence[Power]) -> Table:
    several = len({power.task for power in planned}) > 1
    thing = _thing(planned)
    columns = (
        Column("contrast" if thing == "difference" else "variant", True),
        *([Column("task", True)] if several else []),
        Column("test rows"),
        Column("seeds"),
        Column("error over\nrows, points"),
        Column("sd over\nseeds"),
        Column(f"detectable\n{thing}"),
        Column("after\ncorrection"),
    )
    # Variants with equal numbers share a row, because assumed deviations are the same for all variants of a task.
    alike: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for power in planned:
        alike.setdefault((power.task, tuple(_numbers(power))), []).append(power.comparison)
    rows = tuple(
        tuple(map(TableCell, (_named(names), *([task] if several else []), *numbers)))
        for (task, numbers), names in alike.items()
    )
    return Table(f"What the plan detects: {_where(planned)}", columns, rows, " ".join(_captions(planned, thing)))


def _numbers(power: Power) -> Iterator[str]:
    yield _rows(power)
    yield str(power.seeds)
    yield percent(power.row_error)
    yield percent(power.seed_deviation) if power.over_seeds else NOTHING
    yield percent(power.detectable)
    yield percent(power.corrected)


def _named(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"each of {len(names)}: {names[0]}, ..."


def _where(planned: Sequence[Power]) -> str:
    first = planned[0]
    if first.quantity == CONTRAST:
        return "contrasts"
    metrics = ", ".join(dict.fromkeys(power.metric for power in planned))
    return f"gains in {metrics}, {' and '.join(dict.fromkeys(power.quantity for power in planned))}"


def _rows(power: Power) -> str:
    clusters = f" ({count(power.clusters)} clusters)" if power.clusters is not None else ""
    return f"{count(power.rows)}{clusters}"


def _captions(planned: Sequence[Power], thing: str) -> Iterator[str]:
    sizes = sorted({power.family_size for power in planned if not power.note})
    yield (
        f"Detectable {thing}: a true {thing} of this size, in points, would be found in 4 of 5 such experiments "
        f"(p < 0.05). After correction: for {' or '.join(map(str, sizes))} comparisons (the first step of Holm's)."
    )
    rows = dict.fromkeys(ORIGINS[power.rows_from] for power in planned if power.rows_from is not None)
    seeds = dict.fromkeys(ORIGINS[each.seeds_from] for each in planned if each.seeds_from is not None)
    if rows:
        yield f"Deviations over rows: {', or '.join(rows)}. Deviations over seeds: {', or '.join(seeds)}."
    if ORIGINS["assumed"] in rows:
        yield ASSUMED_ROWS
    if ORIGINS["assumed"] in seeds:
        yield ASSUMED_SEEDS
    if any(not power.over_seeds for power in planned):
        yield (
            f"With fewer than {LEAST_SEEDS} seeds, the report tests these trained models over test rows alone: another "
            "seed may change a gain by more than what is detectable here."
        )
    if notes := dict.fromkeys(f"{power.task}: {power.note}." for power in planned if power.note):
        yield " ".join(notes)


def _other_table(found: Sequence[Power]) -> Table:
    """Return a table of what other numbers of seeds and rows detect. Equal results on a task share a row."""
    others = [power for power in found if not power.planned and not power.note]
    designs = list(dict.fromkeys((power.row_factor, power.seeds) for power in others))
    cells: dict[tuple[str, str], dict[tuple[int, int], str]] = {}
    for power in others:
        key = (power.task, power.comparison)
        cells.setdefault(key, {})[power.row_factor, power.seeds] = percent(power.corrected)
    alike: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (task, comparison), values in cells.items():
        alike.setdefault((task, tuple(values[design] for design in designs)), []).append(comparison)
    thing = _thing(found)
    columns = (
        Column("contrast" if thing == "difference" else "task and variant", True),
        *(Column(f"{seeds} seeds", group=_group(factor)) for factor, seeds in designs),
    )
    rows = tuple(
        (TableCell(_together(task, names, thing)), *map(TableCell, values)) for (task, values), names in alike.items()
    )
    return Table(f"Detectable {thing} after correction, with other seeds and rows", columns, rows)


def _group(factor: int) -> str:
    return f"rows ×{factor}"


def _together(task: str, names: Sequence[str], thing: str) -> str:
    if len(names) > 1:
        return f"{task}: each of {len(names)}"
    return names[0] if thing == "difference" else f"{task}: {names[0]}"
