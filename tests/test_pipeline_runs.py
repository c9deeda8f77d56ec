"""What a run keeps and removes, what a failure stops and how it is told; a finished training on the user's own rows."""

import dataclasses
import functools
import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import tiny
from support.pipeline import FULL, LORA, scores, topic

from adaptx.catalog import local_task
from adaptx.data.reading import read_rows, read_training
from adaptx.errors import UserError
from adaptx.execution.local import run
from adaptx.files.left_out import LeftOut
from adaptx.planning.plan import Status
from adaptx.report.tables.provenance import left_out_table
from adaptx.sources.sources import Sources
from adaptx.specs import Evaluate, Hidden, QuestionAnswering, Retrieval, Sequential, Train
from adaptx.store.store import Store
from adaptx.training.progress import Silent


def test_weights_of_full_targets_go_once_their_scores_are_stored(world, tmp_path):
    target = tiny.train(world.bert, tiny.NLI, FULL, start=Sequential(topic(world.bert, FULL)))
    kept = tiny.train(world.bert, tiny.NLI, FULL, setting=tiny.config(seed=2), keep=True)
    small = tiny.train(world.bert, tiny.NLI, LORA)
    stages = tuple(each for train in (target, kept, small) for each in tiny.everywhere(train))
    before_any, shop = tiny.workshop(world, tmp_path, stages)
    assert [node.stage for node in before_any.weights_that_go(shop.store)] == [target]
    plan, shop, summary = tiny.execute(world, tmp_path, stages)
    assert summary.complete
    assert plan.weights_that_go(shop.store) == []
    has_module = {train: shop.store.find(plan.fingerprint_of(train)).has_module for train in plan_trainings(plan)}
    assert has_module == {target: False, kept: True, small: True, target.start.stage: True}
    statuses = plan.statuses(shop.store)
    assert statuses[plan.fingerprint_of(target)] is Status.SCORES_ONLY
    with pytest.raises(UserError, match="--keep"):
        shop.module(target)
    before = scores(shop.store, plan.fingerprint_of(tiny.everywhere(target)[0]))
    # Nothing is to do; asked to keep them, the weights are made again, and the scores stay.
    _, _, idle = tiny.execute(world, tmp_path, stages)
    assert idle.finished == []
    _, shop, made = tiny.execute(world, tmp_path, stages, keep=True)
    assert [node.stage for node in made.finished] == [target]
    assert shop.store.find(plan.fingerprint_of(target)).has_module
    # A later run that does not ask for them would remove them.
    assert [node.stage for node in plan.weights_that_go(shop.store)] == [target]
    (tiny.folder_of(plan, shop, tiny.everywhere(target)[0]) / "complete").unlink()
    plan, shop, rescored = tiny.execute(world, tmp_path, stages, keep=True)
    assert [node.kind for node in rescored.finished] == ["evaluate"]
    after = scores(shop.store, plan.fingerprint_of(tiny.everywhere(target)[0]))
    assert after.predictions == before.predictions


def plan_trainings(plan) -> list[Train]:
    return [node.stage for node in plan.nodes if node.kind == "train"]


def test_a_stage_that_fails_takes_only_its_dependents_with_it(world, tmp_path):
    """The topics' rows are changed after the start, when they have been checked already; they can still be read."""
    mirror = tmp_path / "mirror"
    shutil.copytree(world.folder, mirror)
    here = tiny.known_world(mirror)
    first = tiny.train(here.bert, tiny.NLI, LORA)
    failing = topic(here.bert, FULL)
    over = tiny.train(here.bert, tiny.NLI, FULL, start=Sequential(failing))
    last = tiny.train(here.bert, tiny.NLI, FULL)
    stages = tuple(each for train in (first, over, last) for each in tiny.everywhere(train))

    def spoil(nodes) -> None:
        path = mirror / "tiny/topic/en/train.parquet"
        pq.write_table(pq.read_table(path).slice(1), path)

    plan, shop, summary = tiny.execute(here, tmp_path / "store", stages, after=spoil)
    assert not summary.complete
    failed = {plan.fingerprint_of(stage): stage for stage in (failing, over, *tiny.everywhere(over))}
    assert set(summary.failed) == set(failed)
    assert set(summary.errors) == {plan.fingerprint_of(failing)}
    assert "topic/en/train.parquet changed while adaptx was" in summary.failed[plan.fingerprint_of(failing)]
    assert "skipped, because it needs bert.topic.full, which failed" in summary.failed[plan.fingerprint_of(over)]
    for train in (first, last):
        assert shop.store.find(plan.fingerprint_of(train)) is not None
        assert all(shop.store.find(plan.fingerprint_of(each)) is not None for each in tiny.everywhere(train))


