"""Learning rates that are chosen on development rows: the helper, the plan before and after, a run, and the report."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
from support import tiny

import adaptx
from adaptx.api import Study
from adaptx.display.plan import Placement, plan_json
from adaptx.errors import UserError
from adaptx.planning.edits import Edits
from adaptx.planning.plan import Node, Plan, Status, make_plan
from adaptx.planning.recipe_file import load_recipe
from adaptx.planning.tuning import Tuning, searches
from adaptx.report import write_report
from adaptx.report.tables.cells import percent
from adaptx.report.tables.table import Table
from adaptx.report.tables.tuning import tuning_table, tuning_warnings
from adaptx.specs import Lora, Recipe, Resources, Sequential, Stage, Train, TrainConfig, Tuned, tune
from adaptx.store.entry import Entry
from adaptx.store.store import Store
from adaptx.training.progress import Silent

LORA = Lora(4, 8)
GRID = (1e-4, 2e-2)


class Notes(Silent):
    """Watches a run and keeps its notes, and the texts about the whole run."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.texts: list[str] = []

    def overall(self, text: str) -> None:
        self.texts.append(text)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def beside(self) -> "Notes":
        return self

    def close(self) -> None:
        pass


def stored(study: Study, stage: Stage) -> Entry:
    entry = study.store.find(study.dag.fingerprint_of(stage))
    assert entry is not None
    return entry


def seed_of(node: Node) -> int:
    assert isinstance(node.stage, Train)
    return node.stage.config.seed


def target(world: tiny.World, rate: Any, seed: int = 1, steps: int = 3, **more: Any) -> Train:
    return Train(world.bert, tiny.NLI, LORA, tiny.config(learning_rate=rate, seed=seed, max_steps=steps), **more)


def search(train: Any, grid: tuple[float, ...] = GRID, **more: Any) -> Tuned:
    found = tune(train, grid, **more)
    assert isinstance(found, Tuned)
    return found


def tuned(world: tiny.World, grid: tuple[float, ...] = GRID, **more: Any) -> Tuned:
    return search(lambda rate, seed: target(world, rate, seed, **more), grid, seeds=(11,))


def test_a_search_has_one_evaluation_on_development_rows_per_value_and_seed(world: tiny.World) -> None:
    found = search(lambda rate, seed: target(world, rate, seed), GRID, seeds=(11, 12), limit=10)
    assert found.grid == GRID
    stages = [each for trial in found.trials for each in trial.evaluations]
    models: list[Any] = [each.model for each in stages]
    assert [(each.config.learning_rate, each.config.seed) for each in models] == [
        (1e-4, 11), (1e-4, 12), (2e-2, 11), (2e-2, 12),
    ]  # fmt: skip
    assert {(each.task.name, each.language, each.limit) for each in stages} == {("nli-development", "en", 10)}
    assert {each.task.rows_in("en").split for each in stages} == {"validation"}
    assert repr(found) == "Tuned(grid=(0.0001, 0.02))"


def test_searches_that_choose_nothing_are_refused(world: tiny.World) -> None:
    def refused(said: str, train: Any, grid: Any = GRID, **more: Any) -> None:
        with pytest.raises(UserError, match=said):
            tune(train, grid, **more)

    refused("two values, each once", lambda rate, seed: target(world, rate, seed), ())
    refused("two rates or two seeds", lambda rate, seed: target(world, rate, seed), (1e-3, 1e-3))
    assert tune(lambda rate, seed: target(world, rate, seed), (1e-3,)) == 1e-3, "there is nothing to search"
    refused("same training for two rates", lambda rate, seed: target(world, 1e-3, seed))
    refused("same training for two rates", lambda rate, seed: target(world, rate, 1), seeds=(1, 2))
    refused("at least one seed", lambda rate, seed: target(world, rate, seed), seeds=())
    refused("returned None for the rate 0.0001", lambda rate, seed: None)
    topics = tiny.TOPIC
    refused(
        "topic has no development rows",
        lambda rate, seed: Train(world.bert, topics, LORA, TrainConfig(rate, epochs=1, seed=seed)),
    )
    with pytest.raises(UserError, match="learning_rate takes a number or a Tuned"):
        tiny.config(learning_rate="3e-4")


def test_a_plan_before_the_search_has_its_stages_and_counts_the_later_ones(world: tiny.World, tmp_path: Path) -> None:
    rate = tuned(world)
    recipe = Recipe("r", (*tiny.everywhere(target(world, rate)), *tiny.everywhere(target(world, 3e-3))))
    plan = make_plan(recipe, world.sources)
    assert [node.name for node in plan.nodes if node.kind == "train"] == ["bert.nli.lora-r4"] * 3
    assert {seed_of(node) for node in plan.nodes if node.kind == "train"} == {1, 11}
    assert [node.kind for node in plan.later] == ["train", "evaluate", "evaluate"]
    assert len(plan.ready) == 2
    assert plan.choices == {}
    assert [each.chosen for each in plan.tunings] == [None]
    waiting = plan.later[0].stage
    assert isinstance(waiting, Train)
    assert waiting.config.learning_rate == 2e-2, "the middle of the grid stands in for the choice"
    found = plan_json(plan, Store(tmp_path), Placement(Resources("cpu")))["tuning"]
    assert found["searches"][0]["scores"] == [{"value": 1e-4, "score": None}, {"value": 2e-2, "score": None}]
    assert (found["later"]["trainings"], found["later"]["evaluations"]) == (1, 2)


