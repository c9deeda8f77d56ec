"""Copy a recipe's stages with other settings."""

from dataclasses import replace

from adaptx.specs import (
    Contrast,
    Evaluate,
    Fuse,
    Merge,
    Merged,
    ModelSpec,
    ModuleStage,
    Published,
    Recipe,
    Sequential,
    Stack,
    Start,
    Term,
    Train,
    TrainConfig,
    Tuned,
)
from adaptx.specs.merge_rule import MergeRule


class Rewriter:
    """A copier of a recipe's stages. By itself, it changes nothing; subclasses override `changed` and `rate`."""

    def __init__(self) -> None:
        self._known: dict[Train, Train] = {}
        self._rates: dict[Tuned, float | Tuned] = {}

    def changed(self, train: Train) -> Train:
        """Return a training with other settings. Its start and its learning rates have already been replaced."""
        return train

    def changed_rule(self, rule: MergeRule) -> MergeRule:
        return rule

    def rate(self, tuned: Tuned) -> float | Tuned:
        """Return the learning rate of the copy: a number in place of the search, or the search with other stages."""
        return tuned

    def recipe(self, recipe: Recipe) -> Recipe:
        """Return a copy of the recipe with copies of all its stages."""
        again = {each: self.evaluate(each) for each in dict.fromkeys(recipe.evaluations)}
        contrasts = tuple(
            Contrast(
                contrast.name,
                tuple(
                    Term(term.weight, tuple(again[each] for each in term.evaluations), term.languages)
                    for term in contrast.terms
                ),
            )
            for contrast in recipe.contrasts
        )
        evaluations = tuple(again[each] for each in recipe.evaluations)
        return replace(recipe, evaluations=evaluations, contrasts=contrasts)

    def evaluate(self, stage: Evaluate) -> Evaluate:
        return stage if isinstance(stage.model, ModelSpec) else replace(stage, model=self.module(stage.model))

    def module(self, stage: ModuleStage) -> ModuleStage:
        return self._merge(stage) if isinstance(stage, Merge) else self._train(stage)

    def _train(self, stage: Train) -> Train:
        if stage not in self._known:
            again = replace(stage, start=self._start(stage.start), config=self._config(stage.config))
            self._known[stage] = self.changed(again)
        return self._known[stage]

    def _config(self, config: TrainConfig) -> TrainConfig:
        rate, of_head = config.learning_rate, config.head_learning_rate
        if isinstance(rate, Tuned):
            config = replace(config, learning_rate=self._rate(rate))
        if isinstance(of_head, Tuned):
            config = replace(config, head_learning_rate=self._rate(of_head))
        return config

    def _rate(self, tuned: Tuned) -> float | Tuned:
        if tuned not in self._rates:
            self._rates[tuned] = self.rate(tuned)
        return self._rates[tuned]

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
        return replace(stage, stages=tuple(map(self._train, stage.stages)), rule=self.changed_rule(stage.rule))
