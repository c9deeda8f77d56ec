"""Recipes from Python files: build(), its typed options, and the edits common to all recipes."""

import sys
import textwrap
import types
from pathlib import Path

import pytest

from adaptx.catalog import NLI, SIB200, SNLI, TATOEBA, XLMR_BASE
from adaptx.errors import UserError
from adaptx.planning.edits import Edits
from adaptx.planning.recipe_file import load_recipe
from adaptx.planning.recipe_options import arguments
from adaptx.specs import (
    Bottleneck,
    Evaluate,
    Fuse,
    Gate,
    Lora,
    Mixture,
    Recipe,
    Sequential,
    Stack,
    Train,
    TrainConfig,
    Uniform,
)

HEADER = """
from adaptx import Evaluate, Lora, ModelSpec, Recipe, Train, TrainConfig
from adaptx.catalog import E5_MINI, NLI, TATOEBA
"""
TYPED = """
def build(
    model: ModelSpec = E5_MINI,
    size: str = "small",
    learning_rate: float = 1e-3,
    steps: int = 10,
    fast: bool = False,
    seeds: tuple[int, ...] = (1,),
    limit: int | None = None,
) -> Recipe:
    shown = f"{size} {learning_rate} {steps} {fast} {seeds} {limit}"
    return Recipe(shown, (Evaluate(model, TATOEBA, "es"),))
"""


@pytest.fixture
def write(tmp_path: Path):
    def write(body: str, header: str = HEADER) -> Path:
        file = tmp_path / "recipe.py"
        file.write_text(header + textwrap.dedent(body))
        return file

    return write


def test_an_option_of_given_words_takes_no_other(write) -> None:
    body = """
    from typing import Literal

    def build(size: Literal["full", "small"] = "full") -> Recipe:
        return Recipe(size, (Evaluate(E5_MINI, TATOEBA, "es"),))
    """
    file = write(body)
    assert load_recipe(file).name == "full"
    assert load_recipe(file, {"size": "small"}).name == "small"
    with pytest.raises(UserError, match="option size='tiny': choose one of full, small"):
        load_recipe(file, {"size": "tiny"})


def test_options_are_converted_to_their_parameters_types(write) -> None:
    file = write(TYPED)
    assert load_recipe(file).name == "small 0.001 10 False (1,) None"
    options = {"learning_rate": "5e-4", "steps": "3", "fast": "yes", "seeds": "1, 2,3", "limit": "7", "size": "large"}
    assert load_recipe(file, options).name == "large 0.0005 3 True (1, 2, 3) 7"
    assert load_recipe(file, {"limit": "none"}).name.endswith("None")
    assert load_recipe(file, {"model": "xlm-roberta-base"}).evaluations[0].model == XLMR_BASE
    assert load_recipe(str(file), {"model": "owner/unknown"}).evaluations[0].model.hub_id == "owner/unknown"


