"""Score against cost: which variants and baselines are on the Pareto fronts.

The score is the zero-shot average. The first front is that of counted operations, because seconds depend on the machine
and on what else it did. The second is that of seconds, in which small differences do not count (`EQUAL_SECONDS`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from adaptx.planning.zero_shot import equal_weights
from adaptx.report.gains.fronts import EQUAL_SECONDS, Front, fronts
from adaptx.report.gains.gain import ZERO_SHOT, Gain
from adaptx.report.results.measured import (
    Variant,
    mean_path_energy_joules,
    mean_path_flops,
    mean_path_seconds,
    most_memory_bytes,
)
from adaptx.report.results.redrawn import Redrawn
from adaptx.report.results.styles import VariantStyles
from adaptx.report.statistics.over_seeds import LEAST_SEEDS
from adaptx.report.tables.cells import NOTHING, gain_text, percent, seconds, throughput, watt_hours
from adaptx.report.tables.cost_per_point import cost_text
from adaptx.report.tables.table import Column, Table, TableCell
from adaptx.specs import Task


@dataclass(frozen=True, eq=False, kw_only=True)
class ScoreAndCost:
    """The score and the cost of a variant or baseline. Costs are those of all its trainings, as means over its seeds.

    Attributes:
        score, low, high: mean over `languages`, which all variants share, with its 95% interval over rows and seeds.
        gain: its gain in the zero-shot average.
        seconds: time of all trainings and merges; None if unknown.
        flops: operations of all trainings; None if unknown.
        energy_joules: energy of all trainings; None if the machine does not measure it.
        peak_memory_bytes: the maximum over seeds and languages.
        front: its place in the front of score and operations; None if the number of operations is unknown.
        front_of_seconds: its place in the front of score and seconds; None if the seconds are unknown.
    """

    variant: Variant
    languages: tuple[str, ...]
    score: float
    low: float
    high: float
    gain: Gain
    seeds: int
    seconds: float | None
    flops: float | None
    peak_memory_bytes: int | None
    energy_joules: float | None
    front: Front | None
    front_of_seconds: Front | None


def priced(task: Task, gains: Sequence[Gain], redrawn: Redrawn) -> list[ScoreAndCost]:
    """Return the scores and costs of all variants and baselines, those with the fewest operations first.

    Return an empty list if they have no zero-shot language in common.
    """
    wanted = (task.name, task.metrics[0], ZERO_SHOT)
    averages = {g.variant: g for g in gains if (g.task, g.metric, g.quantity) == wanted}
    shared = [set(gain.languages) for gain in averages.values()]
    first = next(iter(averages.values())).languages if averages else ()
    languages = tuple(language for language in first if all(language in each for each in shared))
    if not languages:
        return []
    scores = {label: redrawn.score(label, equal_weights(languages)) for label in averages}
    flops = {label: mean_path_flops(redrawn.variants[label]) for label in averages}
    times = {label: mean_path_seconds(redrawn.variants[label]) for label in averages}
    by_operations, by_seconds = fronts(flops, scores), fronts(times, scores, EQUAL_SECONDS)
    found: list[ScoreAndCost] = []
    for label, gain in averages.items():
        of_variant, test = redrawn.variants[label], scores[label].test
        score = scores[label].mean
        low, high = test.interval() if test is not None else (score, score)
        found.append(
            ScoreAndCost(
                variant=of_variant[0],
                languages=languages,
                score=score,
                low=low,
                high=high,
                gain=gain,
                seeds=len(of_variant),
                seconds=times[label],
                flops=flops[label],
                peak_memory_bytes=most_memory_bytes(of_variant),
                energy_joules=mean_path_energy_joules(of_variant),
                front=by_operations.get(label),
                front_of_seconds=by_seconds.get(label),
            )
        )
    return sorted(found, key=lambda each: (each.flops is None, each.flops or 0.0))


def frontier_table(task: Task, found: Sequence[ScoreAndCost], styles: VariantStyles) -> Table:
    """Return a table of score and cost, with the share of redraws in which each variant is on the Pareto front."""
    metered = any(each.energy_joules is not None for each in found)
    flops = {each.gain.variant: each.flops for each in found}
    columns = (
        Column("variant", True),
        Column("score, %\n[95%]"),
        Column("gain, points\n[95%]"),
        Column("10¹²\noperations"),
        Column("10¹² operations\nper point\ngained [95%]"),
        Column("seconds on\nthis machine"),
        *([Column("energy,\nWh")] if metered else []),
        Column("on the\nfront", True),
        Column("front, share\nof redraws"),
        Column("most often\nbeaten by"),
        Column("front of\nseconds, share\nof redraws"),
    )
    rows = tuple(
        (
            TableCell(styles.name(each.gain.variant)),
            TableCell(f"{percent(each.score)} [{percent(each.low)}, {percent(each.high)}]"),
            TableCell(gain_text(each.gain), each.gain.sign, each.gain.is_uncertain),
            TableCell(throughput(None if each.flops is None else each.flops / 1e12)),
            TableCell(cost_text(each.gain, flops, 1e12)),
            TableCell(seconds(each.seconds)),
            *([TableCell(watt_hours(each.energy_joules))] if metered else []),
            TableCell("yes" if each.front is not None and each.front.is_on else ""),
            TableCell(NOTHING if each.front is None else _share(each.front.share)),
            TableCell(_beaten_by(each.front, styles)),
            TableCell(NOTHING if each.front_of_seconds is None else _share(each.front_of_seconds.share)),
        )
        for each in found
    )
    return Table(f"{task.name} · score against cost", columns, rows, _caption(found, metered))


def _caption(found: Sequence[ScoreAndCost], metered: bool) -> str:
    few = sum(each.seeds < LEAST_SEEDS for each in found)
    covers = "rows and seeds"
    if few:
        alone = f"rows alone, because there are fewer than {LEAST_SEEDS} seeds"
        covers = (
            alone if few == len(found) else f"{covers}; of variants with fewer than {LEAST_SEEDS} seeds, rows alone"
        )
    return (
        f"Score: mean over {', '.join(found[0].languages)}. On the front: no other variant or baseline scores as much "
        "with fewer operations. Front, share of redraws: in how many redraws that is so. Most often beaten by: the "
        "number of the variant that is as good and cheaper in the largest share of redraws. Redraws and intervals "
        f"cover {covers}. Front of seconds: the same with seconds as the cost; variants whose seconds differ by less "
        f"than {EQUAL_SECONDS:.0%} count as equally fast, because seconds scatter between runs. Operations are "
        "counted, per token read in training: 4 per parameter of the layers, and 2 more per trainable parameter. Per "
        "point gained: the operations beyond those of the baseline, divided by the gain; for an undecided gain, at "
        "least this many. Seconds include everything else that the machine did."
        + (" Energy: of all trainings on the variant's path, as measured by the device." if metered else "")
    )


def _beaten_by(front: Front | None, styles: VariantStyles) -> str:
    """Return the number of the variant that most often beats this one, with the share of draws, such as `2 (0.69)`."""
    if front is None or front.beaten_by is None:
        return NOTHING
    label, share = front.beaten_by
    return f"{styles[label].number} ({_share(share)})"


def _share(share: float) -> str:
    """Return a share of redraws with two digits, such as `0.69`, and never as 0 or 1."""
    return "<0.01" if share < 0.005 else ">0.99" if share > 0.995 else f"{share:.2f}"
