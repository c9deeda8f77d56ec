"""The variants that a plan will measure, with their labels, whether or not anything is stored."""

from collections.abc import Mapping
from dataclasses import dataclass

from adaptx.planning.naming import UNTRAINED, Factors, factors
from adaptx.planning.plan import Plan
from adaptx.report.results.variants import variant_labels
from adaptx.specs import Evaluate, ModelSpec, Task


@dataclass(frozen=True, eq=False)
class Labels:
    """The labels of the variants that a recipe evaluates.

    Attributes:
        variants: evaluation -> label of its variant, in the recipe's order.
        models: evaluation -> fingerprint of the evaluated module; `none` for a bare checkpoint.
    """

    variants: Mapping[Evaluate, str]
    models: Mapping[Evaluate, str]


@dataclass(frozen=True, eq=False, kw_only=True)
class PlannedVariant:
    """One model, trained with one set of seeds, and its evaluations on one task: language -> evaluation."""

    label: str
    task: Task
    factors: Factors
    languages: Mapping[str, Evaluate]

    @property
    def evaluate(self) -> Evaluate:
        """The first of the evaluations, all of which have the same model, framing and precision."""
        return next(iter(self.languages.values()))


def labels(plan: Plan) -> Labels:
    """Return the labels of a recipe's evaluations."""
    evaluates = tuple(dict.fromkeys(plan.recipe.evaluations))
    models = {
        evaluate: UNTRAINED if isinstance(evaluate.model, ModelSpec) else plan.fingerprint_of(evaluate.model)
        for evaluate in evaluates
    }
    found = variant_labels(evaluates, models)
    return Labels({evaluate: found[evaluate] for evaluate in evaluates}, models)


def planned_variants(plan: Plan) -> dict[str, tuple[PlannedVariant, ...]]:
    """Return the variants of each task, by the task's name, with a separate variant for each seed."""
    known = labels(plan)
    found: dict[str, dict[tuple[str, str], dict[str, Evaluate]]] = {}
    for evaluate, label in known.variants.items():
        of_task = found.setdefault(evaluate.task.name, {})
        of_task.setdefault((label, known.models[evaluate]), {})[evaluate.language] = evaluate
    return {
        task: tuple(_variant(label, languages) for (label, _), languages in of_task.items())
        for task, of_task in found.items()
    }


def _variant(label: str, languages: Mapping[str, Evaluate]) -> PlannedVariant:
    first = next(iter(languages.values()))
    return PlannedVariant(label=label, task=first.task, factors=factors(first), languages=languages)
