"""The quantities of a report: single languages, averages over languages, and classes of languages.

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
"""(attribute, quantity) -> language -> its weight. The attribute is empty unless the quantity is a language class."""


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
    """Return the language weights of each quantity: single languages, averages, classes of zero-shot languages."""
    found: Quantities = {("", language): {language: 1.0} for language in variant.languages if language in languages}
    means = zero_shot_quantities(variant, languages)
    found |= {("", quantity): weights for quantity, weights in means.items()}
    others = means.get(ZERO_SHOT, {})
    for attribute, classes in language_classes(variant.evaluate.checkpoint, others).items():
        found |= {(attribute, name): equal_weights(members) for name, members in classes.items()}
    return found


def total_score(variant: Variant, metric: str, weights: Mapping[str, float]) -> float:
    """Return the weighted sum of a variant's scores in several languages."""
    return sum(w * variant.languages[language].scores[metric] for language, w in weights.items())
