"""Load recipes from Python files by calling their `build()` with its options."""

import inspect
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adaptx.errors import UserError
from adaptx.planning.edits import Edits
from adaptx.planning.recipe_code import import_recipe, running
from adaptx.planning.recipe_options import arguments
from adaptx.specs import Evaluate, Precision, Recipe
from adaptx.specs.kind import shown
from adaptx.specs.near import near


def load_recipe(
    file: str | os.PathLike[str],
    options: Mapping[str, Any] | None = None,
    limit: int | None = None,
    precision: Precision | None = None,
) -> Recipe:
    """Return the recipe that the file's `build()` returns for these options, with `limit` and `precision` applied.

    Raises:
        UserError: the file or its `build()` does not exist, an option is unknown or missing or has a value of the wrong
            type, or `build()` does not return a Recipe.
    """
    path = Path(file)
    if not path.is_file():
        there = sorted(str(found) for found in path.parent.glob("*.py")) if path.parent.is_dir() else []
        what = "it is a folder; name a file in it" if path.is_dir() else "there is no such file"
        raise UserError(f"recipe {file}: {what}; near: {near(str(path), there)}")
    with running(path):
        build = getattr(import_recipe(path), "build", None)
        if (reason := _build_fault(build)) is not None:
            raise UserError(f"{reason}; add a function `def build() -> Recipe:` that returns the recipe")
        assert build is not None
        recipe = build(**arguments(build, options or {}))
        if not isinstance(recipe, Recipe):
            raise UserError(f"build() {_what_was_returned(recipe)}")
    return Edits(limit, precision).recipe(recipe)


def _build_fault(build: object) -> str | None:
    if build is None:
        return "the file has no build()"
    if isinstance(build, type) or not callable(build):
        return f"the file has no build(): its `build` is {shown(build)}, not a function"
    return None


def _what_was_returned(returned: object) -> str:
    if inspect.iscoroutine(returned):
        returned.close()
        return "is async, so it returned no recipe; write `def build()` without async"
    if inspect.isgenerator(returned) or inspect.isasyncgen(returned):
        return "yields instead of returning; collect the evaluations and `return Recipe(name, tuple(evaluations))`"
    if returned is None:
        return "returned nothing; end it with `return Recipe(name, evaluations)`"
    several = isinstance(returned, tuple | list)
    if isinstance(returned, Evaluate) or several:
        given = "tuple(evaluations)" if several else "(evaluation,)"
        return f"returned a {type(returned).__name__}, not an adaptx.Recipe; return Recipe('name', {given})"
    return f"returned a {type(returned).__name__}, not an adaptx.Recipe; end it with `return Recipe(name, evaluations)`"
