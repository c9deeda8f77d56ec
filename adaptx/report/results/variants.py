"""Labels of variants. Models that differ only in their seeds are one variant of a task and share one label.

A label names method, start and intermediate task (`Factors.label`). If two variants of a task would share a label, the
fields in which they differ are added. If these are more than three, a fingerprint is added instead.
"""

import dataclasses
import enum
import functools
from collections.abc import Mapping, Sequence
from typing import Any

from adaptx.planning.framings import evaluation_framing
from adaptx.planning.identity import evaluation_precision
from adaptx.planning.naming import factors, training_path
from adaptx.specs import Evaluate, Framing, ModelSpec, ModuleStage, Task, TrainConfig
from adaptx.specs.fingerprint import is_outside_identity

MOST_FIELDS = 3
"""Maximum number of differing fields in a label. If there are more, the label shows the fingerprint instead."""

Flat = dict[str, Any]
"""Dotted path of a field, such as `config.learning_rate` -> its value."""
Key = tuple[tuple[str, Any], ...]
"""The items of a `Flat` as a tuple, which can be a key."""


def variant_labels(evaluates: Sequence[Evaluate], model_fingerprints: Mapping[Evaluate, str]) -> dict[Evaluate, str]:
    """Return a label per evaluation. Evaluations of one task share a label if they differ only in language or seed."""
    shared: dict[tuple[str, str], dict[Key, list[Evaluate]]] = {}
    telling = _told_apart_by_rows(evaluates)
    for evaluate in evaluates:
        same_label = shared.setdefault((evaluate.task.name, factors(evaluate).label), {})
        key = _key(evaluate)
        rows = (("evaluated rows", evaluate.limit),) if (evaluate.task.name, key) in telling else ()
        same_label.setdefault((*key, *rows), []).append(evaluate)
    labels: dict[Evaluate, str] = {}
    for (_, label), members in shared.items():
        fingerprints = [model_fingerprints[same[0]][:8] for same in members.values()]
        for suffix, same in zip(_suffixes([dict(key) for key in members], fingerprints), members.values(), strict=True):
            labels.update(dict.fromkeys(same, f"{label} · {suffix}" if suffix else label))
            if _are_not_seeds(same, model_fingerprints):
                labels.update({each: f"{labels[each]} · {model_fingerprints[each][:8]}" for each in same})
    return labels


def _are_not_seeds(same: Sequence[Evaluate], model_fingerprints: Mapping[Evaluate, str]) -> bool:
    """Return whether the same seeds occur with two different models.

    Such models differ in something that no compared field shows, such as the rows of an intermediate task. They are two
    variants, whose scores must not be averaged as if they were seeds of one.
    """
    found: dict[tuple[str, tuple[int, ...]], set[str]] = {}
    for evaluate in same:
        found.setdefault((evaluate.language, seeds(evaluate)), set()).add(model_fingerprints[evaluate])
    return any(len(models) > 1 for models in found.values())


def _told_apart_by_rows(evaluates: Sequence[Evaluate]) -> set[tuple[str, Key]]:
    """Return the (task, variant) pairs that were evaluated with different row limits in the same language.

    Different row limits in different languages do not count.
    """
    limits: dict[tuple[str, Key, str, tuple[int, ...]], set[int | None]] = {}
    for evaluate in evaluates:
        place = (evaluate.task.name, _key(evaluate), evaluate.language, seeds(evaluate))
        limits.setdefault(place, set()).add(evaluate.limit)
    return {(task, key) for (task, key, _, _), found in limits.items() if len(found) > 1}


def seeds(evaluate: Evaluate) -> tuple[int, ...]:
    """Return the seeds of all trainings that led to the evaluated model, in the trainings' order."""
    return tuple(train.config.seed for train in training_path(evaluate))


def _key(evaluate: Evaluate) -> Key:
    """Return the fields that identify a variant: its model, its framing (how it reads the task) and its precision.

    Seeds, language, row limits and fields that do not change a stage's result are left out.
    """
    reading = _reading_key(evaluation_framing(evaluate))
    return (*_model_key(evaluate.model), *reading, ("evaluated in", evaluation_precision(evaluate)))


@functools.lru_cache(maxsize=256)
def _reading_key(framing: Framing) -> Key:
    return tuple(_flat(framing, "reading").items())


@functools.lru_cache(maxsize=4_096)
def _model_key(model: ModelSpec | ModuleStage) -> Key:
    """Return the part of `_key` about the model, which is cached because one model may have a hundred evaluations."""
    return tuple(_flat(model, "model" if isinstance(model, ModelSpec) else "").items())


def _flat(value: Any, place: str) -> Flat:
    """Return the fields of nested specs, such as `method.rank` -> 8, without seeds. Models and tasks appear by name."""
    if isinstance(value, ModelSpec):
        # The name differs from the hub id's if the checkpoint was cut or quantised.
        return {place: f"{value.hub_id.rpartition('/')[0]}/{value.name}"}
    if isinstance(value, Task):
        return {place: value.name}
    if isinstance(value, tuple):
        return {key: leaf for i, item in enumerate(value) for key, leaf in _flat(item, f"{place}[{i}]").items()}
    if isinstance(value, enum.Enum):
        return {place: value.name}
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return {place: value}
    dot = f"{place}." if place else ""
    flat: Flat = {f"{dot}type": type(value).__name__}
    for field in dataclasses.fields(value):
        if not (isinstance(value, TrainConfig) and field.name == "seed") and not is_outside_identity(field):
            flat |= _flat(getattr(value, field.name), f"{dot}{field.name}")
    return flat


def _suffixes(members: Sequence[Flat], fingerprints: Sequence[str]) -> list[str]:
    """Return a suffix per variant that distinguishes it from the others with the same label.

    A suffix is empty for a single variant, and a fingerprint if the variants differ in more than `MOST_FIELDS` fields.
    """
    places = dict.fromkeys(place for member in members for place in member)
    telling: dict[tuple[Any, ...], str] = {}
    # Two fields that always differ together (a model here and in its input) are one difference. Only the field with
    # the shorter place is named.
    for place in sorted(places, key=len):
        values = tuple(member.get(place) for member in members)
        if len(set(values)) > 1:
            telling.setdefault(values, place)
    if len(telling) > MOST_FIELDS and len(set(fingerprints)) == len(members):
        return list(fingerprints)
    # Leave out a field that a member's kind of spec does not have: its type already shows the difference.
    return [
        " · ".join(_spoken(place, member[place]) for place in telling.values() if place in member) for member in members
    ]


def _spoken(place: str, value: Any) -> str:
    """Return a field as part of a label, such as `learning_rate 0.001` for `config.learning_rate`.

    The text begins with "intermediate" if the field belongs to the stage that a training starts from.
    """
    name = place.rsplit(".", 1)[-1]
    below = "intermediate " if place.startswith("start.stage") and name != "hub_id" else ""
    if place == "model":
        return str(value).rstrip("/").rsplit("/", 1)[-1]
    if name == "type":
        return f"{below}{value}"
    if value is None:
        return f"{below}no {name}"
    return f"{below}{name} {f'{value:g}' if isinstance(value, float) else value}"
