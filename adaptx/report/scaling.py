"""Scaling: gain and cost against model size, and gain against the compute of the intermediate training.

The variants of a series by size share the method, the kind of start (such as `Sequential`) and the intermediate task,
and differ in model size. In a series by compute, they share the checkpoint too, and differ in the length of the
intermediate training. Lines are fitted to the logarithm. Slopes of low- and high-resource languages are compared.
"""

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass

import numpy as np

from adaptx.catalog.language_facts import HIGH_RESOURCE, LOW_RESOURCE, language_facts
from adaptx.report.cells import NOTHING, interval_text, p_equals, p_text, points
from adaptx.report.gain import ZERO_SHOT, Gain
from adaptx.report.measured import Measurements, Variant, mean_path_seconds
from adaptx.report.statistics.log_linear import (
    LogLine,
    SlopeDifference,
    log_line,
    mean_slope,
    slope_difference,
)
from adaptx.report.tables import Column, Table, TableCell
from adaptx.specs import Task


@dataclass(frozen=True, eq=False)
class Point:
    """One variant. size: parameters, or operations of its intermediate trainings. seconds: time of all its stages."""

    size: float
    gain: Gain
    seconds: float | None


@dataclass(frozen=True, eq=False, kw_only=True)
class Series:
    """Points in order of size, with a line fitted to their gains on the zero-shot average.

    line: None with fewer than three sizes.
    source, low, high: mean slopes over the source, the low-resource and the high-resource languages; None if no such
    language has three sizes. A slope is the change of the gain, as a share, for a tenfold size.
    resources: the test of whether `low` and `high` differ.
    """

    name: str
    points: tuple[Point, ...]
    line: LogLine | None
    source: float | None
    low: float | None
    high: float | None
    resources: SlopeDifference | None

    @property
    def sizes(self) -> tuple[float, ...]:
        return tuple(point.size for point in self.points)

    @property
    def gains(self) -> tuple[Gain, ...]:
        return tuple(point.gain for point in self.points)


def size_series(measurements: Measurements, task: Task, gains: Sequence[Gain]) -> list[Series]:
    """Return a series per combination of method, start and intermediate task that has at least two model sizes."""

    def place(variant: Variant) -> tuple[str, float | None]:
        shape, factors = variant.evaluate.checkpoint.shape, variant.factors
        name = f"{factors.method} · {factors.start} · {factors.intermediate}"
        return name, float(shape.parameters) if shape is not None else None

    return _series(measurements, task, gains, place)


def compute_series(measurements: Measurements, task: Task, gains: Sequence[Gain]) -> list[Series]:
    """Return a series per checkpoint, method, start and intermediate task with at least two amounts of compute."""

    def place(variant: Variant) -> tuple[str, float | None]:
        factors = variant.factors
        name = f"{factors.model} · {factors.method} · {factors.start} · {factors.intermediate}"
        return name, variant.first.intermediate_flops

    return _series(measurements, task, gains, place)


def scaling_table(task: Task, series: Sequence[Series], size: str) -> Table:
    """Return a table of how gain and seconds change per tenfold size. size: the sizes' name, such as `parameters`."""
    columns = (
        Column("series", True),
        Column("points"),
        Column(f"change of gain\nfor tenfold\n{size},\npoints [95%]"),
        Column("p"),
        Column("source\nlanguages"),
        Column("high-\nresource"),
        Column("low-\nresource"),
        Column("low minus high [95%]"),
        Column("seconds"),
    )
    rows = tuple(
        (
            TableCell(each.name),
            TableCell(str(len(each.points))),
            TableCell(interval_text(each.line.slope, each.line.low, each.line.high) if each.line else NOTHING),
            TableCell(p_text(each.line.p if each.line else None)),
            *(TableCell(points(slope)) for slope in (each.source, each.high, each.low)),
            TableCell(_resources(each.resources)),
            TableCell(_cost_factor(each)),
        )
        for each in series
    )
    caption = (
        "Lines: least squares on the logarithm, with at least three sizes. All values are changes for a tenfold size. "
        "Source, high-resource and low-resource: mean slope of these languages (resource classes of Joshi et al. 2020: "
        f"{LOW_RESOURCE[0]} to {LOW_RESOURCE[-1]} are low, {HIGH_RESOURCE[0]} to {HIGH_RESOURCE[-1]} are high). Low "
        "minus high: Welch's test over languages, with at least two in each class. Seconds: the factor by which the "
        "training time grows, intermediate trainings included."
    )
    return Table(f"{task.name} · scaling with {size}", columns, rows, caption)


