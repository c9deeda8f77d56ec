"""What goes with a language's gain: distance from English, script, resources, pretraining; one regression a task."""

from collections.abc import Sequence
from dataclasses import dataclass

from adaptx.catalog.language_facts import LOW_RESOURCE, language_facts
from adaptx.catalog.pretraining import seen_in_pretraining
from adaptx.report.cells import interval_text, p_equals, p_text, percent
from adaptx.report.gains import ZERO_SHOT, Gain, zero_shot_quantities
from adaptx.report.measured import Measurements
from adaptx.report.statistics.mixed_regression import Effect, Regression, mixed_regression
from adaptx.report.tables import Column, Table, TableCell
from adaptx.specs import ModelSpec, Task

DISTANCE_UNIT = 0.1
PREDICTORS = {
    "distance": f"for each {DISTANCE_UNIT} of syntactic distance from English",
    "other script": "in another script than Latin",
    "low resource": f"in classes {LOW_RESOURCE[0]} to {LOW_RESOURCE[-1]} of Joshi et al. 2020",
    "unseen": "where the checkpoint's pretraining did not hold the language",
}
"""Predictor -> how a sentence says it. All but the distance are 0 or 1."""


@dataclass(frozen=True)
class _Observation:
    """A gain in a language with what is known of it; None where a source says nothing."""

    gain: float
    variant: str
    language: str
    facts: dict[str, float | None]


def language_regression(measurements: Measurements, task: Task, gains: Sequence[Gain]) -> Regression | None:
    """Gains of the task's first metric in zero-shot languages, regressed on facts of the languages.

    A predictor is left out where it is not known of every language; None where languages are too few.
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
    """The regression's coefficients in points, and under them what they mean."""
    columns = (Column("gain changes", True), Column("points [95%]"), Column("p"))
    rows = tuple(
        (
            TableCell(PREDICTORS[effect.name]),
            TableCell(interval_text(effect.estimate, effect.low, effect.high), _sign(effect), _sign(effect) == 0),
            TableCell(p_text(effect.p)),
        )
        for effect in found.effects
    )
    caption = (
        f"A {found.method}, a coefficient for each variant; {found.observations} gains in {found.groups} languages. "
        "Attributes of languages go together (far ones have other scripts and less data), and none was set by "
        "experiment: this describes, it does not explain."
    )
    if found.left_out:
        caption += f" Left out, as it does not vary or follows from the others: {', '.join(found.left_out)}."
    return Table(f"{task.name} · what goes with the gain in a language", columns, rows, caption)


def language_effects_sentence(task: Task, found: Regression) -> str:
    """The clear effects in plain words, or that there are none."""
    clear = [effect for effect in found.effects if _sign(effect)]
    if not clear:
        names = ", ".join(effect.name for effect in found.effects)
        return f"{task.name}: over {found.groups} languages no attribute ({names}) clearly goes with the gain."
    said = "; ".join(
        f"{PREDICTORS[effect.name]} the gain is {'larger' if effect.estimate > 0 else 'smaller'} by "
        f"{_magnitude(effect)} points ({p_equals(effect.p)})"
        for effect in clear
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


def _sign(effect: Effect) -> int:
    return 1 if effect.low > 0 else -1 if effect.high < 0 else 0


def _magnitude(effect: Effect) -> str:
    """`1.2 [0.4, 2.0]` of a clear effect, whose direction is said in words."""
    low, high = sorted((abs(effect.low), abs(effect.high)))
    return f"{percent(abs(effect.estimate))} [{percent(low)}, {percent(high)}]"