def test_an_evaluation_that_fails_leaves_the_others_of_its_model(world, tmp_path):
    deep = Evaluate(world.bert, tiny.TATOEBA, "xa", framing=Hidden(layer=99))
    fine = Evaluate(world.bert, tiny.TATOEBA, "xa")
    plan, _, summary = tiny.execute(world, tmp_path, (deep, fine))
    assert [node.stage for node in summary.finished] == [fine]
    refusal = f"Hidden(layer=99): the checkpoint has only {tiny.LAYERS} layers; use a layer from 0 to {tiny.LAYERS}"
    assert summary.failed == {plan.fingerprint_of(deep): refusal}


def test_bad_rows_stop_the_run_before_the_first_stage(world, tmp_path):
    mirror = tmp_path / "mirror"
    shutil.copytree(world.folder, mirror)
    here = tiny.known_world(mirror)
    (mirror / "tiny/nli/xb/test.parquet").write_bytes((mirror / "tiny/topic/en/train.parquet").read_bytes())
    train = tiny.train(here.bert, tiny.NLI, LORA)
    with pytest.raises(UserError, match=r"xb/test\.parquet has no column 'premise'.*it has: text, topic"):
        tiny.execute(here, tmp_path / "store", tiny.everywhere(train))
    assert not list((tmp_path / "store").glob("train/*"))


