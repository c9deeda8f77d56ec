"""Gain against cost: which variants are on the Pareto front of gain and training seconds."""

from collections.abc import Sequence
from dataclasses import dataclass

from adaptx.report.cells import gain_text, mebibytes, percent, seconds, throughput, watt_hours
from adaptx.report.gain import ZERO_SHOT, Gain
from adaptx.report.measured import (
    Measurements,
    Variant,
    mean_path_energy_joules,
    mean_path_flops,
    mean_path_seconds,
    most_memory_bytes,
)
from adaptx.report.statistics.pareto import pareto_front
from adaptx.report.tables import Column, Table, TableCell
from adaptx.specs import Task


@dataclass(frozen=True, eq=False, kw_only=True)
class GainAndCost:
    """A variant's gain on the zero-shot average (zero for a baseline), and its cost, intermediate stages included.

    seconds, flops, energy_joules: totals over the trainings that led to the variant, averaged over its seeds; None if
    unknown. The seconds also include merges. Energy is unknown if the machine has no meter.
    peak_memory_bytes: the maximum over seeds and languages. examples_per_second: the speed of the last training.
    on_front: whether the variant is on the Pareto front of gain and seconds; False if its seconds are unknown.
    """

    variant: Variant
    gain: Gain
    seconds: float | None
    flops: float | None
    peak_memory_bytes: int | None
    examples_per_second: float | None
    energy_joules: float | None
    on_front: bool

    @property
    def points(self) -> float:
        """The gain in percentage points; 0 for a baseline."""
        return 100 * (self.gain.gain or 0.0)


def priced(measurements: Measurements, task: Task, gains: Sequence[Gain]) -> list[GainAndCost]:
    """Return the gains and costs of all baselines and of all variants with a baseline. The cheapest comes first."""
    wanted = (task.name, task.metrics[0], ZERO_SHOT)
    averages = {g.variant: g for g in gains if (g.task, g.metric, g.quantity) == wanted}
    by_label: dict[str, list[Variant]] = {}
    for variant in measurements.variants(task.name):
        by_label.setdefault(variant.label, []).append(variant)
    chosen = {label: gain for label, gain in averages.items() if gain.gain is not None or gain.is_baseline}
    costs = {label: mean_path_seconds(by_label[label]) for label in chosen}
    known = [label for label in chosen if costs[label] is not None]
    front = pareto_front([costs[label] or 0.0 for label in known], [chosen[label].gain or 0.0 for label in known])
    on_front = {known[place] for place in front}
    found = [
        GainAndCost(
            variant=by_label[label][0],
            gain=gain,
            seconds=costs[label],
            flops=mean_path_flops(by_label[label]),
            peak_memory_bytes=most_memory_bytes(by_label[label]),
            examples_per_second=_speed(by_label[label]),
            energy_joules=mean_path_energy_joules(by_label[label]),
            on_front=label in on_front,
        )
        for label, gain in chosen.items()
    ]
    return sorted(found, key=lambda each: (each.seconds is None, each.seconds or 0.0))


def frontier_table(task: Task, found: Sequence[GainAndCost]) -> Table:
    """Return a table of gain and cost, which marks the variants on the Pareto front."""
    metered = any(each.energy_joules is not None for each in found)
    columns = (
        Column("variant", True),
        Column("gain, points [95%]"),
        Column("zero-shot\naverage, %"),
        Column("seconds"),
        Column("10¹² operations"),
        Column("peak memory,\nMiB"),
        Column("examples\nper second"),
        *([Column("energy,\nWh")] if metered else []),
        Column("on the\nfront", True),
    )
    rows = tuple(
        (
            TableCell(each.gain.variant),
            TableCell(gain_text(each.gain), each.gain.sign, each.gain.is_uncertain),
            TableCell(percent(each.gain.score)),
            TableCell(seconds(each.seconds)),
            TableCell(throughput(None if each.flops is None else each.flops / 1e12)),
            TableCell(mebibytes(each.peak_memory_bytes)),
            TableCell(throughput(each.examples_per_second)),
            *([TableCell(watt_hours(each.energy_joules))] if metered else []),
            TableCell("yes" if each.on_front else ""),
        )
        for each in found
    )
    caption = (
        "On the front: no other variant gains as much in fewer seconds. A baseline counts as a gain of zero. "
        "Operations per token read in training: 4 per parameter of the layers, and 2 more per trainable parameter."
        + (" Energy: of all trainings on the variant's path, as measured by the device." if metered else "")
    )
    return Table(f"{task.name} · gain against cost", columns, rows, caption)


def _speed(seeds: Sequence[Variant]) -> float | None:
    paths = (variant.first.path for variant in seeds)
    known = [speed for path in paths if path and (speed := path[-1].examples_per_second) is not None]
    return sum(known) / len(known) if known else None
