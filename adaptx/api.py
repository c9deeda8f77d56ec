"""A recipe as the command line names it: the options that change identity, and the plan they open."""

import itertools
import shlex
from dataclasses import dataclass
from pathlib import Path

from adaptx.errors import UserError
from adaptx.planning.plan import Plan, make_plan
from adaptx.planning.recipe_file import load_recipe
from adaptx.sources.modules import modules_in
from adaptx.sources.sources import Resolve, Sources
from adaptx.specs.training import PRECISIONS, Precision, precision_refusal
from adaptx.store.store import Store

DEFAULT_STORE = Path("adaptx-store")


@dataclass(frozen=True)
class Opened:
    """A recipe's plan, with the store and the sources it was made over."""

    plan: Plan
    store: Store
    sources: Sources


@dataclass(frozen=True)
class RecipeOptions:
    """What plan, run, report and prune have in common. settings: KEY=VALUE texts of --set."""

    recipe: Path
    store: Path
    data: str | None
    model: str | None
    size: str | None
    settings: tuple[str, ...]
    limit: int | None
    precision: str | None

    def open(self, resolve: Resolve | None = None) -> Opened:
        """Load and plan the recipe; `resolve` may ask the hub.

        Raises:
            UserError: a bad option or recipe, or missing rows or weights.
        """
        precision: Precision | None = next((known for known in PRECISIONS if known == self.precision), None)
        if self.precision is not None and (reason := precision_refusal(self.precision)):
            raise UserError(f"--precision {self.precision}: {reason}")
        store = Store(self.store)
        sources = Sources(self.data, store.root / "digests.json", resolve)
        values = build_options(self.model, self.size, self.settings)
        with modules_in(sources.modules):
            recipe = load_recipe(self.recipe, values, self.limit, precision)
        return Opened(make_plan(recipe, sources), store, sources)

    def command(self, name: str) -> str:
        """The command line that runs another command on the very same plan."""
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


def build_options(model: str | None, size: str | None, settings: tuple[str, ...]) -> dict[str, str]:
    """Options of build() from --set, --model and --size.

    Raises:
        UserError: a --set that is not KEY=VALUE, or two values for one key.
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
