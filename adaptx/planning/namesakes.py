"""Refuse a recipe in which different models, tasks or modules share a name, because reports show only names."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from adaptx.specs import Evaluate, ModelSpec, Published, Stage, Task, Train

T = TypeVar("T")


def namesake_reasons(stages: Iterable[Stage]) -> Iterator[str]:
    """Yield an error message for each name that several models, several tasks or several published modules share.

    Evaluated tasks of one name must have the same rows per language. Trained tasks of that name may have other rows,
    such as few-shot rows.
    """
    models: dict[ModelSpec, None] = {}
    tasks: dict[str, dict[Task, None]] = {}
    modules: dict[Published, None] = {}
    for stage in stages:
        if isinstance(stage, Evaluate):
            models[stage.checkpoint] = None
            tasks.setdefault(stage.task.name, {})[stage.task] = None
        else:
            models[stage.model] = None
        if isinstance(stage, Train):
            modules |= {source: None for source in stage.module_sources if isinstance(source, Published)}
    for name, (first, other) in _shared_names(models, lambda model: model.name, _place_of_model):
        yield (
            f"two models are called {name}: {first} and {other}. Tables name a model by the last part of its id and "
            "would confuse the two; rename one of the folders, or write one recipe per model"
        )
    for name, (first, other) in _shared_names(modules, lambda module: module.name, _place_of_module):
        yield (
            f"two published modules are called {name}: {first} and {other}. Tables would confuse the two; give one of "
            "them another name: Published(..., name='other')"
        )
    for name, found in tasks.items():
        if (field := _first_differing_property(found)) is not None:
            yield (
                f"two tasks are called {name} and differ in {field}. Tables would confuse the two and average their "
                f"scores; rename one of them: dataclasses.replace(task, name={name + '-2'!r})"
            )


def _shared_names(
    values: Iterable[T], name: Callable[[T], str], place: Callable[[T], str]
) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield each name that values at several places share, with the first two places."""
    places: dict[str, dict[str, None]] = {}
    for value in values:
        places.setdefault(name(value), {})[place(value)] = None
    for shared, (first, *others) in places.items():
        if others:
            yield shared, (first, others[0])


def _place_of_model(model: ModelSpec) -> str:
    return model.hub_id.rstrip("/") + (f" at revision {model.revision}" if model.revision else "")


def _place_of_module(module: Published) -> str:
    return module.source.rstrip("/") + (f" at revision {module.revision}" if module.revision else "")


def _first_differing_property(tasks: Iterable[Task]) -> str | None:
    tasks = tuple(tasks)
    if len({task.format for task in tasks}) > 1:
        return "format"
    if len({task.pool for task in tasks}) > 1:
        return "pool"
    for language in dict.fromkeys(language for task in tasks for language in task.languages):
        if len({task.rows_in(language) for task in tasks if language in task.languages}) > 1:
            return f"their evaluation rows in {language}"
    return None
