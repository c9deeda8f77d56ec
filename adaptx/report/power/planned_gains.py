"""The gains that a plan will compare with zero: one design per variant and average."""

from collections.abc import Callable, Mapping, Sequence

from adaptx.planning.plan import Plan
from adaptx.report.gains.gain import SOURCE, ZERO_SHOT
from adaptx.report.gains.quantities import averages
from adaptx.report.power.design import Design, ScoredSet
from adaptx.report.power.row_counts import RowCount
from adaptx.report.results.baselines import match
from adaptx.report.results.planned import PlannedVariant, planned_variants
from adaptx.specs import Evaluate, PrimaryComparisons

Count = Callable[[Evaluate], RowCount | None]
"""The number of test rows of an evaluation; None if it is unknown."""
Pair = tuple[PlannedVariant, PlannedVariant]
"""A variant and its baseline."""
ONE_ROW = "a test set is one row, such as a collection of sentences, whose examples are counted once they are scored"
UNKNOWN_ROWS = (
    "the number of test rows is not known; give Evaluate(limit=...), Rows(expected=...) or a data folder (--data)"
)


def gain_designs(plan: Plan, count: Count, primary: PrimaryComparisons | None = None) -> list[Design]:
    """Return the design of each variant's gain in an average, in the first metric of each task.

    Args:
        plan: the plan, of which nothing needs to be stored.
        count: returns the number of rows of an evaluation.
        primary: the average that the recipe declares primary. All gains in it are one family. Without it (None), each
            task is a family, in the zero-shot average or, if no language is zero-shot, in the source languages.
    """
    return [
        design
        for task, variants in planned_variants(plan).items()
        for design in _of_task(task, variants, count, primary)
    ]


def _of_task(
    task: str, variants: Sequence[PlannedVariant], count: Count, primary: PrimaryComparisons | None
) -> list[Design]:
    paired: dict[str, list[Pair]] = {}
    for variant in variants:
        baseline = match(variant, variants).baseline
        if baseline is not None:
            paired.setdefault(variant.label, []).append((variant, baseline))
    weighted = {label: _averages(pairs) for label, pairs in paired.items()}
    names = {name for found in weighted.values() for name in found}
    quantity = primary or (ZERO_SHOT if ZERO_SHOT in names else SOURCE)
    compared = {label: pairs for label, pairs in paired.items() if quantity in weighted[label]}
    arms: dict[str, list[int]] = {}
    for pairs in compared.values():
        arms.setdefault(pairs[0][0].factors.model, []).append(len(pairs))
    return [
        _design(pairs, quantity, weighted[label][quantity], count, arms, "primary" if primary else task)
        for label, pairs in compared.items()
    ]


def _averages(pairs: Sequence[Pair]) -> dict[str, dict[str, float]]:
    """Return quantity -> language -> weight, over the languages in which a variant and its baseline are scored with all
    seeds.
    """
    shared = set[str].intersection(*(set(each.languages) for pair in pairs for each in pair))
    return averages([evaluate for language, evaluate in pairs[0][0].languages.items() if language in shared])


def _design(
    pairs: Sequence[Pair],
    quantity: str,
    weights: Mapping[str, float],
    count: Count,
    arms: Mapping[str, Sequence[int]],
    family: str,
) -> Design:
    first = pairs[0][0]
    sets = tuple(
        ScoredSet(
            evaluate=first.languages[language],
            total=0.0,
            squares=2 * weight * weight,
            count=count(first.languages[language]),
        )
        for language, weight in weights.items()
    )
    return Design(
        comparison=first.label,
        task=first.task.name,
        metric=first.task.metrics[0],
        quantity=quantity,
        family=family,
        languages=tuple(weights),
        sets=sets,
        seeds=len(pairs),
        arms=tuple(arms[first.factors.model]),
        note=unusable(sets),
    )


def unusable(sets: Sequence[ScoredSet]) -> str:
    """Return why a comparison on these test sets cannot be planned; empty if it can."""
    if any(each.count is None for each in sets):
        return UNKNOWN_ROWS
    return ONE_ROW if any(each.count is not None and each.count.rows < 2 for each in sets) else ""