class Noted(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


def test_what_is_left_out_is_said_once_a_set_and_recorded(world, tmp_path):
    """Rows without a gold label (here those of label 1), of a set to train on and one that two models are scored on."""
    without = [dataclasses.replace(rows, dropped_labels=(1,)) for rows in (*tiny.NLI.train, tiny.NLI.evaluation[1])]
    task = dataclasses.replace(tiny.NLI, train=(without[0],), evaluation=(without[1],))
    trainings = [tiny.train(world.bert, task, method) for method in (FULL, LORA)]
    plan, shop = tiny.workshop(world, tmp_path, tuple(Evaluate(each, task, "xa") for each in trainings))
    noted = Noted()
    run(plan, shop, noted, keep=True)
    labels = [pq.read_table(world.folder / f"{rows.address}.parquet")["label"].to_pylist() for rows in without]
    expected = [
        LeftOut(reason="no gold label (1)", count=each.count(1), first=each.index(1), where=str(file))
        for each, file in zip(labels, (world.folder / f"{rows.address}.parquet" for rows in without), strict=True)
    ]
    assert sorted(line for line in noted.lines if "left out" in line) == sorted(map(str, expected))
    for training in trainings:
        result = json.loads((tiny.folder_of(plan, shop, training) / "result.json").read_text())
        assert result["left_out"] == [dataclasses.asdict(expected[0])]
        scored = tiny.folder_of(plan, shop, Evaluate(training, task, "xa"))
        assert json.loads((scored / "scores.json").read_text())["left_out"] == [dataclasses.asdict(expected[1])]
    table = left_out_table(plan, shop.store)
    assert table is not None
    assert {tuple(cell.text for cell in row) for row in table.rows} == {
        (each.where, "left out: no gold label (1)", f"{each.count} rows", f"row {each.first}") for each in expected
    }


def test_what_a_pool_leaves_out_is_said_and_recorded(world, tmp_path):
    """Candidates are rows like others: a blank line among them is counted where queries are scored against them."""
    questions, candidates = tmp_path / "questions.jsonl", tmp_path / "candidates.jsonl"
    words = [tiny.word("en", number) for number in range(4)]
    questions.write_text("".join(json.dumps({"query": word, "gold": [word]}) + "\n" for word in words))
    pool = [json.dumps({"id": word, "candidate": word}) for word in words]
    candidates.write_text("\n".join([*pool[:2], "", *pool[2:]]))
    task = local_task("search", Retrieval(), evaluation={"en": questions}, pool={"en": candidates})
    stage = Evaluate(world.bert, task, "en")
    plan, shop = tiny.workshop(world, tmp_path / "store", (stage,))
    noted = Noted()
    run(plan, shop, noted)
    expected = LeftOut(reason="blank", count=1, first=3, unit="line", where=str(candidates))
    assert [line for line in noted.lines if "left out" in line] == [str(expected)]
    scores = json.loads((tiny.folder_of(plan, shop, stage) / "scores.json").read_text())
    assert scores["left_out"] == [dataclasses.asdict(expected)]
    candidates.write_text("\n".join([*pool, pool[0]]))
    plan, shop = tiny.workshop(world, tmp_path / "store", (stage,))
    with pytest.raises(UserError, match=r"have the id .* twice"):
        run(plan, shop, noted)


def test_rows_that_any_seed_draws_are_checked_before_the_first_stage(world, tmp_path):
    """Each training reads its own rows under a limit: a bad one that only the second draws stops the run at once."""
    path, scored = tmp_path / "rows.jsonl", tmp_path / "scored.jsonl"
    rows = [{"text": f"word {number}", "label": tiny.TOPICS[number % 3]} for number in range(30)]
    lines = [json.dumps(row) + "\n" for row in rows]
    path.write_text("".join(lines))
    scored.write_text("".join(lines))
    task = local_task("mine", tiny.TOPIC.format, {"en": path}, evaluation={"en": scored})
    trainings = [tiny.train(world.bert, task, LORA, limit=6, limit_seed=seed) for seed in (1, 2)]
    drawn = [read_training(task, Sources(), 6, seed).rows for seed in (1, 2)]
    bad = min({*drawn[1]} - {*drawn[0]})
    lines[bad] = json.dumps({**rows[bad], "text": 7}) + "\n"
    path.write_text("".join(lines))
    stages = tuple(Evaluate(each, task, "en") for each in trainings)
    with pytest.raises(UserError, match=f"line {bad + 1}: text is 7"):
        tiny.execute(world, tmp_path / "store", stages)
    assert not list((tmp_path / "store").glob("train/*"))


def test_one_class_alone_is_said_and_recorded(world, tmp_path):
    """A set of one label, and one whose rows all read alike, so that no model can tell them apart."""
    mirror = tmp_path / "mirror"
    shutil.copytree(world.folder, mirror)
    here = tiny.known_world(mirror)
    file = mirror / f"{tiny.NLI.rows_in('xa').address}.parquet"
    table = pq.read_table(file)
    alike = {"premise": [table["premise"][0].as_py()] * 6, "hypothesis": [table["hypothesis"][0].as_py()] * 6}
    pq.write_table(pa.table({**alike, "label": [0, 1, 2, 0, 1, 2]}), file)
    other = dataclasses.replace(tiny.NLI.rows_in("xb"), dropped_labels=(1, 2))
    task = dataclasses.replace(tiny.NLI, evaluation=(tiny.NLI.rows_in("xa"), other))
    train = tiny.train(here.bert, task, LORA)
    stages = tuple(Evaluate(train, task, language) for language in ("xa", "xb"))
    plan, shop = tiny.workshop(here, tmp_path / "store", stages)
    noted = Noted()
    run(plan, shop, noted)
    records = [json.loads((tiny.folder_of(plan, shop, stage) / "scores.json").read_text()) for stage in stages]
    assert records[0]["one_class"]["golds"] is None
    assert records[0]["one_class"]["predictions"] == records[0]["predictions"][0]
    assert records[1]["one_class"]["golds"] == "entailment"
    said = next(line for line in noted.lines if "nli in xa: all 6 predictions are" in line)
    assert said.startswith("lora-r8 · baseline, ")
    assert "train it with a higher learning rate, more steps or more rows" in said
    assert any("nli in xb: all" in line and "gold answers of this set are entailment" in line for line in noted.lines)


def test_answers_that_no_window_holds_are_said_and_recorded(world, tmp_path):
    words = [tiny.word("en", number % 20) for number in range(200)]
    context = " ".join(words)
    rows = [
        {"question": words[0], "context": context, "answers": [context], "answer_starts": [0]},
        {"question": words[1], "context": context, "answers": [words[0]], "answer_starts": [0]},
    ]
    file = tmp_path / "questions.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = local_task("questions", QuestionAnswering(), {"en": file}, evaluation={"en": file})
    train = tiny.train(world.bert, task, LORA)
    plan, shop = tiny.workshop(world, tmp_path / "store", (Evaluate(train, task, "en"),))
    noted = Noted()
    assert run(plan, shop, noted).complete
    (said,) = [line for line in noted.lines if "holds the whole answer" in line]
    assert said.startswith("training rows of questions: left out 1 row: no window")
    (record,) = json.loads((tiny.folder_of(plan, shop, train) / "result.json").read_text())["left_out"]
    assert (record["count"], record["first"]) == (1, 0)
    file.write_text(json.dumps(rows[0]) + "\n")
    plan, shop, summary = tiny.execute(world, tmp_path / "store", (Evaluate(train, task, "en"),))
    assert "no usable training rows" in str(next(iter(summary.failed.values())))


def test_rules_of_a_language_need_the_language(world, tmp_path):
    """MLQA's rules drop each language's articles: `la` is one in Spanish, not in English."""
    from adaptx.execution.scoring import score_file
    from adaptx.specs import Resources

    word = tiny.word("en", 1)

    def row(answer: str) -> str:
        columns = {"question": word, "context": word, "answers": [answer], "answer_starts": [0]}
        return json.dumps(columns) + "\n"

    train_file, own = tmp_path / "questions.jsonl", tmp_path / "own.jsonl"
    train_file.write_text(row(word) * 3)
    metrics = ("mlqa_f1", "mlqa_exact_match")
    several = {"en": train_file, "es": train_file}
    task = local_task("questions", QuestionAnswering(), {"en": train_file}, evaluation=several, metrics=metrics)
    train = tiny.train(world.bert, task, LORA)
    plan, shop, summary = tiny.execute(world, tmp_path / "store", (Evaluate(train, task, "en"),))
    assert summary.complete
    name = tiny.folder_of(plan, shop, train).name
    own.write_text(row(word))
    score = functools.partial(score_file, shop.store, world.sources, name, own, Resources("cpu"))
    with pytest.raises(UserError, match=r"needed for mlqa_f1 and mlqa_exact_match of task .*; .*--language: en, es"):
        score()
    with pytest.raises(UserError, match="mlqa_f1 has no rules for the language 'fr', only for ar, de, en"):
        score(language="fr")
    (predicted,) = score(language="en")["predictions"]
    assert predicted
    own.write_text(row(f"la {predicted}"))
    assert score(language="es")["metrics"]["mlqa_exact_match"] == 1, "la is an article there"
    assert score(language="en")["metrics"]["mlqa_exact_match"] == 0


def test_a_module_of_another_checkpoint_is_refused_with_both_digests(world, tmp_path):
    from adaptx.execution.predicting import predict_file
    from adaptx.specs import Resources

    mirror = tmp_path / "mirror"
    shutil.copytree(world.folder, mirror)
    here = tiny.known_world(mirror)
    train = tiny.train(here.bert, tiny.NLI, LORA)
    plan, shop, _ = tiny.execute(here, tmp_path / "store", tiny.everywhere(train))
    before = here.sources.model(here.bert).digest
    config = mirror / "models/tiny/bert/config.json"
    config.write_text(config.read_text() + " ")
    after = Sources(mirror).model(here.bert).digest
    assert before != after
    name = tiny.folder_of(plan, shop, train).name
    rows = mirror / "tiny/nli/xa/test.parquet"
    with pytest.raises(UserError, match=rf"digest {before}, but tiny/bert now has the digest {after}"):
        predict_file(Store(tmp_path / "store"), Sources(mirror), name, rows, Resources("cpu"))


RECIPE = """
import pathlib
from support import tiny
from adaptx.specs import Evaluate, Full, Lora, Recipe

def build(world: str = "") -> Recipe:
    model = tiny.known_world(pathlib.Path(world)).bert
    trains = [tiny.train(model, tiny.NLI, method) for method in (Lora(), Full())]
    return Recipe("two", tuple(each for train in trains for each in tiny.everywhere(train)))
"""


@pytest.fixture(scope="module")
def from_the_command_line(world, tmp_path_factory, empty_database):
    """(store, what the run said): one of two trainings has no place for its saved state, and fails."""
    from adaptx.planning.recipe_file import load_recipe

    folder = tmp_path_factory.mktemp("cli")
    (folder / "recipe.py").write_text(RECIPE)
    tiny.new_store(folder / "store", empty_database)
    common = ("--store", folder / "store", "--data", world.folder, "--set", f"world={world.folder}")
    recipe = load_recipe(folder / "recipe.py", {"world": str(world.folder)})
    plan, shop = tiny.workshop(world, folder / "store", recipe.evaluations)
    held = plan.fingerprint_of(recipe.evaluations[-1].model)
    broken = shop.store.root / "working" / held[:16]
    broken.parent.mkdir(parents=True)
    broken.write_text("a file where a folder is to be")
    ended = tiny.adaptx("run", folder / "recipe.py", *common, "--device", "cpu", check=1)
    return folder, ended, common


def test_a_failed_stage_is_exit_status_1_and_the_others_are_stored(from_the_command_line):
    folder, ended, _ = from_the_command_line
    assert "3 stages failed or were skipped" in ended.stderr
    assert "FileExistsError: " in ended.stderr
    assert str(folder / "store" / "working") in ended.stderr
    assert "Traceback" not in ended.stderr
    kinds = [entry.kind for entry in Store(folder / "store").entries().values()]
    assert sorted(kinds) == ["evaluate", "evaluate", "train"]


def test_predict_and_evaluate_on_the_users_own_files(world, from_the_command_line):
    folder, _, (*place, _, _) = from_the_command_line
    (entry,) = [each for each in Store(folder / "store").entries().values() if each.kind == "train"]
    examples = read_rows(tiny.NLI.rows_in("xa"), tiny.NLI.format, world.sources)
    pairs = list(zip(*(examples.columns[role] for role in ("text", "pair", "label")), strict=True))
    (folder / "pairs.csv").write_text("premise,hypothesis\n\n" + "".join(f"{a},{b}\n" for a, b, _ in pairs))
    (folder / "mine.jsonl").write_text(
        "".join(json.dumps({"text": a, "pair": b, "label": label}) + "\n" for a, b, label in pairs)
    )
    ended = tiny.adaptx("predict", entry.folder.name, folder / "pairs.csv", *place, "--device", "cpu")
    assert f"{folder / 'pairs.csv'}: left out 1 line: blank; the first is line 2" in ended.stderr.replace("\n", "")
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    (stored,) = [
        each.result
        for each in Store(folder / "store").entries().values()
        if each.kind == "evaluate" and each.scores.language == "xa"
    ]
    assert [line["prediction"] for line in lines] == stored.predictions
    assert [(line["premise"], line["hypothesis"]) for line in lines] == [(a, b) for a, b, _ in pairs]
    for line in lines:
        assert tuple(line["probabilities"]) == tiny.LABELS
        assert sum(line["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    asked = ("evaluate", entry.fingerprint[:10], "--task", folder / "mine.jsonl", *place, "--json", "--device", "cpu")
    mine = json.loads(tiny.adaptx(*asked).stdout)
    assert mine["metrics"] == stored.metrics
    assert mine["left_out"] == []
    assert mine["predictions"] == stored.predictions
    low, high = mine["intervals"]["accuracy"]
    assert low < mine["metrics"]["accuracy"] < high
