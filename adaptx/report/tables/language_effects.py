"""Attributes associated with the gain in a language: distance from English, script, resources, pretraining.

Each task has one regression, over all variants and zero-shot languages.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from adaptx.catalog.language_facts import LOW_RESOURCE, language_facts
from adaptx.catalog.pretraining import seen_in_pretraining
from adaptx.report.gains.gain import ALPHA, ZERO_SHOT, Gain
from adaptx.report.gains.quantities import zero_shot_quantities
from adaptx.report.results.measured import Measurements
from adaptx.report.statistics.holm import holm
from adaptx.report.statistics.mixed_regression import Effect, Regression, mixed_regression
from adaptx.report.tables.cells import interval_text, p_equals, p_text, percent
from adaptx.report.tables.table import Column, Table, TableCell
from adaptx.specs import ModelSpec, Task

DISTANCE_UNIT = 0.1
LEAST_LANGUAGES = 12
"""Minimum number of languages for a verdict. With fewer, one or two languages decide about an attribute."""
PREDICTORS = {
    "distance": f"for each {DISTANCE_UNIT} of syntactic distance from English",
    "other script": "in languages that are not written in Latin script",
    "low resource": f"in low-resource languages (classes {LOW_RESOURCE[0]} to {LOW_RESOURCE[-1]} of Joshi et al. 2020)",
    "unseen": "in languages that the checkpoint's pretraining did not include",
}
"""Predictor -> the words for it in a sentence. The values of all predictors except the distance are 0 or 1."""


@dataclass(frozen=True)
class _Observation:
    """A variant's gain in one language. facts: predictor, such as `unseen` -> its value, such as 1.0, or None if
    unknown.
    """

    gain: float
    variant: str
    language: str
    facts: dict[str, float | None]


def language_regression(measurements: Measurements, task: Task, gains: Sequence[Gain]) -> Regression | None:
    """Regress the gains in zero-shot languages on attributes of these languages, for the task's first metric.

    A predictor is left out if it is unknown for some language. Return None if there are too few languages.
    """
    observations = _observations(measurements, task, gains)
    known = [name for name in PREDICTORS if all(each.facts[name] is not None for each in observations)]
    return mixed_regression(
        [each.gain for each in observations],
        {name: [each.facts[name] or 0.0 for each in observations] for name in known},
        [each.language for each in observations],
        [each.variant for each in observations],
    )


def language_effects_table(task: Task, found: Regression) -> Table:
    """Return a table of the regression's coefficients in percentage points; its caption says how to read them."""
    columns = (Column("change of the gain", True), Column("points [95%]"), Column("p"), Column("p, Holm"))
    rows = tuple(
        (
            TableCell(PREDICTORS[effect.name]),
            TableCell(interval_text(effect.estimate, effect.low, effect.high), sign, sign == 0),
            TableCell(p_text(effect.p)),
            TableCell(p_text(holm_p)),
        )
        for effect, holm_p, sign in _corrected(found)
    )
    caption = (
        f"Regression: {found.method}, with one coefficient per variant, over {found.observations} gains in "
        f"{found.groups} languages. These are associations, not causes: attributes of languages are correlated "
        "(languages far from English often have other scripts and less data), and no experiment varied them. One "
        "coefficient stands for all variants, which may differ. Bold: p below 0.05 after Holm's correction for the "
        f"attributes, with at least {LEAST_LANGUAGES} languages."
    )
    if found.left_out:
        caption += f" Left out, because constant or determined by other attributes: {', '.join(found.left_out)}."
    return Table(f"{task.name} · language attributes and gain", columns, rows, caption)


def language_effects_sentence(task: Task, found: Regression) -> str:
    """Return a sentence that names the effects with a corrected p below 0.05, or says why it names none."""
    if found.groups < LEAST_LANGUAGES:
        return (
            f"{task.name}: {found.groups} languages are too few to tell which attributes go with the gain; "
            f"{LEAST_LANGUAGES} are needed."
        )
    clear = [(effect, holm_p) for effect, holm_p, sign in _corrected(found) if sign]
    if not clear:
        names = ", ".join(effect.name for effect in found.effects)
        return (
            f"{task.name}: over {found.groups} languages, no attribute ({names}) is clearly associated with the gain."
        )
    said = "; ".join(
        f"{PREDICTORS[effect.name]} the gain is {'larger' if effect.estimate > 0 else 'smaller'} by "
        f"{_magnitude(effect)} points ({p_equals(holm_p)} after Holm's correction)"
        for effect, holm_p in clear
    )
    return f"{task.name}: {said}."


def _observations(measurements: Measurements, task: Task, gains: Sequence[Gain]) -> list[_Observation]:
    of_task = {
        (g.variant, g.quantity): g.gain
        for g in gains
        if (g.task, g.metric) == (task.name, task.metrics[0]) and g.is_language and g.gain is not None
    }
    variants = {variant.label: variant for variant in measurements.variants(task.name)}
    found: list[_Observation] = []
    for (label, language), gain in of_task.items():
        variant = variants[label]
        if language in zero_shot_quantities(variant, variant.languages).get(ZERO_SHOT, {}):
            found.append(_Observation(gain, label, language, _facts(variant.evaluate.checkpoint, language)))
    return found


def _facts(model: ModelSpec, language: str) -> dict[str, float | None]:
    facts, seen = language_facts(language), seen_in_pretraining(model, language)
    return {
        "distance": None if facts.syntactic_distance is None else facts.syntactic_distance / DISTANCE_UNIT,
        "other script": None if facts.script is None else float(facts.script != "Latn"),
        "low resource": None if facts.joshi_class is None else float(facts.joshi_class in LOW_RESOURCE),
        "unseen": None if seen is None else float(not seen),
    }


def _corrected(found: Regression) -> list[tuple[Effect, float, int]]:
    """Return each effect with its corrected p and its verdict: 1 or -1 if the gain rises or falls, 0 if undecided."""
    corrected = holm([effect.p for effect in found.effects])
    clear = [found.groups >= LEAST_LANGUAGES and p < ALPHA for p in corrected]
    signs = [(1 if effect.estimate > 0 else -1) * shown for effect, shown in zip(found.effects, clear, strict=True)]
    return list(zip(found.effects, corrected, signs, strict=True))


def _magnitude(effect: Effect) -> str:
    """Return an effect's size without its sign, as in `1.2 [0.4, 2.0]`, because the sentence states the direction."""
    low, high = sorted((abs(effect.low), abs(effect.high)))
    return f"{percent(abs(effect.estimate))} [{percent(low)}, {percent(high)}]"
