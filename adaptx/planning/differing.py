"""The fields in which stages of one name differ, as short text: `learning_rate 0.001 · intermediate rank 8`."""

import dataclasses
import enum
from collections.abc import Sequence
from typing import Any

from adaptx.specs import ModelSpec, Task, TrainConfig
from adaptx.specs.fingerprint import is_outside_identity

MOST_FIELDS = 3
"""Maximum number of differing fields in a text. If there are more, it is the fingerprint instead."""

Flat = dict[str, Any]
"""Dotted path of a field, such as `config.learning_rate` -> its value."""


def flat(value: Any, place: str) -> Flat:
    """Return the fields of nested specs, such as `method.rank` -> 8, without seeds. Models and tasks appear by name."""
    if isinstance(value, ModelSpec):
        # The name differs from the hub id's if the checkpoint was cut or quantised.
        return {place: f"{value.hub_id.rpartition('/')[0]}/{value.name}"}
    if isinstance(value, Task):
        return {place: value.name}
    if isinstance(value, tuple):
        return {key: leaf for i, item in enumerate(value) for key, leaf in flat(item, f"{place}[{i}]").items()}
    if isinstance(value, enum.Enum):
        return {place: value.name}
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return {place: value}
    dot = f"{place}." if place else ""
    found: Flat = {f"{dot}type": type(value).__name__}
    for field in dataclasses.fields(value):
        if not (isinstance(value, TrainConfig) and field.name == "seed") and not is_outside_identity(field):
            found |= flat(getattr(value, field.name), f"{dot}{field.name}")
    return found


def suffixes(members: Sequence[Flat], fingerprints: Sequence[str]) -> list[str]:
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