def test_the_best_mean_is_chosen_and_ties_take_the_first(world: tiny.World) -> None:
    three = search(lambda rate, seed: target(world, rate, seed), (1e-4, 1e-3, 1e-2), seeds=(11, 12))
    # Means 0.4, 0.5 and 0.5 (exactly, in binary).
    tuning = Tuning(three, ((0.5, 0.3), (0.25, 0.75), (0.5, 0.5)))
    assert tuning.chosen == 1e-3
    assert not tuning.is_at_edge
    assert tuning.means == (0.4, 0.5, 0.5)
    assert Tuning(three, ((0.5, 0.3), (0.25, 0.75), (0.75, 0.5))).is_at_edge
    assert Tuning(three, ((0.5, 0.3), (0.25, None), (0.75, 0.5))).chosen is None


def test_a_search_comes_after_those_that_its_own_trainings_need(world: tiny.World) -> None:
    inner = tuned(world)
    before = target(world, inner)
    outer = search(lambda rate, seed: target(world, rate, seed, start=Sequential(before)), seeds=(11,))
    stages = tiny.everywhere(target(world, outer, start=Sequential(before)))
    assert searches(stages) == [inner, outer]
    plan = make_plan(Recipe("r", stages), world.sources)
    assert [each.tuned for each in plan.tunings] == [inner], "the outer search waits for the inner one"
    assert {seed_of(node) for node in plan.nodes if node.kind == "train"} == {11}


def test_the_limit_and_the_precision_of_a_run_hold_for_the_search_too(world: tiny.World) -> None:
    recipe = Recipe("r", tiny.everywhere(target(world, tuned(world))))
    plan = make_plan(Edits(7, "bf16").recipe(recipe), world.sources)
    stages: list[Any] = [node.stage for node in (*plan.nodes, *plan.later)]
    assert {stage.limit for stage in stages} == {7}
    assert {stage.config.precision for stage in stages if isinstance(stage, Train)} == {"bf16"}


RECIPE = """
from pathlib import Path
from adaptx import Lora, Recipe, Sequential, evaluations, tune
from support import tiny

def build(world: str, grid: tuple[float, ...] = (1e-4, 2e-2)):
    model = tiny.known_world(Path(world)).bert

    def target(rate, seed, **more):
        setting = tiny.config(learning_rate=rate, seed=seed, max_steps=12)
        return tiny.train(model, tiny.NLI, Lora(4, 8), setting=setting, **more)

    first = target(tune(target, grid, seeds=(11,)), 1)
    rate = tune(lambda rate, seed: target(rate, seed, start=Sequential(first)), grid, seeds=(11,))
    second = target(rate, 1, start=Sequential(first))
    return Recipe("tuned", evaluations(first, tiny.NLI, ("xa",)) + evaluations(second, tiny.NLI, ("xa", "xb")))
"""
"""A recipe whose outer search needs the rate of its inner search."""


@dataclasses.dataclass(frozen=True)
class Tried:
    """A study that has run. given: the recipe. before: its plan before the run. shown: that plan as a table."""

    study: Study
    file: Path
    given: Recipe
    before: Plan
    shown: str
    notes: list[str]
    texts: list[str]


@pytest.fixture(scope="module")
def tried(world: tiny.World, tmp_path_factory: pytest.TempPathFactory) -> Tried:
    folder = tmp_path_factory.mktemp("tuned")
    file = folder / "recipe.py"
    file.write_text(RECIPE)
    settings = {"world": str(world.folder)}
    study = adaptx.open(file, store=folder / "store", data=world.folder, settings=settings)
    before, shown, notes = study.dag, repr(study.plan), Notes()
    study.run(device="cpu", progress=notes)
    return Tried(study, file, load_recipe(file, settings), before, shown, notes.notes, notes.texts)


def test_a_plan_tells_what_comes_after_tuning(tried: Tried) -> None:
    assert "to do: 2 trainings, 2 evaluations" in tried.shown
    assert "after tuning: 4 more trainings, 5 more evaluations" in tried.shown


def test_a_run_trains_the_searches_first_and_then_with_the_chosen_rates(tried: Tried) -> None:
    study, notes = tried.study, tried.notes
    assert len(tried.before.tunings) == 1
    assert len(tried.before.later) == 9
    plan: Plan = study.dag
    assert not plan.later
    assert len(plan.choices) == 2
    assert set(plan.statuses(study.store).values()) == {Status.STORED}
    for tuning in plan.tunings:
        scores = [
            stored(study, each).scores.metrics["accuracy"]
            for trial in tuning.tuned.trials
            for each in trial.evaluations
        ]
        assert tuning.means == tuple(scores)
        assert tuning.chosen == GRID[scores.index(max(scores))]
    told = [line for line in notes if line.startswith("tuned: bert.nli.lora-r4")]
    assert told
    assert f"has the learning rate {plan.tunings[0].chosen:g}" in told[0]


