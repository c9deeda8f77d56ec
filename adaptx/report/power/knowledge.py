"""Knowledge of how much a plan's comparisons vary: from the user, from stored scores, or by assumption."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from adaptx.errors import UserError
from adaptx.planning.plan import Plan
from adaptx.report.power.design import Design
from adaptx.report.power.deviations import ASSUMED, Deviations, Measured, Source, Spread, expected, similar
from adaptx.report.power.measured import Key, measured_contrasts, measured_gains
from adaptx.report.power.planned_gains import Count, gain_designs
from adaptx.report.results.measured import Measurements


@dataclass(frozen=True, kw_only=True)
class Given:
    """Standard deviations that the user gives, as shares. If one is None, stored or assumed ones are used.

    Attributes:
        rows: of the difference of two models on one row.
        seeds: of a gain over seeds, apart from the choice of rows.
    """

    rows: float | None = None
    seeds: float | None = None

    def __post_init__(self) -> None:
        for name, value, example in (("row", self.rows, 50), ("seed", self.seeds, 2)):
            if value is not None and not 0 < value <= 1:
                raise UserError(
                    f"a {name} deviation of {100 * value:g} points is impossible, because it is above 0 and at most "
                    f"100 points; give one such as {example}"
                )


@dataclass(frozen=True, kw_only=True)
class Knowledge:
    """What is known about how much comparisons vary.

    Attributes:
        given: what the user says.
        measured: stored comparisons, by `Design.key`.
        similar: task -> the mean spread of its stored gains, and its source.
    """

    given: Given
    measured: Mapping[Key, Measured]
    similar: Mapping[str, tuple[Spread, Source]]

    def deviations(self, design: Design) -> Deviations:
        """Return the variances of a design.

        The user's come first, then those of the same comparison, then those of other comparisons on its tasks, then
        assumed ones.
        """
        found = expected(design, *self._spread(design))
        if (stored := self.measured.get(design.key)) is not None:
            found = stored.deviations(design, found)
        if self.given.rows is not None:
            rows = expected(design, replace(ASSUMED, rows=self.given.rows**2), "given", "assumed")
            found = replace(found, shared=rows.shared, own=rows.own, of_rows="given")
        if self.given.seeds is not None:
            found = replace(found, seeds=self.given.seeds**2 / 2 * design.squares, of_seeds="given")
        return found

    def _spread(self, design: Design) -> tuple[Spread, Source, Source]:
        """Return the mean spread on the design's tasks, and the sources of its variances over rows and over seeds."""
        known = [self.similar.get(each.evaluate.task.name) for each in design.sets]
        spreads = [each for each in known if each is not None]
        if not spreads or len(spreads) < len(known):
            return ASSUMED, "assumed", "assumed"
        rows, shared, seeds = (
            float(np.mean([getattr(spread, name) for spread, _ in spreads])) for name in ("rows", "shared", "seeds")
        )
        of_seeds: Source = "similar" if all(source == "similar" for _, source in spreads) else "assumed"
        return Spread(rows=rows, shared=shared, seeds=seeds), "similar", of_seeds


def learn(plan: Plan, measurements: Measurements | None, count: Count, given: Given) -> Knowledge:
    """Return what the stored scores of a plan tell. count: returns the number of rows of an evaluation."""
    if measurements is None or not measurements.measured:
        return Knowledge(given=given, measured={}, similar={})
    measured = {**measured_gains(measurements), **measured_contrasts(plan, measurements)}
    stored: dict[str, list[tuple[Design, Deviations]]] = {}
    for design in gain_designs(plan, count):
        if not design.note and (found := measured.get(design.key)) is not None:
            assumed = expected(design, ASSUMED, "assumed", "assumed")
            stored.setdefault(design.task, []).append((design, found.deviations(design, assumed)))
    means = {task: similar(pairs) for task, pairs in stored.items()}
    return Knowledge(given=given, measured=measured, similar=means)
