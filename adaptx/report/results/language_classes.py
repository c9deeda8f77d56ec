"""Classes of zero-shot languages: by family, script, resources, distance from English, and presence in pretraining."""

from collections.abc import Callable, Iterable

from adaptx.catalog.language_facts import HIGH_RESOURCE, LOW_RESOURCE, language_facts
from adaptx.catalog.languages import find_language
from adaptx.catalog.pretraining import seen_in_pretraining
from adaptx.specs import ModelSpec

NEAR, FAR = 0.25, 0.4
"""Syntactic distances from English: German, Russian and Spanish are nearer than the first, Turkish is farther than the
second."""
SEEN, UNSEEN = "seen", "unseen"

Classify = Callable[[ModelSpec, str], str | None]
"""(checkpoint, language code) -> name of the language's class; None if unknown."""


def family(_model: ModelSpec, language: str) -> str | None:
    found = find_language(language)
    return found.family if found else None


def script(_model: ModelSpec, language: str) -> str | None:
    return language_facts(language).script


def resources(_model: ModelSpec, language: str) -> str | None:
    joshi = language_facts(language).joshi_class
    if joshi is None:
        return None
    return (
        f"low (class {LOW_RESOURCE[0]} to {LOW_RESOURCE[-1]})"
        if joshi in LOW_RESOURCE
        else (f"high (class {HIGH_RESOURCE[0]} to {HIGH_RESOURCE[-1]})")
    )


def distance(_model: ModelSpec, language: str) -> str | None:
    found = language_facts(language).syntactic_distance
    if found is None:
        return None
    return (
        f"near (below {NEAR})"
        if found < NEAR
        else f"far (above {FAR})"
        if found > FAR
        else f"between ({NEAR} to {FAR})"
    )


def pretraining(model: ModelSpec, language: str) -> str | None:
    seen = seen_in_pretraining(model, language)
    return None if seen is None else SEEN if seen else UNSEEN


ATTRIBUTES: dict[str, Classify] = {
    "family": family,
    "script": script,
    "resources": resources,
    "distance from English": distance,
    "pretraining": pretraining,
}
"""Attribute -> the function that classifies a language."""


def language_classes(model: ModelSpec, languages: Iterable[str]) -> dict[str, dict[str, list[str]]]:
    """Return attribute (`script`) -> class (`Latn`) -> its languages. Attributes with a single class are left out."""
    found: dict[str, dict[str, list[str]]] = {}
    for attribute, classify in ATTRIBUTES.items():
        classes: dict[str, list[str]] = {}
        for language in languages:
            name = classify(model, language)
            if name is not None:
                classes.setdefault(name, []).append(language)
        if len(classes) > 1:
            found[attribute] = dict(sorted(classes.items()))
    return found
