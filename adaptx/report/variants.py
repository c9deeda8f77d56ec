"""Labels of variants: one line for each model that a task is measured with, the same for all its seeds.

A label is `naming.factors(...).label`. Where two different variants of a task share it, the fields that tell
them apart are added; where those are many, the fingerprint.
"""

import dataclasses
import enum
from collections.abc import Mapping, Sequence
from typing import Any

from adaptx.planning.framings import evaluation_framing
from adaptx.planning.identity import evaluation_precision
from adaptx.planning.naming import factors, training_path
from adaptx.specs import Evaluate, ModelSpec, Task, TrainConfig
from adaptx.specs.fingerprint import is_outside_identity

MOST_FIELDS = 3
"""More differing fields than this make no readable label; the fingerprint then stands for them."""

Flat = dict[str, Any]
Key = tuple[tuple[str, Any], ...]


def variant_labels(evaluates: Sequence[Evaluate], model_fingerprints: Mapping[Evaluate, str]) -> dict[Evaluate, str]:
    """A label for each evaluation, the same just for those of one task that differ in language or seed."""
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
    """Whether two models of one seed are among them: then something tells them apart that no field of theirs says,
    such as the rows of an intermediate task, and their scores must not be averaged.
    """
    found: dict[tuple[str, tuple[int, ...]], set[str]] = {}
    for evaluate in same:
        found.setdefault((evaluate.language, seeds(evaluate)), set()).add(model_fingerprints[evaluate])
    return any(len(models) > 1 for models in found.values())


def _told_apart_by_rows(evaluates: Sequence[Evaluate]) -> set[tuple[str, Key]]:
    """(task, variant) of those measured twice in one language, on other numbers of rows.

    Where each language is measured once, more rows in one than in another make no other variant.
    """
    limits: dict[tuple[str, Key, str, tuple[int, ...]], set[int | None]] = {}
    for evaluate in evaluates:
        place = (evaluate.task.name, _key(evaluate), evaluate.language, seeds(evaluate))
        limits.setdefault(place, set()).add(evaluate.limit)
    return {(task, key) for (task, key, _, _), found in limits.items() if len(found) > 1}


def seeds(evaluate: Evaluate) -> tuple[int, ...]:
    """The seeds of every training on the way, inputs first."""
    return tuple(train.config.seed for train in training_path(evaluate))


def _key(evaluate: Evaluate) -> Key:
    """What a variant is, flat: all that is measured with, without seed, language, rows read and labels of place."""
    flat = _flat(evaluate.model, "model" if isinstance(evaluate.model, ModelSpec) else "")
    flat |= _flat(evaluation_framing(evaluate), "reading")
    flat |= {"evaluated in": evaluation_precision(evaluate)}
    return tuple(flat.items())


def _flat(value: Any, place: str) -> Flat:
    """Fields of nested specs by dotted place; models and tasks stand as their names, seeds are left out."""
    if isinstance(value, ModelSpec):
        # A checkpoint that was cut or quantised has a name of its own.
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
    """What tells each member from the others: "" for a lone one, a fingerprint where it takes many fields."""
    places = dict.fromkeys(place for member in members for place in member)
    telling: dict[tuple[Any, ...], str] = {}
    # Two fields that always differ together (a model here and in its input) are one difference: the shorter
    # is named.
    for place in sorted(places, key=len):
        values = tuple(member.get(place) for member in members)
        if len(set(values)) > 1:
            telling.setdefault(values, place)
    if len(telling) > MOST_FIELDS and len(set(fingerprints)) == len(members):
        return list(fingerprints)
    # A field that a member's kind of spec has not is no difference to tell of: its type is told.
    return [
        " · ".join(_spoken(place, member[place]) for place in telling.values() if place in member) for member in members
    ]


def _spoken(place: str, value: Any) -> str:
    """`config.learning_rate` 0.001 -> `learning_rate 0.001`; an input's field says so."""
    name = place.rsplit(".", 1)[-1]
    below = "intermediate " if place.startswith("start.stage") and name != "hub_id" else ""
    if place == "model":
        return str(value).rstrip("/").rsplit("/", 1)[-1]
    if name == "type":
        return f"{below}{value}"
    return f"{below}{name} {f'{value:g}' if isinstance(value, float) else value}"