@pytest.mark.parametrize(
    ("text", "value"),
    [("1,2.5", (1, 2.5)), ("3, 4", (3, 4.0)), ("1", "it has 1 values instead of 2"), ("1,2,3", "it has 3 values"),
     ("1.5,2", "it is not a whole number")],
)  # fmt: skip
def test_a_tuple_of_given_length_has_a_type_in_each_place(text: str, value: object) -> None:
    def build(pair: tuple[int, float] = (0, 0.0)) -> None: ...

    if isinstance(value, tuple):
        assert arguments(build, {"pair": text}) == {"pair": value}
    else:
        with pytest.raises(UserError, match=str(value)):
            arguments(build, {"pair": text})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"learning_rat": "1"}, r"build\(\) has no option 'learning_rat'; near: learning_rate \(its options: model, "),
        ({"steps": "many"}, "option steps='many': it is not a whole number"),
        ({"steps": "1.5"}, "option steps='1.5': it is not a whole number"),
        ({"learning_rate": "fast"}, "option learning_rate='fast': it is not a finite number"),
        ({"fast": "maybe"}, "option fast='maybe': it is neither true nor false"),
        ({"seeds": "1,x"}, "option seeds='1,x': it is not a whole number"),
        ({"model": "xlm-roberta-bas"}, r"model 'xlm-roberta-bas' is not in the catalog.*near: .*xlm-roberta-base"),
    ],
)
def test_options_that_are_wrong(write, options, said: str) -> None:
    with pytest.raises(UserError, match=said):
        load_recipe(write(TYPED), options)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("x = 1", r"has no build\(\); add a function `def build\(\) -> Recipe:`"),
        ("build = 3", r"has no build\(\)"),
        ("def build():\n    return 3", r"build\(\) returned a int, not an adaptx\.Recipe"),
        ("def build():\n    return Recipe('empty', ())", "'empty' has no evaluations"),
        (
            "def build():\n    return Evaluate(E5_MINI, TATOEBA, 'xx')",
            "task tatoeba has no evaluation rows in 'xx'; it",
        ),
        ("def build():\n    Lora(rnk=8)", r"recipe\.py, line 5: Lora has no field 'rnk'; near: rank"),
        ("def build(steps):\n    return steps", "has parameters without a default; add --set steps=VALUE"),
        ("def build():\n    return {}['key']", r"line 5 fails: KeyError: 'key'; correct that line"),
        (
            "import nothing_of_that_name",
            "line 4 fails: ModuleNotFoundError: .*; near, in the recipe's folder: none. Put nothing_of_",
        ),
        ("def build(:", r"recipe\.py, line 4 is not valid Python: SyntaxError"),
        ("TrainConfig(1e-3)", r"recipe\.py, line 4: TrainConfig\(.*give exactly one of the two"),
    ],
)
def test_recipes_that_are_wrong(write, body: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        load_recipe(write(body))


def test_a_recipe_without_options_says_so(write) -> None:
    with pytest.raises(UserError, match=r"no option 'seed'; .*\(it has no options\)"):
        load_recipe(write("def build():\n    pass"), {"seed": "1"})


def test_a_recipe_that_is_not_there_names_its_neighbours(write) -> None:
    file = write(TYPED)
    with pytest.raises(UserError, match=r"recip\.py: there is no such file; near: .*recipe\.py"):
        load_recipe(file.with_name("recip.py"))
    with pytest.raises(UserError, match="there is no such file; near: none"):
        load_recipe(file.parent / "nowhere" / "recipe.py")


CONFIG = TrainConfig(learning_rate=1e-3, epochs=1)


def trained(task, start=None, **more) -> Train:
    return Train(XLMR_BASE, task, Bottleneck(), CONFIG, **({"start": start} if start else {}), **more)


def trainings(evaluate: Evaluate) -> list[Train]:
    found, todo = [], list(evaluate.inputs)
    while todo:
        train = todo.pop()
        found.append(train)
        todo += train.inputs
    return found


def test_limit_and_precision_reach_every_stage() -> None:
    snli, sib = trained(SNLI, limit=5), trained(SIB200, Sequential(trained(SNLI)))
    mixed = Fuse((snli, sib), Gate(width=4))
    recipe = Recipe(
        "edited",
        (
            Evaluate(trained(NLI, mixed), NLI, "en", limit=3),
            Evaluate(trained(NLI, Stack((snli,)), limit=50), NLI, "ko"),
            Evaluate(XLMR_BASE, TATOEBA, "es"),
        ),
    )
    small = Edits(10, "bf16").recipe(recipe)
    for evaluate in small.evaluations:
        assert evaluate.precision == "bf16"
        assert all(train.config.precision == "bf16" for train in trainings(evaluate))
    assert [evaluate.limit for evaluate in small.evaluations] == [3, 10, 10]
    assert sorted(train.limit for train in trainings(small.evaluations[0])) == [5, 10, 10, 10]
    assert [train.limit for train in trainings(small.evaluations[1])] == [10, 5]
    assert small.evaluations[0].model.start.mixing == Gate(width=4)
    assert Edits().recipe(recipe) is recipe
    # Shared trainings stay shared.
    assert small.evaluations[0].model.start.stages[0] is small.evaluations[1].model.start.stages[0]


def test_limit_and_precision_leave_a_mixture_as_it_is() -> None:
    mixture = Mixture((SNLI, SIB200), Uniform(), shared_heads=True, label="both")
    recipe = Recipe("edited", (Evaluate(trained(NLI, Sequential(trained(mixture))), NLI, "en"),))
    (evaluate,) = Edits(10, "bf16").recipe(recipe).evaluations
    target, mixed = trainings(evaluate)
    assert (target.limit, mixed.limit) == (10, 10)
    assert (mixed.task, mixed.config.precision) == (mixture, "bf16")


def test_only_precision_leaves_limits_alone() -> None:
    recipe = Recipe("edited", (Evaluate(Train(XLMR_BASE, NLI, Lora(), CONFIG, limit=9), NLI, "en"),))
    (evaluate,) = Edits(precision="bf16").recipe(recipe).evaluations
    assert (evaluate.limit, evaluate.model.limit) == (None, 9)


def test_the_commands_edits_are_applied_on_loading(write) -> None:
    (evaluate,) = load_recipe(write(TYPED), limit=4, precision="bf16").evaluations
    assert (evaluate.limit, evaluate.precision) == (4, "bf16")


def test_modules_beside_a_recipe_are_its_own(tmp_path) -> None:
    """Two recipes with neighbours of one name read each its own, and nothing of them stays in the process."""
    before, modules = [*sys.path], {*sys.modules}
    for name in ("one", "two", "one"):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "helper.py").write_text(f"NAME = {name!r}")
        (folder / "package").mkdir(exist_ok=True)
        (folder / "package" / "__init__.py").write_text("from package.inner import SIZE")
        (folder / "package" / "inner.py").write_text(f"SIZE = {len(name)}")
        recipe = folder / "recipe.py"
        recipe.write_text(
            HEADER
            + "import helper\nimport package\ndef build():\n    from helper import NAME\n    print('building')\n"
            + "    return Recipe(f'{NAME}-{helper.NAME}-{package.SIZE}', (Evaluate(E5_MINI, TATOEBA, 'es'),))"
        )
        assert load_recipe(recipe).name == f"{name}-{name}-3"
        # An edit within the second is read, though bytecode is told apart by seconds.
        (folder / "helper.py").write_text("NAME = 'new'")
        assert load_recipe(recipe).name == "new-new-3"
        assert not [*folder.rglob("__pycache__")]
    assert sys.path == before
    assert not {"helper", "package", "package.inner"} & ({*sys.modules} - modules)


