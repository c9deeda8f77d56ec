"""The options of the commands that work on a recipe: which stages its plan has, and where they are stored."""

import functools
import inspect
import itertools
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adaptx.api import DEFAULT_STORE, Study
from adaptx.api import open as open_study
from adaptx.cli.options import (
    DataOption,
    LimitOption,
    ModelOption,
    PrecisionOption,
    RecipeFile,
    SetOption,
    SizeOption,
    StoreOption,
    tell,
)
from adaptx.errors import UserError


@dataclass(frozen=True, kw_only=True)
class RecipeOptions:
    """The options that determine which stages a plan has.

    settings: the values of --set, each KEY=VALUE.
    """

    recipe: Path
    store: Path
    data: str | None
    model: str | None
    size: str | None
    settings: tuple[str, ...]
    limit: int | None
    precision: str | None

    def open(self) -> Study:
        """Load and plan the recipe.

        Raises:
            UserError: an option or the recipe is wrong, or rows or weights are missing.
        """
        return open_study(
            self.recipe,
            store=self.store,
            data=self.data,
            limit=self.limit,
            precision=self.precision,
            settings=build_options(self.model, self.size, self.settings),
            tell=tell,
        )

    def command(self, name: str) -> str:
        """Return the command line that runs another command, such as `report`, on the same plan."""
        given = {
            "--data": self.data,
            "--model": self.model,
            "--size": self.size,
            "--limit": self.limit,
            "--precision": self.precision,
            "--store": self.store if self.store != DEFAULT_STORE else None,
        }
        options = [(option, str(value)) for option, value in given.items() if value is not None]
        options += [("--set", text) for text in self.settings]
        return shlex.join(["adaptx", name, str(self.recipe), *itertools.chain.from_iterable(options)])


def recipe_options(
    recipe: RecipeFile,
    store: StoreOption = DEFAULT_STORE,
    data: DataOption = None,
    model: ModelOption = None,
    size: SizeOption = None,
    settings: SetOption = None,
    limit: LimitOption = None,
    precision: PrecisionOption = None,
) -> RecipeOptions:
    """Return the options as one value. The parameters are those of the command line."""
    return RecipeOptions(
        recipe=recipe,
        store=store,
        data=data,
        model=model,
        size=size,
        settings=tuple(settings or ()),
        limit=limit,
        precision=precision,
    )


def with_recipe_options(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command with the parameters of `recipe_options` in place of its first one, `options: RecipeOptions`.

    The command line reads a command's options from its parameters. With `power(options, as_json)`, for example, it
    reads `RECIPE`, `--store` and all others of a recipe, and then `--json`.
    """
    shared = inspect.signature(recipe_options).parameters
    own = [each for name, each in inspect.signature(command).parameters.items() if name != "options"]

    @functools.wraps(command)
    def with_options(**given: Any) -> None:
        options = recipe_options(**{name: given.pop(name) for name in shared})
        command(options, **given)

    parameters = [*shared.values(), *own]
    with_options.__dict__["__signature__"] = inspect.Signature(parameters)
    with_options.__annotations__ = {each.name: each.annotation for each in parameters}
    return with_options


def build_options(model: str | None, size: str | None, settings: tuple[str, ...]) -> dict[str, str]:
    """Return the arguments for the recipe's build(), as given by --set, --model and --size.

    Raises:
        UserError: a --set is not KEY=VALUE, or a key has two different values.
    """
    options: dict[str, str] = {}
    given = [(f"--set {text}", *_setting(text)) for text in settings]
    given += [
        (f"--{key} {value}", key, value) for key, value in (("model", model), ("size", size)) if value is not None
    ]
    for shown, key, value in given:
        if options.get(key, value) != value:
            raise UserError(f"{shown}: {key} is already given as {options[key]!r}; give it once")
        options[key] = value
    return options


def _setting(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UserError(f"--set {text}: write it as KEY=VALUE")
    return key.strip(), value.strip()
