"""The quantities of a report: single languages, averages, classes of languages, and differences between classes.

Each quantity is a weighted sum of the scores in several languages. A negative weight belongs to a language whose mean
score is subtracted.
"""

from collections.abc import Container, Mapping, Sequence

from adaptx.planning.zero_shot import equal_weights, zero_shot_weights
from adaptx.report.gains.gain import GAP, SOURCE, ZERO_SHOT
from adaptx.report.results.language_classes import language_classes
from adaptx.report.results.measured import Variant
from adaptx.specs import Evaluate

Quantities = dict[tuple[str, str], dict[str, float]]
"""(attribute, quantity) -> language -> its weight. The attribute is empty unless the quantity is about classes."""

DIFFERENCE = "difference by "
"""Begins the attribute of a difference between classes: `difference by script`."""


def zero_shot_quantities(variant: Variant, languages: Container[str]) -> dict[str, dict[str, float]]:
    """Return the `averages` over those languages of a variant that are in `languages`."""
    return averages([each.evaluate for language, each in variant.languages.items() if language in languages])


def averages(evaluates: Sequence[Evaluate]) -> dict[str, dict[str, float]]:
    """Return quantity (`ZERO_SHOT`) -> language (`de`) -> weight (0.5). A quantity without languages is left out.

    evaluates: the evaluations of one variant, one per language.
    """
    others = zero_shot_weights(evaluates)
    source = equal_weights([each.language for each in evaluates if each.language not in others])
    found = {ZERO_SHOT: others} if others else {}
    if source:
        found[SOURCE] = source
    if source and others:
        found[GAP] = source | {language: -weight for language, weight in others.items()}
    return found


def quantities(variant: Variant, languages: Container[str]) -> Quantities:
    """Return the language weights of each quantity: single languages, averages, and classes of zero-shot languages.

    Each class of an attribute, such as `Latn` of `script`, is a quantity, and so is its difference to the others.
    """
    found: Quantities = {("", language): {language: 1.0} for language in variant.languages if language in languages}
    means = zero_shot_quantities(variant, languages)
    found |= {("", quantity): weights for quantity, weights in means.items()}
    others = means.get(ZERO_SHOT, {})
    for attribute, classes in language_classes(variant.evaluate.checkpoint, others).items():
        found |= {(attribute, name): equal_weights(members) for name, members in classes.items()}
        found |= {(DIFFERENCE + attribute, name): weights for name, weights in _differences(classes).items()}
    return found


def _differences(classes: Mapping[str, Sequence[str]]) -> dict[str, dict[str, float]]:
    """Return `Latn minus Cyrl` -> the weight of each language, or for more than two classes `Latn minus the others`.

    All languages of the others have the same weight.
    """
    found: dict[str, dict[str, float]] = {}
    # With two classes, the second difference would be the first one with the opposite sign.
    for name in list(classes)[: 1 if len(classes) == 2 else len(classes)]:
        rest = [other for other in classes if other != name]
        subtracted = equal_weights([language for other in rest for language in classes[other]])
        weights = equal_weights(classes[name]) | {language: -weight for language, weight in subtracted.items()}
        found[f"{name} minus {rest[0] if len(rest) == 1 else 'the others'}"] = weights
    return found


def total_score(variant: Variant, metric: str, weights: Mapping[str, float]) -> float:
    """Return the weighted sum of a variant's scores in several languages."""
    return sum(w * variant.languages[language].scores[metric] for language, w in weights.items())