def test_a_neighbour_hides_no_loaded_module_and_is_hidden_by_none(tmp_path, monkeypatch) -> None:
    elsewhere = types.ModuleType("helper")
    elsewhere.__file__, elsewhere.NAME = str(tmp_path / "elsewhere" / "helper.py"), "elsewhere"
    monkeypatch.setitem(sys.modules, "helper", elsewhere)
    (tmp_path / "helper.py").write_text("NAME = 'mine'")
    (tmp_path / "json.py").write_text("raise RuntimeError('the standard library stays what it is')")
    (tmp_path / "recipe.py").write_text(
        HEADER + "import helper, json\ndef build():\n"
        "    return Recipe(json.loads(json.dumps(helper.NAME)), (Evaluate(E5_MINI, TATOEBA, 'es'),))"
    )
    assert load_recipe(tmp_path / "recipe.py").name == "mine"
    assert sys.modules["helper"] is elsewhere


def test_what_a_recipe_prints_is_no_output(write, capsys) -> None:
    load_recipe(write("print('hello')\ndef build():\n    return Recipe('r', (Evaluate(E5_MINI, TATOEBA, 'es'),))"))
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "hello\n")


def test_an_option_without_a_written_type_has_its_defaults(write) -> None:
    body = """
    def build(model, size="small", steps=3, rate=0.5, fast=False, seeds=(1, 2)):
        shown = f"{type(model).__name__} {size} {steps + 1} {rate * 2} {fast is True} {sum(seeds)}"
        return Recipe(shown, (Evaluate(model, TATOEBA, "es"),))
    """
    options = {"model": "xlm-roberta-base", "steps": "7", "rate": "2", "fast": "yes", "seeds": "3,4"}
    assert load_recipe(write(body), options).name == "ModelSpec small 8 4.0 True 7"
    with pytest.raises(UserError, match=r"option any='3': build\(any\) has neither a type nor a default"):
        load_recipe(write("def build(any=None):\n    return any"), {"any": "3"})
