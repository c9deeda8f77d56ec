"""The contrasts that a recipe declares, as designs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from adaptx.planning.contrasts import compared_languages, compared_seeds
from adaptx.planning.naming import factors
from adaptx.planning.plan import Plan
from adaptx.report.power.design import Design, ScoredSet
from adaptx.report.power.planned_gains import Count, unusable
from adaptx.report.results.planned import labels
from adaptx.specs import Contrast, Evaluate

CONTRAST = "contrast"
Block = tuple[str, str, tuple[str, ...], tuple[int, ...]]
"""(task, checkpoint, languages, seeds): models that share these are pooled, as in `adaptx.report.gains.contrasts`."""


@dataclass(frozen=True, kw_only=True)
class PlannedArm:
    """One variant of a contrast on one task, with its weight. languages: language -> the evaluation of any one seed."""

    label: str
    task: str
    model: str
    weight: float
    languages: dict[str, Evaluate]
    seeds: tuple[int, ...]

    @property
    def block(self) -> Block:
        return self.task, self.model, tuple(self.languages), self.seeds


def contrast_designs(plan: Plan, count: Count) -> list[Design]:
    """Return the design of each contrast of the plan's recipe. All contrasts are one family."""
    known = labels(plan).variants
    arms = [(contrast, _arms(contrast, known)) for contrast in plan.recipe.contrasts]
    pool: dict[Block, set[str]] = {}
    for _, every in arms:
        for arm in every:
            pool.setdefault(arm.block, set()).add(arm.label)
    return [_design(contrast, every, pool, count) for contrast, every in arms]


def _arms(contrast: Contrast, known: Mapping[Evaluate, str]) -> list[PlannedArm]:
    """Return the arms of all terms. If several terms have the same variant in the same languages, it is one arm."""
    seeds = compared_seeds([term.evaluations for term in contrast.terms]) or (0,)
    found: dict[tuple[str, str, tuple[str, ...]], PlannedArm] = {}
    for term, languages in zip(contrast.terms, compared_languages(contrast), strict=True):
        variants: dict[tuple[str, str], list[Evaluate]] = {}
        for evaluate in term.evaluations:
            name = f"{factors(evaluate).model} {known[evaluate]}"
            variants.setdefault((evaluate.task.name, name), []).append(evaluate)
        for (task, name), same in variants.items():
            scored = {each.language: each for each in same}
            key = (task, name, languages[task])
            earlier = found[key].weight if key in found else 0.0
            found[key] = PlannedArm(
                label=name,
                task=task,
                model=factors(same[0]).model,
                weight=earlier + term.weight / len(variants),
                languages={language: scored[language] for language in languages[task]},
                seeds=seeds,
            )
    return list(found.values())


def _design(contrast: Contrast, arms: list[PlannedArm], pool: dict[Block, set[str]], count: Count) -> Design:
    sets = tuple(_sets(arms, count))
    seeds = len(arms[0].seeds)
    blocks = {arm.block for arm in arms}
    tasks = dict.fromkeys(each.evaluate.task for each in sets)
    return Design(
        comparison=contrast.name,
        task=" + ".join(task.name for task in tasks),
        metric=" + ".join(dict.fromkeys(task.metrics[0] for task in tasks)),
        quantity=CONTRAST,
        family=CONTRAST,
        languages=tuple(dict.fromkeys(each.evaluate.language for each in sets)),
        sets=sets,
        seeds=seeds,
        weights=tuple(arm.weight for arm in arms),
        arms=(seeds,),
        # Models of several tasks or checkpoints are not pooled: the contrast's own variance over seeds is used.
        blocks=len(pool[blocks.pop()]) if len(blocks) == 1 else 0,
        note=unusable(sets),
    )


def _sets(arms: list[PlannedArm], count: Count) -> Iterable[ScoredSet]:
    weights: dict[tuple[str, str], list[float]] = {}
    evaluated: dict[tuple[str, str], Evaluate] = {}
    for arm in arms:
        for language, evaluate in arm.languages.items():
            weights.setdefault((arm.task, language), []).append(arm.weight / len(arm.languages))
            evaluated.setdefault((arm.task, language), evaluate)
    for key, each in weights.items():
        squares = sum(weight * weight for weight in each)
        evaluate = evaluated[key]
        yield ScoredSet(evaluate=evaluate, total=sum(each), squares=squares, count=count(evaluate))
