"""The searches for learning rates: a table of development scores, and what a reader should know about the choices."""

import dataclasses
from collections.abc import Sequence
from statistics import mean

from adaptx.planning.plan import Plan
from adaptx.planning.tuning import Tuning
from adaptx.report.tables.cells import NOTHING, percent
from adaptx.report.tables.table import Column, Table, TableCell
from adaptx.specs import Evaluate, Train, Trial

CHOSEN = "chosen"
NOT_COMPARED = ("learning_rate", "head_learning_rate", "seed")
"""Settings that differ within a search, and so do not tell two searches apart."""


@dataclasses.dataclass(frozen=True)
class RateCurve:
    """The development scores of one search, from small to large learning rates. Scores are shares.

    Attributes:
        name: the trainings for which the rate is searched.
        points: (rate, mean score, score of each seed). A score is None if a training is not stored.
        chosen: the chosen rate; None before all scores are stored.
    """

    name: str
    points: tuple[tuple[float, float | None, tuple[float | None, ...]], ...]
    chosen: float | None


def rate_curves(plan: Plan) -> list[RateCurve]:
    """Return the curve of each search of a plan."""
    return [
        RateCurve(
            name,
            tuple(
                (trial.value, score, tuple(_seed_means(trial, scores)))
                for trial, scores, score in sorted(
                    zip(tuning.tuned.trials, tuning.scores, tuning.means, strict=True), key=lambda each: each[0].value
                )
            ),
            tuning.chosen,
        )
        for tuning, name in zip(plan.tunings, _names(plan.tunings), strict=True)
    ]


def tuning_table(plan: Plan) -> Table | None:
    """Return a table with one row per searched learning rate, from small to large. Return None without a search."""
    if not plan.tunings:
        return None
    columns = (
        Column("trainings", True),
        Column("learning rate"),
        Column("development score, %"),
        Column("by seed, %", True),
        Column("choice", True),
    )
    rows = [row for tuning, name in zip(plan.tunings, _names(plan.tunings), strict=True) for row in _rows(tuning, name)]
    return Table("Learning rates on development rows", columns, tuple(rows), _caption(plan.tunings))


def tuning_warnings(plan: Plan) -> list[str]:
    """Return a sentence about searches of unequal size, and one about choices at the edge of their grids."""
    sizes = {(len(tuning.tuned.grid), len(tuning.tuned.trials[0].evaluations)) for tuning in plan.tunings}
    unequal = [
        "The searches for learning rates are not equally large: some models or methods had more values or more "
        "trainings to choose from than others, which favours them."
    ]
    edges = [
        f"{name} ({tuning.chosen:g})"
        for tuning, name in zip(plan.tunings, _names(plan.tunings), strict=True)
        if tuning.chosen is not None and tuning.is_at_edge
    ]
    at_edge = [
        f"The chosen learning rate is the smallest or the largest value that was tried: {', '.join(edges)}. A rate "
        "outside the grid may be better."
    ]
    return [*(unequal if len(sizes) > 1 else []), *(at_edge if edges else [])]


def _rows(tuning: Tuning, name: str) -> list[tuple[TableCell, ...]]:
    trials = sorted(zip(tuning.tuned.trials, tuning.scores, tuning.means, strict=True), key=lambda each: each[0].value)
    return [
        (
            TableCell(name if place == 0 else ""),
            TableCell(f"{trial.value:g}"),
            TableCell(percent(score)),
            TableCell(", ".join(_by_seed(trial, scores))),
            TableCell(CHOSEN if trial.value == tuning.chosen else ""),
        )
        for place, (trial, scores, score) in enumerate(trials)
    ]


def _by_seed(trial: Trial, scores: Sequence[float | None]) -> list[str]:
    return [percent(score) if score is not None else NOTHING for score in _seed_means(trial, scores)]


def _seed_means(trial: Trial, scores: Sequence[float | None]) -> list[float | None]:
    """Return the mean score of each seed of a trial, in order; None for a seed without all of its scores."""
    found: dict[int, list[float | None]] = {}
    for evaluate, score in zip(trial.evaluations, scores, strict=True):
        found.setdefault(_training(evaluate).config.seed, []).append(score)
    known = [[score for score in each if score is not None] for each in found.values()]
    whole = zip(known, found.values(), strict=True)
    return [mean(some) if len(some) == len(every) else None for some, every in whole]


def _caption(tunings: Sequence[Tuning]) -> str:
    tasks = [each.task for tuning in tunings for each in tuning.tuned.trials[0].evaluations]
    metrics = " or ".join(dict.fromkeys(task.metrics[0] for task in tasks))
    sets = ", ".join(dict.fromkeys(task.name.removesuffix("-development") for task in tasks))
    seeds = dict.fromkeys(
        _training(each).config.seed for tuning in tunings for each in tuning.tuned.trials[0].evaluations
    )
    given = f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
    return (
        f"Mean {metrics} on the development rows of {sets}, which are in the source languages, over trainings with the "
        f"{given}. No score of another table was used to choose a rate."
    )


def _names(tunings: Sequence[Tuning]) -> list[str]:
    """Return a name per search. If two searches have the same name, the settings that differ follow it."""
    every = [tuning.name for tuning in tunings]
    return [
        " · ".join([name, *_differing(tuning, [other for other in tunings if other.name == name])])
        for tuning, name in zip(tunings, every, strict=True)
    ]


def _differing(tuning: Tuning, namesakes: Sequence[Tuning]) -> list[str]:
    configs = [other.tuned.train.config for other in namesakes]
    own = tuning.tuned.train.config
    fields = (field.name for field in dataclasses.fields(own) if field.name not in NOT_COMPARED)
    return [f"{field} {getattr(own, field)}" for field in fields if len({getattr(each, field) for each in configs}) > 1]


def _training(evaluate: Evaluate) -> Train:
    assert isinstance(evaluate.model, Train)
    return evaluate.model
