"""Searches for learning rates by scores on development rows."""

from collections.abc import Callable, Iterable
from typing import Annotated

from adaptx.errors import UserError
from adaptx.specs.checked import spec
from adaptx.specs.evaluations import evaluations
from adaptx.specs.hashing import keep_hash
from adaptx.specs.kind import shown
from adaptx.specs.ranges import NotEmpty, Positive
from adaptx.specs.stage import Evaluate, Train
from adaptx.specs.training import SearchedRate

TUNING_SEEDS = (101, 102)
"""Seeds of the trainings of a search, unless a recipe names others. Reported trainings have other seeds (1, 2, 3)."""


@spec
class Trial:
    """One value that a search tries. Its score is the mean score of the evaluations, on development rows."""

    value: Positive
    evaluations: Annotated[tuple[Evaluate, ...], NotEmpty()]


@keep_hash
@spec
class Tuned(SearchedRate):
    """A learning rate that a search chooses. `TrainConfig` takes it in place of a number.

    The chosen trial is the one with the highest mean score, or the first of several such. Evaluations are scored by the
    first metric of their task.
    """

    trials: tuple[Trial, ...]

    def __post_init__(self) -> None:
        if len(set(self.grid)) < max(2, len(self.trials)):
            raise UserError(f"Tuned(grid={self.grid}): a search needs at least two values, each once")

    def __repr__(self) -> str:
        return f"Tuned(grid={shown(self.grid)})"

    @property
    def grid(self) -> tuple[float, ...]:
        return tuple(trial.value for trial in self.trials)

    @property
    def evaluations(self) -> tuple[Evaluate, ...]:
        """The evaluations of all trials, on development rows."""
        return tuple(each for trial in self.trials for each in trial.evaluations)

    @property
    def train(self) -> Train:
        """The first training of the search. The others differ from it in the searched value and in the seed."""
        train = self.trials[0].evaluations[0].model
        assert isinstance(train, Train)
        return train


def tune(
    train: Callable[[float, int], Train],
    grid: Iterable[float],
    *,
    seeds: Iterable[int] = TUNING_SEEDS,
    limit: int | None = None,
) -> float | Tuned:
    """Return a learning rate that is chosen by its score on the development rows of the trained task.

    A run carries out the trainings of the search first, and then the trainings that use the rate. The fingerprints of
    the latter depend only on the chosen number.

    Example: tune(lambda rate, seed: target(rate, seed, Pretrained()), (3e-4, 1e-3, 3e-3), limit=500)

    Args:
        train: a function from a learning rate and a seed to a training.
        grid: the learning rates to try. Give every model and method that you compare the same number of them. A single
            rate is returned without a search.
        seeds: the seeds of the search. They should differ from the seeds of reported trainings, so that no reported
            score has chosen the rate.
        limit: maximum number of development rows per language; None reads all.

    Raises:
        UserError: the grid is empty or has a value twice, `train` returns no training or the same one for two values,
            or the trained task has no development rows.
    """
    grid, seeds = tuple(grid), tuple(seeds)
    if len(grid) == 1:
        return grid[0]
    if not seeds:
        raise UserError("tune(seeds=()): give at least one seed, such as seeds=(101,)")
    trials = [(rate, [_training(train, rate, seed) for seed in seeds]) for rate in grid]
    _check_distinct_trainings(trials)
    return Tuned(tuple(Trial(rate, _on_development(trained, limit)) for rate, trained in trials))


def _training(train: Callable[[float, int], Train], rate: float, seed: int) -> Train:
    made = train(rate, seed)
    if not isinstance(made, Train):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UserError(
            f"tune(train=...): the function returned {shown(made)} for the rate {rate:g} and the seed {seed}; return a "
            "Train(...)"
        )
    return made


def _check_distinct_trainings(trials: list[tuple[float, list[Train]]]) -> None:
    every = [train for _, trained in trials for train in trained]
    if len(set(every)) < len(every):
        raise UserError(
            "tune(train=...): the function returns the same training for two rates or two seeds; pass both to its "
            "TrainConfig: TrainConfig(rate, seed=seed, ...)"
        )


def _on_development(trained: list[Train], limit: int | None) -> tuple[Evaluate, ...]:
    return tuple(
        each
        for train in trained
        for task in train.tasks
        for each in evaluations(train, task.on_development(), limit=limit)
    )
