"""Labels of variants. Models that differ only in their seeds are one variant of a task and share one label.

A label names method, start and intermediate task (`Factors.label`). If two variants of a task would share a label, the
fields in which they differ are added. If these are more than three, a fingerprint is added instead.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from adaptx.planning.differing import flat, suffixes
from adaptx.planning.framings import evaluation_framing
from adaptx.planning.identity import evaluation_precision
from adaptx.planning.naming import factors, training_path
from adaptx.specs import Evaluate, Framing, ModelSpec, ModuleStage

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
        for suffix, same in zip(suffixes([dict(key) for key in members], fingerprints), members.values(), strict=True):
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
    return tuple(flat(framing, "reading").items())


@functools.lru_cache(maxsize=4_096)
def _model_key(model: ModelSpec | ModuleStage) -> Key:
    """Return the part of `_key` about the model, which is cached because one model may have a hundred evaluations."""
    return tuple(flat(model, "model" if isinstance(model, ModelSpec) else "").items())
