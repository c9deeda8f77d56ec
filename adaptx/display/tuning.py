"""The searches for learning rates as lines of text and as JSON, and the work that waits for them."""

from collections.abc import Mapping
from typing import Any

from adaptx.costs.stages import Cost
from adaptx.display.durations import duration
from adaptx.planning.plan import Plan
from adaptx.planning.tuning import Tuning


def tuning_lines(plan: Plan) -> list[str]:
    """Return a line for each chosen learning rate, with the mean development scores of all rates that were tried."""
    return [_line(tuning) for tuning in plan.tunings if tuning.chosen is not None]


def later_line(plan: Plan, costs: Mapping[str, Cost | None]) -> str | None:
    """Return a line with the work that begins once learning rates are chosen, or None if there is none."""
    if not plan.later:
        return None
    trainings, merges, evaluations = _counts(plan)
    merged = f"{merges} merges, " if merges else ""
    return (
        f"after tuning: {trainings} more trainings, {merged}{evaluations} more evaluations; about "
        f"{duration(_seconds(plan, costs))} more"
    )


def tuning_json(plan: Plan, costs: Mapping[str, Cost | None]) -> dict[str, Any]:
    """Return the searches with their mean scores, and the number and the time of the stages that wait for them."""
    trainings, merges, evaluations = _counts(plan)
    return {
        "searches": [
            {
                "name": tuning.name,
                "scores": [
                    {"value": value, "score": score}
                    for value, score in zip(tuning.tuned.grid, tuning.means, strict=True)
                ],
                "chosen": tuning.chosen,
            }
            for tuning in plan.tunings
        ],
        "later": {
            "trainings": trainings,
            "merges": merges,
            "evaluations": evaluations,
            "seconds": _seconds(plan, costs),
        },
    }


def _line(tuning: Tuning) -> str:
    means = zip(tuning.tuned.grid, tuning.means, strict=True)
    scores = ", ".join(f"{value:g}: {100 * (score or 0):.1f}" for value, score in means)
    edge = "; it is at the edge of the grid, so a wider grid may hold a better one" if tuning.is_at_edge else ""
    return f"tuned: {tuning.name} has the learning rate {tuning.chosen:g} (development scores: {scores}){edge}"


def _counts(plan: Plan) -> tuple[int, int, int]:
    kinds = [node.kind for node in plan.later]
    return kinds.count("train"), kinds.count("merge"), kinds.count("evaluate")


def _seconds(plan: Plan, costs: Mapping[str, Cost | None]) -> float:
    return sum(known.seconds for node in plan.later if (known := costs[node.fingerprint]) is not None)
