"""The edits that any recipe accepts: a limit on the rows that are read, and a precision."""

from dataclasses import replace

from adaptx.planning.rewriting import Rewriter
from adaptx.specs import Evaluate, Linear, Precision, Recipe, Train, Trial, Tuned
from adaptx.specs.merge_rule import MergeRule


class Edits(Rewriter):
    """Changes to every stage of a recipe. A field that is None changes nothing.

    limit: maximum number of training rows per task, and of evaluation rows per language.
    precision: the precision that stages compute in.
    """

    def __init__(self, limit: int | None = None, precision: Precision | None = None) -> None:
        super().__init__()
        self.limit, self.precision = limit, precision

    def recipe(self, recipe: Recipe) -> Recipe:
        if self.limit is None and self.precision is None:
            return recipe
        return super().recipe(recipe)

    def evaluate(self, stage: Evaluate) -> Evaluate:
        precision = self.precision or stage.precision
        return replace(super().evaluate(stage), limit=_least(stage.limit, self.limit), precision=precision)

    def changed(self, train: Train) -> Train:
        config = replace(train.config, precision=self.precision or train.config.precision)
        return replace(train, config=config, limit=_least(train.limit, self.limit))

    def changed_rule(self, rule: MergeRule) -> MergeRule:
        # A search for merge weights reads rows, so the limit applies to it too.
        search = rule.search
        return rule if search is None else Linear(replace(search, limit=_least(search.limit, self.limit)))

    def rate(self, tuned: Tuned) -> Tuned:
        """Return the search for a learning rate, with its trainings and evaluations edited."""
        return Tuned(tuple(Trial(trial.value, tuple(map(self.evaluate, trial.evaluations))) for trial in tuned.trials))


def _least(own: int | None, given: int | None) -> int | None:
    limits = [limit for limit in (own, given) if limit is not None]
    return min(limits) if limits else None
