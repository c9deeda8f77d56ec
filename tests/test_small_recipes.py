"""The script behind `make recipes`: runs what is not stored, reports, writes the page; then answers from the store."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from support import tiny

from adaptx.cli.app import app

FILE = Path(__file__).parents[1] / "benchmarks" / "small_recipes.py"
RECIPE = """
from adaptx import Evaluate, Lora, ModelSpec, Recipe, Train, TrainConfig
from adaptx.catalog import E5_MINI, NLI, SNLI

def build(size: str = "full", model: ModelSpec = E5_MINI) -> Recipe:
    train = Train(model, SNLI, Lora(rank=2), TrainConfig(learning_rate=1e-3, max_steps=1, batch_size=4), limit=8)
    return Recipe(f"tiny-{size}", (Evaluate(train, NLI, "id", limit=4),))
"""


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("small_recipes", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["small_recipes"] = module
    spec.loader.exec_module(module)
    return module


def test_the_questions_are_the_recipes(script) -> None:
    from support import questions

    assert {question.name for question in script.QUESTIONS} >= set(questions.COUNTS)


def test_a_second_run_answers_from_the_store(script, world, tmp_path, monkeypatch, empty_database) -> None:
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "tiny.py").write_text(RECIPE)
    monkeypatch.setattr(script, "ROOT", tmp_path)
    monkeypatch.setattr(script, "RESULTS", tmp_path / "results")
    store, model = tiny.new_store(tmp_path / "store", empty_database), world.bert.hub_id
    folder = model if Path(model).is_dir() else str(world.folder / "models" / model)
    ran: list[tuple[str, ...]] = []
    in_a_process = script.adaptx

    def adaptx(*words: str) -> None:
        ran.append(words)
        if words[0] == "run":
            in_a_process(*words)
        else:
            # A report needs none of its own.
            app(list(words), standalone_mode=False)

    monkeypatch.setattr(script, "adaptx", adaptx)
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        script.run(script.Small(name="tiny", model="e5_small"), "sample", store, folder, workers=1)
    assert [words[0] for words in ran] == ["run", "report", "report"]
    page = (tmp_path / "results" / "tiny.md").read_text()
    assert "adaptx run recipes/tiny.py --size medium --data DIR --model DIR\n" in page
    assert str(tmp_path) not in page
    assert "processor seconds" in page
    assert "Took 0 processor" not in page
    assert "4 / 2,201" in page
    assert (store / "reports" / "tiny" / "report.html").is_file()


def test_processor_seconds_stand_where_they_are_known(script, tmp_path) -> None:
    file, small = tmp_path / "seconds.json", script.Small(name="tiny")
    assert "its time was not recorded here" in script.page(small, script.add(file, script.Spent()), "")
    script.add(file, script.Spent(30.0, 20.0))
    spent = script.add(file, script.Spent(12.0, 5.0))
    assert "Took 42 processor seconds (25 of wall time, " in script.page(small, spent, "")
    assert script.add(file, script.Spent()) == spent
    assert "Took 28 seconds of wall time with 2 workers" in script.page(
        small, script.add(file, script.Spent(0.0, 3.0, 2)), ""
    )


def test_the_time_of_an_interrupted_run_counts(script, tmp_path) -> None:
    file = tmp_path / "seconds.json"
    with pytest.raises(KeyboardInterrupt), script.timed(file, 2):
        raise KeyboardInterrupt
    once = script.add(file, script.Spent())
    assert once.wall_seconds > 0
    assert once.workers == 2
    with script.timed(file, 1):
        pass
    again = script.add(file, script.Spent())
    assert again.wall_seconds > once.wall_seconds
    assert again.workers == 2, "the larger number"
