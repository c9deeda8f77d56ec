"""The searches for learning rates in a recipe: their trainings, their scores, and the rates that they chose."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from statistics import mean

from adaptx.planning.naming import module_name
from adaptx.planning.rewriting import Rewriter
from adaptx.specs import Evaluate, ModelSpec, ModuleStage, Train, Trial, Tuned

ScoreOf = Callable[[Evaluate], float | None]
"""Function from an evaluation on development rows to its score, or None if it is not stored."""


@dataclass(frozen=True, eq=False)
class Tuning:
    """One search for a learning rate in a plan.

    Attributes:
        tuned: the search. The rates that earlier searches chose are already in it.
        scores: for each trial, the score of each of its evaluations; None if it is not stored.
    """

    tuned: Tuned
    scores: tuple[tuple[float | None, ...], ...]

    def __repr__(self) -> str:
        return f"<Tuning of {self.name}: {'not chosen yet' if self.chosen is None else f'{self.chosen:g}'}>"

    @property
    def name(self) -> str:
        """The name of the trainings, such as `e5-mini.nli.lora-r8`."""
        return module_name(self.tuned.train)

    @cached_property
    def means(self) -> tuple[float | None, ...]:
        """The mean development score of each learning rate; None for a rate with a score that is not stored."""
        known = [[score for score in scores if score is not None] for scores in self.scores]
        whole = zip(known, self.scores, strict=True)
        return tuple(mean(found) if len(found) == len(scores) else None for found, scores in whole)

    @property
    def chosen(self) -> float | None:
        """The learning rate with the highest mean, or the first of several such; None until all means are known."""
        means = [score for score in self.means if score is not None]
        return self.tuned.grid[means.index(max(means))] if len(means) == len(self.means) else None

    @property
    def is_at_edge(self) -> bool:
        """Whether the smallest or largest rate of the grid was chosen, so that a rate beyond it may be better."""
        return self.chosen in (min(self.tuned.grid), max(self.tuned.grid))


class Choices(Rewriter):
    """A copier of stages that replaces each search with a number: the chosen rate or, before the choice, the grid's
    middle.
    """

    def __init__(self, chosen: Mapping[Tuned, float]) -> None:
        super().__init__()
        self._chosen = chosen
        self._made: dict[ModuleStage, bool] = {}

    def rate(self, tuned: Tuned) -> float:
        return self._chosen.get(tuned, sorted(tuned.grid)[len(tuned.grid) // 2])

    def all_made(self, stage: Evaluate | ModuleStage) -> bool:
        """Return whether all searches that a stage depends on have chosen a rate."""
        model = stage.model if isinstance(stage, Evaluate) else stage
        if isinstance(model, ModelSpec):
            return True
        if model not in self._made:
            own = all(tuned in self._chosen for tuned in _own(model))
            self._made[model] = own and all(map(self.all_made, model.inputs))
        return self._made[model]


def searches(stages: Iterable[Evaluate | ModuleStage]) -> list[Tuned]:
    """Return the searches for learning rates that stages depend on. A search comes after those it depends on."""
    found: dict[Tuned, None] = {}
    seen: set[ModuleStage] = set()

    def visit(stage: ModuleStage) -> None:
        if stage in seen:
            return
        seen.add(stage)
        for earlier in stage.inputs:
            visit(earlier)
        for tuned in _own(stage):
            for model in _models(tuned.evaluations):
                visit(model)
            found[tuned] = None

    for model in _models(stages):
        visit(model)
    return list(found)


def choose(stages: Iterable[Evaluate], score_of: ScoreOf) -> tuple[dict[Tuned, float], tuple[Tuning, ...]]:
    """Return the rate that each finished search chose, and all searches whose trainings can run.

    A search whose trainings wait for another search is in neither result. score_of: returns a stored score, or None.
    """
    chosen: dict[Tuned, float] = {}
    found: list[Tuning] = []
    for tuned in searches(stages):
        choices = Choices(chosen)
        if all(map(choices.all_made, tuned.evaluations)):
            trials = [Trial(trial.value, tuple(map(choices.evaluate, trial.evaluations))) for trial in tuned.trials]
            scores = tuple(tuple(map(score_of, trial.evaluations)) for trial in trials)
            tuning = Tuning(Tuned(tuple(trials)), scores)
            found.append(tuning)
            if tuning.chosen is not None:
                chosen[tuned] = tuning.chosen
    return chosen, tuple(found)


def _own(stage: ModuleStage) -> Iterator[Tuned]:
    if isinstance(stage, Train):
        rates = stage.config.learning_rate, stage.config.head_learning_rate
        yield from (rate for rate in rates if isinstance(rate, Tuned))


def _models(stages: Iterable[Evaluate | ModuleStage]) -> Iterator[ModuleStage]:
    for stage in stages:
        model = stage.model if isinstance(stage, Evaluate) else stage
        if not isinstance(model, ModelSpec):
            yield model
