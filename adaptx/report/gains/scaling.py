"""Scaling: gain and cost against model size, and gain against the compute of the intermediate training.

A series by size has variants of one method, kind of start (such as `Sequential`), intermediate task and family of
models, in several sizes. A series by compute has variants of one checkpoint, with intermediate trainings of several
lengths. If several families (or checkpoints) have at least two sizes each, one more series has their common slope.

Size is the number of parameters in the layers, without embeddings. Embeddings are most of a small multilingual
checkpoint and almost the same in all sizes: e5-small with 3 and with 12 layers has 102 and 118 million parameters, of
which 5 and 21 million are in layers.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from adaptx.catalog.language_facts import HIGH_RESOURCE, LOW_RESOURCE, language_facts
from adaptx.planning.zero_shot import equal_weights
from adaptx.report.gains.gain import ZERO_SHOT, Gain
from adaptx.report.gains.quantities import zero_shot_quantities
from adaptx.report.results.measured import Variant, mean_path_seconds
from adaptx.report.results.model_families import family_names, model_family
from adaptx.report.results.redrawn import Redrawn
from adaptx.report.statistics.draws import Draws
from adaptx.report.statistics.trend import SizedModel, Trend, trend
from adaptx.specs import Task

Place = tuple[str, str, float]
"""(name of the series, family, size) of a variant."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Point:
    """One variant of a series.

    Attributes:
        draws: its gain in the zero-shot average, per seed.
        family: the family of its model; in a series by compute, its checkpoint.
        size: parameters of the layers; in a series by compute, operations of its intermediate trainings.
        seconds: time of all its stages.
        is_cut: whether its model is the first layers of a checkpoint.
    """

    size: float
    family: str
    gain: Gain
    draws: Draws
    seconds: float | None
    is_cut: bool


@dataclass(frozen=True, eq=False, kw_only=True)
class Series:
    """Points in order of size, with trends of the gain in the zero-shot average and in classes of languages.

    Attributes:
        families: several only for a common slope.
        source, low, high: trends of the mean gain in the source, the low-resource and the high-resource languages; None
            if there are no such languages.
        languages: the codes of these languages.
        resources: the trend of the low-resource gain minus the high-resource gain of the same models.
    """

    name: str
    families: tuple[str, ...]
    points: tuple[Point, ...]
    trend: Trend
    source: Trend | None
    low: Trend | None
    high: Trend | None
    resources: Trend | None
    languages: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]

    @property
    def sizes(self) -> tuple[float, ...]:
        return tuple(point.size for point in self.points)

    @property
    def is_common(self) -> bool:
        """Whether the series has several families, with one slope and an intercept per family."""
        return len(self.families) > 1


def size_series(task: Task, gains: Sequence[Gain], redrawn: Redrawn) -> list[Series]:
    """Return the series by size: one per method, start, intermediate task and family."""
    families = family_names(model_family(seeds[0].evaluate.checkpoint) for seeds in redrawn.variants.values())

    def place(variant: Variant) -> Place | None:
        checkpoint, factors = variant.evaluate.checkpoint, variant.factors
        if checkpoint.shape is None:
            return None
        name = f"{factors.method} · {factors.start} · {factors.intermediate}"
        return name, families[model_family(checkpoint)], float(checkpoint.shape.encoder_parameters)

    return _series(task, gains, redrawn, place)


def compute_series(task: Task, gains: Sequence[Gain], redrawn: Redrawn) -> list[Series]:
    """Return the series by compute: one per checkpoint, method, start and intermediate task."""

    def place(variant: Variant) -> Place | None:
        factors, operations = variant.factors, variant.first.intermediate_flops
        if not operations:
            return None
        return f"{factors.method} · {factors.start} · {factors.intermediate}", factors.model, operations

    return _series(task, gains, redrawn, place)


def cost_factor(series: Series) -> float | None:
    """Return the factor by which the mean time of all stages grows with size.

    For a series with a line, it is the factor per tenfold size. Otherwise it is that of the largest over the smallest
    size. Return None for several families, or if some time is unknown.
    """
    known = [(point.size, point.seconds) for point in series.points if point.seconds]
    if len(known) < len(series.points) or series.is_common:
        return None
    log_size, log_seconds = np.log10(np.array(known)).T
    power = np.polyfit(log_size, log_seconds, 1)[0] if series.trend.is_line else log_seconds[-1] - log_seconds[0]
    return float(10**power)