def scaling_sentences(task: Task, series: Sequence[Series], size: str) -> list[str]:
    """Return a sentence per series that has a line."""
    found: list[str] = []
    for each in series:
        if each.line is None:
            continue
        verb = "rises" if each.line.low > 0 else "falls" if each.line.high < 0 else "neither clearly rises nor falls"
        said = interval_text(each.line.slope, each.line.low, each.line.high)
        found.append(f"{task.name}, {each.name}: the gain {verb} with {size}, {said} points per tenfold increase.")
        if each.resources is not None and each.resources.p < 0.05:
            more = "higher" if each.resources.difference > 0 else "lower"
            said = _resources(each.resources)
            found.append(
                f"The slope is {more} in low-resource than in high-resource languages; the difference, in points per "
                f"tenfold increase: {said}."
            )
    return found


def _series(
    measurements: Measurements,
    task: Task,
    gains: Sequence[Gain],
    place: Callable[[Variant], tuple[str, float | None]],
) -> list[Series]:
    """Return the series of a task.

    place: a function that returns the name of a variant's series, and the variant's size if it is known.
    """
    averages = _averages(task, gains)
    found: dict[str, list[Point]] = {}
    for label, seeds in _by_label(measurements, task).items():
        name, size = place(seeds[0])
        if label in averages and size:
            found.setdefault(name, []).append(Point(size, averages[label], mean_path_seconds(seeds)))
    of_task = [each for each in measurements.measured if each.evaluate.task.name == task.name]
    sources = {each.evaluate.language for each in of_task if each.is_source_language}
    return [
        _one_series(name, sorted(members, key=lambda point: point.size), task, gains, sources)
        for name, members in found.items()
        if len({point.size for point in members}) > 1
    ]


def _one_series(
    name: str, members: Sequence[Point], task: Task, gains: Sequence[Gain], sources: Container[str]
) -> Series:
    sizes = {point.gain.variant: point.size for point in members}
    lines: dict[str, tuple[list[float], list[float]]] = {}
    for gain in gains:
        is_of_task = (gain.task, gain.metric) == (task.name, task.metrics[0]) and gain.is_language
        if is_of_task and gain.variant in sizes and gain.gain is not None:
            at, values = lines.setdefault(gain.quantity, ([], []))
            at.append(sizes[gain.variant])
            values.append(gain.gain)
    of_source = {language: line for language, line in lines.items() if language in sources}
    low, high = (
        {
            language: line
            for language, line in lines.items()
            if language not in of_source and language_facts(language).joshi_class in classes
        }
        for classes in (LOW_RESOURCE, HIGH_RESOURCE)
    )
    line = log_line([point.size for point in members], [point.gain.gain or 0.0 for point in members])
    return Series(
        name=name,
        points=tuple(members),
        line=line,
        source=mean_slope(of_source),
        low=mean_slope(low),
        high=mean_slope(high),
        resources=slope_difference(low, high),
    )


def _averages(task: Task, gains: Sequence[Gain]) -> dict[str, Gain]:
    wanted = (task.name, task.metrics[0], ZERO_SHOT)
    return {g.variant: g for g in gains if (g.task, g.metric, g.quantity) == wanted and g.gain is not None}


def _by_label(measurements: Measurements, task: Task) -> dict[str, list[Variant]]:
    found: dict[str, list[Variant]] = {}
    for variant in measurements.variants(task.name):
        found.setdefault(variant.label, []).append(variant)
    return found


def _cost_factor(series: Series) -> str:
    known = [(point.size, point.seconds) for point in series.points if point.seconds]
    if len(known) < 2:
        return NOTHING
    log_size, log_seconds = np.log10(np.array(known)).T
    return f"× {10 ** np.polyfit(log_size, log_seconds, 1)[0]:.1f}"


def _resources(found: SlopeDifference | None) -> str:
    if found is None:
        return NOTHING
    return f"{interval_text(found.difference, found.low, found.high)}, {p_equals(found.p)}"
