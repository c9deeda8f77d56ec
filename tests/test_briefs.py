"""Reprs of specs are one short line, so that notebook cells and test failures can be read."""

import dataclasses
import importlib.util
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import adaptx
from adaptx.catalog import E5_MINI, MODELS, NLI, SNLI, SUITES, TASKS
from adaptx.planning.plan import make_plan
from adaptx.sources.sources import Sources
from adaptx.specs import Best, Evaluate, Lora, Pretrained, Recipe, Rows, Sequential, Train, TrainConfig
from adaptx.specs.brief import MOST_CHARACTERS

# That of T5 reads rows which lie in a folder that it is given: tests/test_t5_sample.py builds it.
RECIPES = [path for path in sorted((Path(__file__).parents[1] / "recipes").glob("*.py")) if path.stem != "t5_sample"]


def parts(value: Any, seen: set[int]) -> Iterator[Any]:
    """A value and every spec in it."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, tuple | list):
        for each in value:
            yield from parts(each, seen)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield value
        for field in dataclasses.fields(value):
            yield from parts(getattr(value, field.name), seen)


def check(value: Any) -> int:
    found = list(parts(value, set()))
    for each in found:
        text = repr(each)
        assert len(text) <= MOST_CHARACTERS, text
        assert "\n" not in text
        assert text.startswith(type(each).__name__)
        for field in ("citation", "licence", "description"):
            told = getattr(each, field, "")
            assert not told or told not in text, text
    return len(found)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_spec_of_every_recipe_prints_as_one_short_line(path: Path, monkeypatch: Any) -> None:
    monkeypatch.syspath_prepend(str(path.parent))
    spec = importlib.util.spec_from_file_location(f"brief_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    needs_model = inspect.signature(module.build).parameters.get("model")
    given = {"model": E5_MINI} if needs_model is not None and needs_model.default is needs_model.empty else {}
    assert check(module.build(**given)) > 20


def test_every_task_model_and_suite_of_the_catalog_prints_as_one_short_line() -> None:
    assert check([*TASKS.values(), *MODELS.values(), *SUITES.values()]) > 500


CONFIG = TrainConfig(learning_rate=1e-3, epochs=1)
FIRST = Train(E5_MINI, SNLI, Lora(), CONFIG)


def test_a_training_prints_as_what_differs_from_the_defaults() -> None:
    assert repr(Train(E5_MINI, NLI, Lora(rank=16), CONFIG, Sequential(FIRST), limit=300)) == (
        "Train(model='e5-mini', task='nli', method=Lora(rank=16), config=TrainConfig(learning_rate=0.001, epochs=1), "
        "start=Sequential(stage=Train(snli)), limit=300)"
    )
    assert repr(Pretrained()) == "Pretrained()"
    assert repr(Best(every=5)) == "Best(every=5)"
    assert "schedule=Schedule.COSINE" in repr(TrainConfig(1e-3, epochs=1, schedule=adaptx.Schedule.COSINE))


WORDS = st.text(min_size=1, max_size=50).filter(str.strip)


@given(st.text(max_size=300), st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=30), st.integers(0, 10**30))
def test_whatever_a_spec_holds_its_repr_is_one_short_line(text: str, columns: Any, number: int) -> None:
    rows = Rows("a/b", "c", "train", "en", tuple(columns), wording=((text, ((text, text),)),), first=number)
    assert len(repr(rows)) <= MOST_CHARACTERS
    assert len(repr(rows).splitlines()) == 1


def test_plans_nodes_and_chains_of_trainings_are_short() -> None:
    chain = FIRST
    for seed in range(2, 30):
        chain = Train(E5_MINI, NLI, Lora(), dataclasses.replace(CONFIG, seed=seed), Sequential(chain))
    recipe = Recipe("chain", (Evaluate(chain, NLI, "en"),))
    plan = make_plan(recipe, Sources("sample"))
    assert repr(plan) == "<Plan of chain: 30 stages>"
    for value in (recipe, chain, *plan.nodes):
        assert len(repr(value)) <= MOST_CHARACTERS
