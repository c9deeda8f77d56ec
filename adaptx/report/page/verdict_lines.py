"""One line per task or primary contrast for the end of a run: what gained, by the same verdicts as the report."""

from collections.abc import Sequence

from adaptx.planning.plan import Plan
from adaptx.report.gains.contrast import ContrastResult
from adaptx.report.gains.contrasts import contrast_results
from adaptx.report.gains.gain import SOURCE, ZERO_SHOT, Gain
from adaptx.report.gains.gains import compute_gains
from adaptx.report.page.answer import answering, named, verdict_counts
from adaptx.report.results.measured import measure
from adaptx.report.tables.cells import interval_text
from adaptx.specs import Task
from adaptx.store.store import Store

VERDICTS = {1: "a gain", -1: "a loss", 0: "undecided"}


def verdict_lines(plan: Plan, store: Store) -> list[str]:
    """Return a line for each primary contrast or, if the recipe declares no contrasts as primary, for each task.

    A smoke run draws no conclusion, so it has no lines.
    """
    recipe = plan.recipe
    if recipe.smoke:
        return []
    measurements = measure(plan, store)
    if recipe.primary_comparisons == "contrasts":
        return [_contrast_line(result) for result in contrast_results(recipe.contrasts, measurements)]
    gains = compute_gains(measurements, primary=recipe.primary_comparisons)
    quantities = [recipe.primary_comparisons] if recipe.primary_comparisons is not None else [ZERO_SHOT, SOURCE]
    found = (task_line(task, gains, quantities) for task in measurements.tasks)
    return [line for line in found if line is not None]


def task_line(task: Task, gains: Sequence[Gain], quantities: Sequence[str]) -> str | None:
    """Return how many variants of a task gain and lose in the first of the quantities that was tested, and the best.

    The task's name is marked as exploratory if the recipe does not declare the comparison. Return None if no variant
    was compared with a baseline.
    """
    for quantity in quantities:
        compared = [gain for gain in answering(task, gains) if gain.quantity == quantity]
        if compared:
            best = max(compared, key=lambda gain: (gain.sign, gain.gain or 0.0))
            shown = interval_text(best.gain or 0.0, best.corrected_low, best.corrected_high)
            return (
                f"{named(task, compared)}, {quantity}: {verdict_counts(compared)}; best: {shown} points of "
                f"{best.metric} with {best.variant}"
            )
    return None


def _contrast_line(result: ContrastResult) -> str:
    if result.difference is None or result.holm_p is None:
        return f"{result.name}: {result.note or 'not tested'}"
    shown = interval_text(result.difference, result.corrected_low, result.corrected_high)
    return f"{result.name}: {VERDICTS[result.sign]}, {shown} points of {result.metric}"