def test_the_whole_run_is_counted_with_the_stages_that_a_search_adds(tried: Tried) -> None:
    counted = [tuple(map(int, re.findall(r"\d+", text.partition(",")[0]))) for text in tried.texts]
    before, after = (len(tried.before.nodes) + len(tried.before.later), len(tried.study.dag.nodes))
    assert counted[0] == (1, before)
    assert counted[-1] == (after, after)
    begun = [stage for stage, _ in counted]
    assert begun == sorted(begun)
    assert any("left" in text for text in tried.texts)


def test_only_the_chosen_number_is_part_of_the_identity(world: tiny.World, tried: Tried) -> None:
    study = tried.study
    rate, later = (tuning.chosen for tuning in study.dag.tunings)
    assert rate is not None
    assert later is not None
    before = target(world, rate, steps=12)
    plain = Recipe("plain", tiny.everywhere(target(world, later, steps=12, start=Sequential(before))))
    plan = make_plan(plain, world.sources)
    assert set(plan.statuses(study.store).values()) == {Status.STORED}
    assert study.dag.ready[-1] == plain.evaluations[-1]


def test_a_second_run_does_nothing_and_a_lost_score_is_made_again(world: tiny.World, tried: Tried) -> None:
    import shutil

    study = tried.study
    assert study.run(device="cpu", progress=Notes()).finished == []
    trial = study.dag.tunings[0].tuned.trials[0].evaluations[0]
    shutil.rmtree(stored(study, trial).folder)
    again = adaptx.open(tried.given, store=study.store.root, data=world.folder)
    assert len(again.dag.later) == 9, "nothing that depends on the choice is planned before it is known again"
    assert [node.stage for node in again.run(device="cpu", progress=Notes()).finished] == [trial]


def test_the_report_shows_the_development_scores_and_warns(tried: Tried, tmp_path: Path) -> None:
    study = tried.study
    report = write_report(study.dag, study.store, tmp_path / "report")
    tables = [each for each in report.page if isinstance(each, Table)]
    (table,) = [each for each in tables if each.title == "Learning rates on development rows"]
    rows = [[cell.text for cell in row] for row in table.rows]
    for tuning, two in zip(study.dag.tunings, (rows[:2], rows[2:]), strict=True):
        assert two[0][0] == tuning.name
        assert two[1][0] == ""
        assert [row[1] for row in two] == ["0.0001", "0.02"]
        assert [row[2] for row in two] == [row[3] for row in two] == [percent(each) for each in tuning.means]
        assert [row[4] for row in two] == ["chosen" if each == tuning.chosen else "" for each in GRID]
    assert "with the seed 11." in table.caption
    assert "smallest or the largest value" in " ".join(report.warnings), "a grid of two values is all edge"
    assert "nli-development" not in set(report.table.task), "development scores are in no table of scores"
    assert "Learning rates on development rows" in report.html.read_text()


def test_searches_of_unequal_size_are_named(world: tiny.World) -> None:
    two, three = (
        Tuning(each, tuple((0.5,) for _ in each.grid))
        for each in (tuned(world), tuned(world, (1e-4, 1e-3, 1e-2), steps=4))
    )
    plan = make_plan(Recipe("r", tiny.everywhere(target(world, 1e-3))), world.sources)
    (warned, _) = tuning_warnings(dataclasses.replace(plan, tunings=(two, three)))
    assert "not equally large" in warned
    table = tuning_table(dataclasses.replace(plan, tunings=(two, three)))
    assert table is not None
    names = [row[0].text for row in table.rows if row[0].text]
    assert names == ["bert.nli.lora-r4 · max_steps 3", "bert.nli.lora-r4 · max_steps 4"]
    assert tuning_table(plan) is None


def test_a_training_of_the_given_recipe_loads_with_the_chosen_rate(world: tiny.World, tried: Tried) -> None:
    study = tried.study
    given = tried.given.evaluations[-1].model
    assert isinstance(given, Train)
    assert isinstance(given.config.learning_rate, Tuned)
    model = study.load(given, device="cpu")
    assert len(model.predict([("bebo gi", "bebo")])) == 1


def test_a_wider_grid_trains_the_new_value_alone(world: tiny.World, tried: Tried) -> None:
    given = ("--set", f"world={world.folder}", "--data", world.folder, "--store", tried.study.store.root)
    why = tiny.adaptx("plan", tried.file, *given, "--set", "grid=1e-4,2e-2,4e-2", "--why").stdout
    assert "to do: 1 trainings, 1 evaluations" in why
    assert "because config.learning_rate: " in why
