"""The recipes that come with adaptx: each plans with no data at hand, and names only rows that are there."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from adaptx.plan import make_plan
from adaptx.recipe_file import load_recipe
from adaptx.sources import Sources
from adaptx.specs import Evaluate, Mixture, Sequential, Train

ROOT = Path(__file__).parents[1]
HUB = ROOT.parent / "shared" / "data" / "hub"
INDEX = HUB / "INDEX.tsv"


def imported(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "recipes" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def sets_of_the_mirror() -> set[str]:
    if not INDEX.is_file():
        pytest.skip("the mirror of real rows (shared/data/hub) is not beside this checkout")
    lines = INDEX.read_text(encoding="utf-8").splitlines()[1:]
    return {"/".join(line.split("\t")[:3]) for line in lines}


@pytest.mark.usefixtures("plans_with_adapters")
@pytest.mark.parametrize("name", ["every_task", "quickstart", "xtreme_sample"])
def test_a_recipe_plans_with_no_data_at_hand(name: str) -> None:
    recipe = load_recipe(ROOT / "recipes" / f"{name}.py")
    plan = make_plan(recipe, Sources(None))
    fingerprints = {node.fingerprint for node in plan.nodes}
    assert all(plan.fingerprint_of(evaluate) in fingerprints for evaluate in recipe.evaluations)


def test_xtreme_sample_names_rows_of_the_mirror_alone() -> None:
    there = sets_of_the_mirror()
    recipe = load_recipe(ROOT / "recipes" / "xtreme_sample.py")
    plan = make_plan(recipe, Sources(None))
    read = [rows for node in plan.nodes for rows in _rows(node.stage)]
    assert not {rows.address for rows in read} - there


def test_xtreme_sample_scores_every_language_of_its_tasks_that_the_mirror_has() -> None:
    there = sets_of_the_mirror()
    module = imported("xtreme_sample")
    suites = {task.name: task for suite in (module.XTREME, module.XTREME_R) for task in suite.tasks}
    for name, languages in module.LANGUAGES.items():
        split = "validation" if name == "mlqa" else None
        at_hand = {
            rows.language
            for rows in suites[name].evaluation
            if f"{rows.hub_id}/{rows.config}/{split or rows.split}" in there
        }
        if name == "tydiqa":
            # One table holds all languages; two of the nine are not in the mirror's.
            at_hand -= {"bn", "te"}
        assert set(languages) == at_hand, name


def test_xtreme_sample_compares_three_intermediate_tasks_and_their_mixture() -> None:
    recipe = load_recipe(ROOT / "recipes" / "xtreme_sample.py")
    started = {
        evaluate.model.start.stage.task.name
        for evaluate in recipe.evaluations
        if isinstance(evaluate.model, Train) and isinstance(evaluate.model.start, Sequential)
    }
    assert started == {"mnli", "squad", "hellaswag", "multi"}
    mixtures = [e.model.start.stage.task for e in recipe.evaluations
                if isinstance(e.model, Train) and isinstance(e.model.start, Sequential)
                and isinstance(e.model.start.stage.task, Mixture)]  # fmt: skip
    assert {task.name for task in mixtures[0].tasks} == started - {"multi"}


def _rows(stage: Train | Evaluate):
    if isinstance(stage, Train):
        return stage.task.train
    return (stage.task.rows_in(stage.language), *stage.task.pool)
