"""Rows that a recipe's own tasks give and nothing reads are told when planning; what is read is not."""

import dataclasses
import json

import pytest
from support.fake_store import fake_mirror

from adaptx.catalog import E5_MINI, MT5_ZERO_SHOT, NLI, SNLI, TATOEBA, XNLI, XTREME, local_task
from adaptx.planning.plan import make_plan
from adaptx.planning.unread import unread
from adaptx.sources.sources import Sources
from adaptx.specs import Best, Classification, Evaluate, Group, Lora, PublishedScore, Recipe, Suite, Train, TrainConfig

LAST = TrainConfig(1e-3, max_steps=3)
BEST = dataclasses.replace(LAST, selection=Best(1))


@pytest.fixture
def news(tmp_path):
    file = tmp_path / "news.csv"
    file.write_text("text,label\na,sport\nb,politics\n")
    kinds = {"train": {"en": file}, "development": {"en": file}, "evaluation": {"en": file, "sw": file}}
    return local_task("news", Classification(("sport", "politics")), **kinds)


def told(tmp_path, *evaluations: Evaluate) -> list[str]:
    data = fake_mirror(tmp_path / "data", NLI, SNLI)
    return unread(make_plan(Recipe("r", evaluations), Sources(data)))


def test_development_rows_are_read_by_best_alone(news, tmp_path) -> None:
    def everywhere(config):
        return [Evaluate(Train(E5_MINI, news, Lora(), config), news, language) for language in news.languages]

    assert told(tmp_path, *everywhere(BEST)) == []
    (line,) = told(tmp_path, *everywhere(LAST))
    assert "development rows of news, because selection=Last() keeps" in line
    assert "TrainConfig(selection=Best(every=...))" in line
    # One training that reads them is enough.
    assert told(tmp_path, *everywhere(LAST), *everywhere(BEST)) == []


def test_languages_that_nothing_evaluates_are_named(news, tmp_path) -> None:
    (line,) = told(tmp_path, Evaluate(Train(E5_MINI, news, Lora(), BEST), news, "en"))
    assert line == "not read: the evaluation rows of news in sw; add Evaluate(model, task, language)"


def test_tasks_of_the_catalog_are_left_out(tmp_path) -> None:
    assert told(tmp_path, Evaluate(Train(E5_MINI, SNLI, Lora(), LAST), NLI, "id")) == []


def test_plans_tell_it(news, tmp_path, capsys, monkeypatch) -> None:
    from adaptx.cli import app as cli

    recipe = tmp_path / "recipe.py"
    recipe.write_text(f"""
from adaptx import *
from adaptx.catalog import E5_MINI, local_task
FILES = {{"en": {str(tmp_path / "news.csv")!r}}}
NEWS = local_task("news", Classification(("sport", "politics")), FILES, FILES, FILES)
def build():
    return Recipe("r", (Evaluate(Train(E5_MINI, NEWS, Lora(), TrainConfig(1e-3, max_steps=1)), NEWS, "en"),))
""")
    for options in ([], ["--json"]):
        words = ["plan", str(recipe), "--data", "sample", "--store", str(tmp_path / "store"), *options]
        monkeypatch.setattr("sys.argv", ["adaptx", *words])
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert not end.value.code
        shown = capsys.readouterr().out
        notes = json.loads(shown)["notes"] if options else shown.splitlines()
        assert any("news is trained on rows that news is scored on" in line for line in notes)
        notes = [line for line in notes if line.startswith("not read")]
        assert len(notes) == 1
        assert notes[0].startswith("not read: the development rows of news, because selection=Last()")


def test_suites_and_published_scores_that_no_evaluation_answers_to_are_told(tmp_path) -> None:
    scores = [
        PublishedScore(
            model="e5-mini", task=task, metric=metric, with_intermediate=False, value=0.5, source="a paper", band=0.01
        )
        for task, metric in (("nli", "accuracy"), ("nli", "f1"), ("nil", "accuracy"))
    ]
    recipe = Recipe(
        "r", (Evaluate(E5_MINI, TATOEBA, "fi"), Evaluate(Train(E5_MINI, SNLI, Lora(), LAST), NLI, "id")),
        suites=(XTREME, Suite("mine", (Group("pairs", (XNLI,)),))), published=(*scores, *MT5_ZERO_SHOT),
    )  # fmt: skip
    data = fake_mirror(tmp_path / "data", NLI, SNLI, TATOEBA)
    assert unread(make_plan(recipe, Sources(data))) == [
        "not read: the suite mine, because none of its tasks is evaluated; add Evaluate(model, task, language)",
        "not read: the published f1 of e5-mini on nli, because nli has the metrics accuracy",
        "not read: the published accuracy of e5-mini on nil, because no task 'nil' is evaluated",
    ]
