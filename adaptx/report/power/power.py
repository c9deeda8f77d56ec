"""The power of a plan: the detectable gain or difference of each comparison that answers the recipe's question."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from adaptx.errors import UserError
from adaptx.planning.plan import Plan
from adaptx.report.gains.gain import ALPHA
from adaptx.report.power.design import Design, family_sizes
from adaptx.report.power.detecting import detectable
from adaptx.report.power.deviations import Deviations, Source
from adaptx.report.power.knowledge import Given, Knowledge, learn
from adaptx.report.power.planned_contrasts import contrast_designs
from adaptx.report.power.planned_gains import Count, gain_designs
from adaptx.report.power.row_counts import RowCount, count_rows
from adaptx.report.results.measured import ScoredEvaluation, measure
from adaptx.report.statistics.over_seeds import LEAST_SEEDS
from adaptx.sources.sources import Sources
from adaptx.specs import Evaluate
from adaptx.store.store import Store

OTHER_SEEDS = (3, 5, 8)
ROW_FACTORS = (1, 2)
"""The numbers of seeds, and the multiples of the planned test rows, for which the table of more seeds or rows is."""


@dataclass(frozen=True, kw_only=True)
class Power:
    """What one comparison detects with one number of seeds and rows. Gains and deviations are shares in [0, 1].

    Attributes:
        planned: whether seeds and rows are those of the plan.
        row_factor: how many times as many rows as planned.
        row_error: standard error of the comparison from the choice of rows.
        seed_deviation: standard deviation over seeds, apart from rows.
        rows_from, seeds_from: where these two come from (`Source`).
        detectable: the smallest true gain that is found in 4 of 5 experiments, with p < 0.05.
        corrected: the same after Holm's correction, with p < 0.05 / `family_size`. With fewer than three seeds, both
            are about the choice of rows alone.
        note: why there is no detectable gain; empty otherwise.
    """

    comparison: str
    task: str
    metric: str
    quantity: str
    languages: tuple[str, ...]
    rows: int | None
    clusters: int | None
    seeds: int
    row_factor: int
    planned: bool
    family_size: int
    row_error: float | None = None
    seed_deviation: float | None = None
    rows_from: Source | None = None
    seeds_from: Source | None = None
    detectable: float | None = None
    corrected: float | None = None
    note: str = ""

    @property
    def over_seeds(self) -> bool:
        """Whether the result is about methods, which takes three seeds, and not only about the trained models."""
        return self.seeds >= LEAST_SEEDS


def compute_power(
    plan: Plan, store: Store | None = None, sources: Sources | None = None, given: Given | None = None
) -> list[Power]:
    """Return the power of each primary comparison: as planned, then with other numbers of seeds and rows.

    Args:
        plan: the plan; nothing of it needs to be stored.
        store: the store from whose scores deviations are measured; None assumes deviations.
        sources: where test rows are read, to count them; None takes the numbers that tasks state.
        given: deviations to use instead.

    Raises:
        UserError: the recipe has nothing to compare, or a set of rows cannot be read.
    """
    measurements = measure(plan, store) if store is not None else None
    stored = {each.evaluate: _stored(each) for each in (measurements.measured if measurements is not None else ())}

    def count(evaluate: Evaluate) -> RowCount | None:
        return stored.get(evaluate) or count_rows(evaluate, sources)

    designs = _designs(plan, count)
    if not designs:
        raise UserError(
            f"recipe {plan.recipe.name} has nothing to compare: no variant has a matched baseline, and it declares no "
            "contrasts; add the evaluations of a baseline (the same training without the intermediate task), or give "
            "Recipe(contrasts=...)"
        )
    knowledge = learn(plan, measurements, count, given or Given())
    sizes = family_sizes(designs)
    return [power for design in designs for power in _of_design(design, knowledge, sizes[design.family])]


def _stored(measured: ScoredEvaluation) -> RowCount:
    rows = measured.examples.rows
    clusters = len(np.unique(rows))
    return RowCount(len(rows), clusters if clusters < len(rows) else None)


def planned_power(plan: Plan) -> list[Power]:
    """Return the power of each primary comparison as planned, with assumed deviations; empty without comparisons.

    Neither the store nor rows are read, so it is quick.
    """
    designs = _designs(plan, lambda evaluate: count_rows(evaluate, None))
    knowledge, sizes = Knowledge(given=Given(), measured={}, similar={}), family_sizes(designs)
    return [
        _power(each, None if each.note else knowledge.deviations(each), sizes[each.family], None, 1) for each in designs
    ]


def _designs(plan: Plan, count: Count) -> list[Design]:
    primary = plan.recipe.primary_comparisons
    return contrast_designs(plan, count) if primary == "contrasts" else gain_designs(plan, count, primary)


def _of_design(design: Design, knowledge: Knowledge, family_size: int) -> Iterator[Power]:
    deviations = knowledge.deviations(design) if not design.note else None
    yield _power(design, deviations, family_size, None, 1)
    for factor in ROW_FACTORS:
        for seeds in OTHER_SEEDS:
            yield _power(design, deviations, family_size, seeds, factor)


def _power(design: Design, deviations: Deviations | None, family_size: int, seeds: int | None, factor: int) -> Power:
    """Return the power with a number of seeds and `factor` times the rows. seeds: None if both are as planned."""
    count = seeds or design.seeds
    power = Power(
        comparison=design.comparison,
        task=design.task,
        metric=design.metric,
        quantity=design.quantity,
        languages=design.languages,
        rows=None if design.rows is None else factor * design.rows,
        clusters=None if design.clusters is None else factor * design.clusters,
        seeds=count,
        row_factor=factor,
        planned=seeds is None,
        family_size=family_size,
        note=design.note,
    )
    if deviations is None:
        return power
    return replace(
        power,
        row_error=((deviations.shared + deviations.own / count) / factor) ** 0.5,
        seed_deviation=deviations.seeds**0.5,
        rows_from=deviations.of_rows,
        seeds_from=deviations.of_seeds,
        detectable=detectable(design, deviations, seeds, factor),
        corrected=detectable(design, deviations, seeds, factor, 1 - ALPHA / family_size),
    )
