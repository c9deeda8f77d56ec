"""Recipes from Python files: `build()` and its options."""

import dataclasses
import importlib.util
import inspect
import sys
import traceback
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from adaptx.catalog.methods import find_method
from adaptx.catalog.models import find_model
from adaptx.catalog.near import near
from adaptx.catalog.tasks import find_task
from adaptx.errors import UserError
from adaptx.specs import (
    Evaluate,
    Fuse,
    Linear,
    Merge,
    Merged,
    Method,
    ModelSpec,
    ModuleStage,
    Precision,
    Published,
    Recipe,
    Sequential,
    Stack,
    Task,
    Train,
)
from adaptx.specs.merge import MergeRule, searched


def load_recipe(
    file: str | Path,
    options: Mapping[str, str] | None = None,
    limit: int | None = None,
    precision: Precision | None = None,
) -> Recipe:
    """The recipe that the file's `build()` returns, under its options and the edits common to all recipes.

    Raises:
        UserError: no such file, no `build()`, an unknown option or one that is missing, a value of the wrong type, or
            not a Recipe.
    """
    path = Path(file)
    if not path.is_file():
        there = sorted(str(found) for found in path.parent.glob("*.py")) if path.parent.is_dir() else []
        raise UserError(f"recipe {file}: there is no such file; near: {near(str(path), there)}")
    build = getattr(_import(path), "build", None)
    if not callable(build):
        raise UserError(f"recipe {file} has no build(): add `def build() -> Recipe:` that returns its evaluations")
    try:
        recipe = build(**_arguments(path, build, options or {}))
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"recipe {file}: {error}") from error
    except Exception as error:
        raise UserError(f"recipe {file}{_line(path, error)}: build() fails: {_named(error)}") from error
    if not isinstance(recipe, Recipe):
        raise UserError(f"recipe {file}: build() returned a {type(recipe).__name__}, not an adaptx.Recipe")
    return edited(recipe, limit, precision)


def edited(recipe: Recipe, limit: int | None = None, precision: Precision | None = None) -> Recipe:
    """The recipe with every stage's rows limited and its precision set; both are identity."""
    if limit is None and precision is None:
        return recipe
    known: dict[Train, Train] = {}

    def train(stage: Train) -> Train:
        if stage not in known:
            start = stage.start
            match start:
                case Sequential(earlier):
                    start = Sequential(taken(earlier))
                case Stack(stages):
                    start = Stack(tuple(taken(earlier) for earlier in stages))
                case Merged(Merge() as merge):
                    start = Merged(merged(merge))
                case Fuse(stages, mixing):
                    start = Fuse(tuple(taken(earlier) for earlier in stages), mixing)
                case _:
                    pass
            config = dataclasses.replace(stage.config, precision=precision or stage.config.precision)
            known[stage] = dataclasses.replace(stage, start=start, config=config, limit=_least(stage.limit, limit))
        return known[stage]

    def taken(source: Train | Published) -> Train | Published:
        return train(source) if isinstance(source, Train) else source

    def merged(stage: Merge) -> Merge:
        return dataclasses.replace(stage, stages=tuple(map(train, stage.stages)), rule=_limited(stage.rule, limit))

    def edited_model(model: ModelSpec | ModuleStage) -> ModelSpec | ModuleStage:
        if isinstance(model, ModelSpec):
            return model
        return merged(model) if isinstance(model, Merge) else train(model)

    def evaluate(stage: Evaluate) -> Evaluate:
        model = edited_model(stage.model)
        return dataclasses.replace(
            stage, model=model, limit=_least(stage.limit, limit), precision=precision or stage.precision
        )

    return dataclasses.replace(recipe, evaluations=tuple(evaluate(stage) for stage in recipe.evaluations))


def _limited(rule: MergeRule, limit: int | None) -> MergeRule:
    """The rule with the rows that its weights are searched on limited."""
    search = searched(rule)
    if search is None:
        return rule
    return Linear(dataclasses.replace(search, limit=_least(search.limit, limit)))


def _least(own: int | None, given: int | None) -> int | None:
    limits = [limit for limit in (own, given) if limit is not None]
    return min(limits) if limits else None


def _import(path: Path) -> types.ModuleType:
    name = f"adaptx_recipe_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path.absolute())
    if spec is None or spec.loader is None:
        raise UserError(f"recipe {path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"recipe {path}{_line(path, error)} fails on import: {_named(error)}") from error
    return module


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _line(path: Path, error: Exception) -> str:
    """`, line N`: the innermost line of the recipe's own that led to the error."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename) == path.absolute()]
    return f", line {frames[-1].lineno}" if frames else ""


def _arguments(path: Path, build: Any, options: Mapping[str, str]) -> dict[str, Any]:
    parameters = inspect.signature(build).parameters
    hints = typing.get_type_hints(build)
    values: dict[str, Any] = {}
    for key, text in options.items():
        if key not in parameters:
            takes = f"it takes: {', '.join(parameters)}" if parameters else "it takes no options"
            raise UserError(f"recipe {path} has no option {key!r}; near: {near(key, parameters)} ({takes})")
        values[key] = _convert(path, key, text, hints.get(key, str))
    needed = [name for name, each in parameters.items() if each.default is each.empty and each.kind in _BY_NAME]
    if missing := [name for name in needed if name not in values]:
        shown = " ".join(f"--{name} NAME" if name in OPTIONS else f"--set {name}=VALUE" for name in missing)
        raise UserError(f"recipe {path} needs {shown}")
    return values


_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
OPTIONS = ("model", "size")
"""Parameters of `build` that the command line has options of their own for."""

_NAMED: dict[Any, Callable[[str], Any]] = {ModelSpec: find_model, Task: find_task, Method: find_method}
"""Types of options that are looked up in the catalog by name."""

_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def _convert(path: Path, key: str, text: str, hint: Any) -> Any:
    """An option's text as its parameter's type: bool, int, float, str, one of given words, what the catalog names, or a
    tuple by commas.
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint in _NAMED:
        try:
            return _NAMED[hint](text)
        except ValueError as error:
            raise UserError(f"recipe {path}: option {key}={text!r}: {error}") from error
    if origin is typing.Literal:
        if text not in arguments:
            raise UserError(f"recipe {path}: option {key}={text!r}: choose one of {', '.join(map(str, arguments))}")
        return text
    if origin is tuple:
        return tuple(_convert(path, key, part.strip(), arguments[0]) for part in text.split(",") if part.strip())
    if origin in (typing.Union, types.UnionType):
        if text.lower() == "none" and type(None) in arguments:
            return None
        return _convert(path, key, text, next(option for option in arguments if option is not type(None)))
    try:
        if hint is bool:
            return _TRUTH[text.lower()]
        return hint(text) if hint in (int, float) else text
    except (KeyError, ValueError) as error:
        raise UserError(f"recipe {path}: option {key}={text!r} is not a {hint.__name__}") from error
