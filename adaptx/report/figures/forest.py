"""The rows of a forest plot: a variant's gain or a contrast, with its seeds, intervals and verdict."""

from collections.abc import Sequence
from dataclasses import dataclass

from adaptx.report.gains.contrast import ContrastResult
from adaptx.report.gains.gain import SOURCE, ZERO_SHOT, Gain
from adaptx.report.results.styles import BASELINE_COLOUR, VariantStyle, VariantStyles
from adaptx.specs import Task

CONTRAST_STYLE = VariantStyle(number=0, colour=BASELINE_COLOUR, shape="D")
MOST_ROWS = 40
"""Maximum number of rows of one figure."""


@dataclass(frozen=True, kw_only=True)
class ForestRow:
    """One row of a forest plot. All values are shares.

    Attributes:
        name: the variant with its number, or the contrast.
        value: the mean over seeds.
        low, high: 95% interval for the choice of test rows and seeds; None with fewer than three seeds.
        row_low, row_high: 95% interval for the choice of test rows alone.
        by_seed: the value of each seed.
        detectable: the smallest true value that would be found in 4 of 5 experiments.
        is_undecided: whether neither a gain nor a loss is shown after Holm's correction.
    """

    name: str
    value: float
    low: float | None
    high: float | None
    row_low: float | None
    row_high: float | None
    by_seed: tuple[float, ...]
    detectable: float | None
    is_undecided: bool
    style: VariantStyle


@dataclass(frozen=True)
class ForestPanel:
    """The rows that share an axis. title: what they show, such as `nli (primary): gain in accuracy`."""

    title: str
    rows: tuple[ForestRow, ...]


def gain_panel(task: Task, gains: Sequence[Gain], styles: VariantStyles) -> ForestPanel | None:
    """Return a panel with the gains of all variants in the zero-shot average. Return None if there are none.

    If the task has no zero-shot language, the gains are those in the source languages.
    """
    of_task = [g for g in gains if (g.task, g.metric) == (task.name, task.metrics[0]) and g.gain is not None]
    for quantity in (ZERO_SHOT, SOURCE):
        found = tuple(_gain_row(gain, styles) for gain in of_task if gain.quantity == quantity)
        if found:
            is_primary = any(gain.standing == "primary" for gain in of_task if gain.quantity == quantity)
            title = f"{task.name} ({'primary' if is_primary else 'exploratory'}): gain in {task.metrics[0]}, {quantity}"
            return ForestPanel(title, found)
    return None


def contrast_panel(results: Sequence[ContrastResult], are_primary: bool) -> ForestPanel | None:
    """Return a panel with the contrasts that have a difference. Return None if there are none."""
    found = tuple(_contrast_row(result) for result in results if result.difference is not None)
    standing = "primary" if are_primary else "exploratory"
    return ForestPanel(f"contrasts ({standing}): difference of scores", found) if found else None


def pages(panels: Sequence[ForestPanel]) -> list[list[ForestPanel]]:
    """Return the panels of each figure. If a panel does not fit below the ones before it, it begins a new figure."""
    found: list[list[ForestPanel]] = []
    for panel in panels:
        for first in range(0, len(panel.rows), MOST_ROWS):
            part = ForestPanel(panel.title, panel.rows[first : first + MOST_ROWS])
            if not found or sum(len(each.rows) for each in found[-1]) + len(part.rows) > MOST_ROWS:
                found.append([])
            found[-1].append(part)
    return found


def _gain_row(gain: Gain, styles: VariantStyles) -> ForestRow:
    assert gain.gain is not None
    return ForestRow(
        name=styles.name(gain.variant),
        value=gain.gain,
        low=gain.low if gain.over_seeds else None,
        high=gain.high if gain.over_seeds else None,
        row_low=gain.row_low,
        row_high=gain.row_high,
        by_seed=gain.by_seed,
        detectable=gain.detectable,
        is_undecided=gain.sign == 0,
        style=styles[gain.variant],
    )


def _contrast_row(result: ContrastResult) -> ForestRow:
    assert result.difference is not None
    return ForestRow(
        name=result.name,
        value=result.difference,
        low=result.low if result.over_seeds else None,
        high=result.high if result.over_seeds else None,
        row_low=result.row_low,
        row_high=result.row_high,
        by_seed=result.by_seed,
        detectable=result.detectable,
        is_undecided=result.sign == 0,
        style=CONTRAST_STYLE,
    )
