"""The edits that any recipe accepts: a limit on rows, and a precision. They change the identity of every stage."""

from dataclasses import dataclass, field, replace

from adaptx.specs import (
    Evaluate,
    Fuse,
    Linear,
    Merge,
    Merged,
    ModelSpec,
    ModuleStage,
    Precision,
    Published,
    Recipe,
    Sequential,
    Stack,
    Start,
    Train,
)
from adaptx.specs.merge_rule import MergeRule


@dataclass(frozen=True)
class Edits:
    """Changes to every stage of a recipe. A field that is None changes nothing.

    limit: maximum number of training rows per task, and of evaluation rows per language.
    precision: the precision that stages compute in.
    """

    limit: int | None = None
    precision: Precision | None = None
    _known: dict[Train, Train] = field(default_factory=dict[Train, Train], repr=False, compare=False)

    def recipe(self, recipe: Recipe) -> Recipe:
        """Return the recipe with every stage edited."""
        if self.limit is None and self.precision is None:
            return recipe
        return replace(recipe, evaluations=tuple(self._evaluate(stage) for stage in recipe.evaluations))

    def module(self, stage: ModuleStage) -> ModuleStage:
        """Return a training or merge with these edits."""
        return self._merge(stage) if isinstance(stage, Merge) else self._train(stage)

    def _evaluate(self, stage: Evaluate) -> Evaluate:
        model = stage.model if isinstance(stage.model, ModelSpec) else self.module(stage.model)
        precision = self.precision or stage.precision
        return replace(stage, model=model, limit=_least(stage.limit, self.limit), precision=precision)

    def _train(self, stage: Train) -> Train:
        if stage not in self._known:
            config = replace(stage.config, precision=self.precision or stage.config.precision)
            limit = _least(stage.limit, self.limit)
            self._known[stage] = replace(stage, start=self._start(stage.start), config=config, limit=limit)
        return self._known[stage]

    def _start(self, start: Start) -> Start:
        match start:
            case Sequential(earlier):
                return Sequential(self._source(earlier))
            case Stack(stages):
                return Stack(tuple(self._source(earlier) for earlier in stages))
            case Merged(Merge() as merge):
                return Merged(self._merge(merge))
            case Fuse(stages, mixing):
                return Fuse(tuple(self._source(earlier) for earlier in stages), mixing)
            case _:
                return start

    def _source(self, source: Train | Published) -> Train | Published:
        return self._train(source) if isinstance(source, Train) else source

    def _merge(self, stage: Merge) -> Merge:
        return replace(stage, stages=tuple(map(self._train, stage.stages)), rule=self._rule(stage.rule))

    def _rule(self, rule: MergeRule) -> MergeRule:
        """Return the merge rule. If it searches for its weights, `limit` applies to the rows that the search reads."""
        search = rule.search
        if search is None:
            return rule
        return Linear(replace(search, limit=_least(search.limit, self.limit)))


def _least(own: int | None, given: int | None) -> int | None:
    limits = [limit for limit in (own, given) if limit is not None]
    return min(limits) if limits else None