def _series(
    task: Task, gains: Sequence[Gain], redrawn: Redrawn, place: Callable[[Variant], Place | None]
) -> list[Series]:
    """Return the series of a task. place: returns the series and the size of a variant; None if its size is unknown."""
    wanted = (task.name, task.metrics[0], ZERO_SHOT)
    averages = {g.variant: g for g in gains if (g.task, g.metric, g.quantity) == wanted and g.gain is not None}
    found: dict[str, dict[str, list[Point]]] = {}
    for label, gain in averages.items():
        seeds = redrawn.variants[label]
        at, draws = place(seeds[0]), redrawn.gain(label, equal_weights(gain.languages))
        if at is None or draws is None:
            continue
        name, family, size = at
        is_cut = seeds[0].evaluate.checkpoint.layers is not None
        point = Point(size=size, family=family, gain=gain, draws=draws, seconds=mean_path_seconds(seeds), is_cut=is_cut)
        found.setdefault(name, {}).setdefault(family, []).append(point)
    series: list[Series] = []
    for name, families in found.items():
        alone = [_one_series(f"{name} · {family}", points, redrawn) for family, points in families.items()]
        of_name = [each for each in alone if each is not None]
        if len(of_name) > 1:
            common = _one_series(f"{name} · common slope", [p for each in of_name for p in each.points], redrawn)
            of_name += [common] if common is not None else []
        series += of_name
    return series


def _one_series(name: str, points: Iterable[Point], redrawn: Redrawn) -> Series | None:
    """Return the series of these points; None if they have no trend, such as points of one size."""
    ordered = sorted(points, key=lambda point: point.size)
    whole = trend([SizedModel(point.size, point.draws, point.family) for point in ordered])
    if whole is None:
        return None
    common = set.intersection(*(set(point.gain.languages) for point in ordered))
    zero_shot = [language for language in ordered[0].gain.languages if language in common]
    low, high = (
        tuple(language for language in zero_shot if language_facts(language).joshi_class in classes)
        for classes in (LOW_RESOURCE, HIGH_RESOURCE)
    )
    source = _common_sources(ordered, redrawn)
    of_source, of_low, of_high = (_gains_in(ordered, languages, redrawn) for languages in (source, low, high))
    apart = [one.minus(other) for one, other in zip(of_low, of_high, strict=True)] if of_low and of_high else []
    return Series(
        name=name,
        families=tuple(dict.fromkeys(point.family for point in ordered)),
        points=tuple(ordered),
        trend=whole,
        source=_trend_of(ordered, of_source),
        low=_trend_of(ordered, of_low),
        high=_trend_of(ordered, of_high),
        resources=_trend_of(ordered, apart),
        languages=(source, low, high),
    )


def _common_sources(points: Sequence[Point], redrawn: Redrawn) -> tuple[str, ...]:
    """Return the measured languages in which no point's gain is zero-shot."""
    first = redrawn.variants[points[0].gain.variant][0]
    found = [language for language in first.languages if language not in points[0].gain.languages]
    for point in points[1:]:
        variant = redrawn.variants[point.gain.variant][0]
        others = zero_shot_quantities(variant, variant.languages).get(ZERO_SHOT, {})
        found = [language for language in found if language in variant.languages and language not in others]
    return tuple(found)


def _gains_in(points: Sequence[Point], languages: Sequence[str], redrawn: Redrawn) -> list[Draws]:
    """Return each point's mean gain in these languages; empty if there are none, or if a point has no gain there."""
    if not languages:
        return []
    found = [redrawn.gain(point.gain.variant, equal_weights(languages)) for point in points]
    return [draws for draws in found if draws is not None] if None not in found else []


def _trend_of(points: Sequence[Point], gains: Sequence[Draws]) -> Trend | None:
    if not gains:
        return None
    return trend([SizedModel(p.size, gain, p.family) for p, gain in zip(points, gains, strict=True)])
