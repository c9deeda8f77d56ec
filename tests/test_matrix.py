"""Every combination of architecture, format, method and start works on tiny models, or is refused when planning.

The tried ones cover every pair; with ADAPTX_MATRIX=1 all are tried (`make matrix`).
"""

import json
import math

import pytest
from support import checkpoints, matrix, needs, small_world, tiny

from adaptx.errors import UserError
from adaptx.planning.plan import make_plan
from adaptx.specs import ModelSpec, Recipe
from adaptx.store.store import Store


def name_of(cell: matrix.Cell) -> str:
    return ", ".join(vars(cell).values())


def marks(cell: matrix.Cell) -> object:
    here = needs.at_hand(cell.evaluate(ModelSpec("tiny/model")))
    return pytest.param(cell, id=name_of(cell), marks=() if here else needs.adapters)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    models = small_world.make_models(tmp_path_factory.mktemp("models"), tuple(checkpoints.KINDS))
    folder = tmp_path_factory.mktemp("mirror")
    small_world.mirror(folder, matrix.tasks())
    return small_world.world(folder, models)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """One for all, so that what several combinations start from is trained once."""
    return tmp_path_factory.mktemp("matrix") / "store"


@pytest.mark.parametrize("cell", [marks(cell) for cell in matrix.tried()])
def test_a_combination_goes_the_whole_way(world, store, cell):
    stage = cell.evaluate(world.models[cell.architecture])
    plan, _, summary = tiny.execute(world, store, (stage,))
    assert summary.complete, summary.failed
    kept = Store(store)
    evaluated, trained = (kept.find(plan.fingerprint_of(each)) for each in (stage, stage.model))
    assert trained is not None
    losses = [json.loads(line)["loss"] for line in (trained.folder / "steps.jsonl").read_text().splitlines()]
    assert len(losses) == 2
    assert all(math.isfinite(loss) for loss in losses)
    assert evaluated is not None
    assert evaluated.scores.predictions
    assert all(0 <= value <= 1 for value in evaluated.scores.metrics.values())


def test_every_pair_is_tried(monkeypatch):
    needs.plan_with_adapters(monkeypatch)
    without = matrix.refused()
    possible = set().union(*(cell.pairs for cell in matrix.cells() if cell not in without))
    assert set().union(*(cell.pairs for cell in matrix.chosen())) == possible


def test_what_is_refused_is_refused_when_planning(world, monkeypatch):
    needs.plan_with_adapters(monkeypatch)
    for cell, reason in matrix.refused().items():
        stage = cell.evaluate(matrix.planned(cell.architecture))
        with pytest.raises(UserError) as refused:
            make_plan(Recipe("refused", (stage,)), world.sources)
        assert reason in str(refused.value), cell


def test_the_page_says_what_the_code_does(monkeypatch):
    needs.plan_with_adapters(monkeypatch)
    assert matrix.PAGE.read_text(encoding="utf-8") == matrix.page(), "write it anew (see docs/support.md)"
