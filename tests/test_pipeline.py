"""The whole way, from stages to the store and back in a new process, for every method, start and architecture."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from support import needs, tiny
from support.pipeline import LORA, cases, evaluations, few, probabilities, scores, topic

from adaptx.data.reading import read_rows
from adaptx.errors import UserError
from adaptx.execution import train as training_stage
from adaptx.execution.building import finished_model, head_name
from adaptx.profiling import peak_memory as measuring
from adaptx.specs import Best, Evaluate, KeptHead, Mixture, Sequential
from adaptx.store.store import Store

CASES = cases({architecture: tiny.ModelSpec(f"tiny/{architecture}") for architecture in tiny.ARCHITECTURES})
each_case = pytest.mark.parametrize("case", needs.each(CASES, names=True))


@pytest.fixture(scope="module")
def done(world, tmp_path_factory):
    """(plan, workshop, live): all cases run; `live` holds each model's probabilities as they were after training."""
    live: dict[str, np.ndarray] = {}
    finish = training_stage.train_result

    def watch(train, prepared, outcome, peak, shop):
        fresh = prepared.model
        if tiny.NLI in train.tasks:
            head = fresh.heads[head_name(train, tiny.NLI)]
            live[shop.fingerprint_of(train)] = probabilities(fresh.backbone, head, fresh.tokenizer, train, shop)
        return finish(train, prepared, outcome, peak, shop)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_stage, "train_result", watch)
        plan, shop, summary = tiny.execute(
            world, tmp_path_factory.mktemp("pipeline") / "store", evaluations(world), keep=True
        )
    assert summary.complete, summary.failed
    return plan, shop, live


@pytest.fixture(scope="module")
def again(world, done, tmp_path_factory):
    """(probabilities by fingerprint, store) of a new process that had nothing but the store and the checkpoints."""
    _, shop, _ = done
    folder = tmp_path_factory.mktemp("again")
    shutil.copytree(shop.store.root, folder / "store")
    shutil.rmtree(folder / "store" / "evaluate")
    code = f"from support import pipeline; pipeline.reload({str(world.folder)!r}, {str(folder)!r})"
    ended = subprocess.run(
        [sys.executable, "-c", code], env=tiny.environment(), capture_output=True, text=True, timeout=300
    )
    assert ended.returncode == 0, ended.stderr
    return dict(np.load(folder / "probabilities.npz")), Store(folder / "store")


def test_every_training_records_its_predicted_peak_beside_the_measured_one(done) -> None:
    _, shop, _ = done
    results = [entry.result for entry in shop.store.entries().values() if entry.kind == "train"]
    assert results
    assert all(result.predicted_memory_bytes > 0 and result.peak_memory_bytes >= 0 for result in results)
    assert all(result.tokens_per_second > 0 for result in results)


@each_case
def test_a_model_comes_back_bit_for_bit_in_a_new_process(world, done, again, case):
    plan, shop, live = done
    reloaded, store = again
    train = cases(world.models)[case]
    fingerprint = plan.fingerprint_of(train)
    after_training = live[fingerprint]
    assert np.array_equal(reloaded[fingerprint], after_training)
    chosen = [tiny.LABELS[index] for index in after_training.argmax(axis=1)]
    assert after_training.std(axis=0).min() > 1e-4, "all rows get one answer, which shows nothing"
    found = []
    for stage in tiny.everywhere(train):
        first, second = (scores(each, plan.fingerprint_of(stage)) for each in (shop.store, store))
        for name in ("predictions", "metrics", "golds_file", "rows_used", "tokens_per_word", "unknown_share"):
            assert getattr(first, name) == getattr(second, name), name
        found += first.predictions
    assert found == chosen


@each_case
def test_a_finished_training_has_left_its_files(world, done, case):
    plan, shop, _ = done
    train = cases(world.models)[case]
    folder = tiny.folder_of(plan, shop, train)
    names = {path.name for path in folder.iterdir()}
    expected = {"stage.json", "module.json", "module.safetensors", "head.safetensors", "head.json", "steps.jsonl",
                "result.json", "complete"}  # fmt: skip
    assert names - {"system.jsonl"} == expected
    result = json.loads((folder / "result.json").read_text())
    assert result["steps"] == result["planned_steps"] == 3
    assert len((folder / "steps.jsonl").read_text().splitlines()) == 3
    rows = {"topic": 48, "nli": 60} if isinstance(train.task, Mixture) else {"nli": 60}
    assert result["rows_by_task"] == result["items_by_task"] == rows
    assert result["rows_used"] == sum(rows.values())
    formats = [head["labels"] for head in json.loads((folder / "head.json").read_text())["heads"].values()]
    assert formats == [list(task.format.labels) for task in train.tasks]
    # The head of a label set is a matrix and a vector over it.
    assert result["head_parameters"] == len(rows) * 3 * (tiny.HIDDEN_SIZE + 1)
    assert result["trainable_parameters"] > 0
    # What so small a training takes may lie in memory that the process had freed: test_peak_memory.py asks for more.
    assert result["peak_memory_bytes"] >= 0
    assert (result["selected_on"] is not None) == isinstance(train.config.selection, Best)


def test_the_measured_peak_is_what_a_result_says(world, tmp_path, monkeypatch):
    """The marks of the resident set are replaced: so small a model is lost in what else the process does."""
    levels = {"VmRSS": 3_000_000, "VmHWM": 7_500_000}
    monkeypatch.setattr(measuring, "_status_bytes", levels.__getitem__)
    monkeypatch.setattr(measuring, "_CLEAR", tmp_path / "clear_refs")
    train = tiny.train(world.bert, tiny.NLI, LORA, setting=tiny.config(max_steps=1))
    plan, shop, summary = tiny.execute(world, tmp_path / "store", tiny.everywhere(train), keep=True)
    assert summary.complete, summary.failed
    result = json.loads((tiny.folder_of(plan, shop, train) / "result.json").read_text())
    assert (result["peak_memory_bytes"], result["memory_measure"]) == (4_500_000, measuring.RESIDENT_MEASURE)


def test_nothing_is_left_in_the_working_folder(done):
    _, shop, _ = done
    working = shop.store.root / "working"
    assert list(working.iterdir()) == []


def test_golds_are_kept_once_a_language(done):
    _, shop, _ = done
    names = sorted(path.name.partition("-")[0] for path in (shop.store.root / "golds").iterdir())
    assert names == ["nli.xa", "nli.xb", "tatoeba.xa"]
    (file,) = (shop.store.root / "golds").glob("nli.xa*")
    assert json.loads(file.read_text())["golds"] == [tiny.LABELS[row % 3] for row in range(30)]


def test_bitext_needs_no_training_of_its_own(world, done):
    plan, shop, _ = done
    for model in world.models.values():
        found = {}
        for embedder in (model, topic(model, LORA)):
            result = scores(shop.store, plan.fingerprint_of(Evaluate(embedder, tiny.TATOEBA, "xa")))
            assert result.rows_used == len(result.predictions) == 40
            assert all(0 <= row < 40 for row in result.predictions)
            hits = sum(row == index for index, row in enumerate(result.predictions))
            assert result.metrics["accuracy"] == pytest.approx(hits / 40)
            found[embedder] = result.predictions
        assert found[model] != found[topic(model, LORA)], "the intermediate stage changes the embeddings"


def test_bitext_is_by_cosine_of_the_embeddings(world, done):
    plan, shop, _ = done
    model = finished_model(world.bert, shop, "fp32")
    examples = read_rows(tiny.TATOEBA.rows_in("xa"), tiny.TATOEBA.format, shop.sources)
    vectors = {}
    for side in ("query", "candidate"):
        pooled = []
        for text in examples.columns[side]:
            inputs = model.tokenizer(text, return_tensors="pt")
            with torch.no_grad():
                states = model.backbone.network(**inputs, output_hidden_states=True).hidden_states[1][0]
            pooled.append(states.mean(dim=0))
        stacked = torch.stack(pooled)
        vectors[side] = torch.nn.functional.normalize(stacked - stacked.mean(dim=0), dim=1)
    expected = (vectors["query"] @ vectors["candidate"].T).argmax(dim=1).tolist()
    assert scores(shop.store, plan.fingerprint_of(Evaluate(world.bert, tiny.TATOEBA, "xa"))).predictions == expected


def test_an_intermediate_is_scored_zero_shot_with_its_own_head(world, done):
    """Its labels come in another order than the evaluated task's: they go by name."""
    plan, shop, _ = done
    intermediate = few(world.bert, LORA)
    stages = tuple(Evaluate(intermediate, task, "xb") for task in (tiny.NLI, tiny.NLI_TURNED))
    plan, shop, summary = tiny.execute(world, shop.store.root, stages, keep=True)
    assert [node.kind for node in summary.finished] == ["evaluate", "evaluate"], "the training was stored"
    first, second = (scores(shop.store, plan.fingerprint_of(stage)) for stage in stages)
    assert first.predictions == second.predictions
    assert first.metrics == second.metrics
    assert len(set(first.predictions)) > 1
    hits = [p == tiny.LABELS[row % 3] for row, p in enumerate(first.predictions)]
    assert first.metrics["accuracy"] == pytest.approx(np.mean(hits))


def test_few_target_rows_continue_module_and_head(world, done):
    plan, shop, _ = done
    earlier = cases(world.models)["lora-bert-bf16"]
    more = tiny.train(world.bert, tiny.NLI_FEW, LORA, setting=tiny.config(learning_rate=1e-8, max_steps=1),
                      start=Sequential(earlier), head=KeptHead())  # fmt: skip
    stages = tiny.everywhere(more)
    plan, shop, summary = tiny.execute(world, shop.store.root, (*stages, *tiny.everywhere(earlier)), keep=True)
    assert summary.complete, summary.failed
    result = json.loads((tiny.folder_of(plan, shop, more) / "result.json").read_text())
    assert result["rows_used"] == 12
    # So small a step leaves module and head what they were: both were carried over, labels by name.
    old, new = (finished_model(train, shop, "fp32") for train in (earlier, more))
    (old_head,), (new_head,) = old.heads.values(), new.heads.values()
    rows = [old_head.format.labels.index(label) for label in new_head.format.labels]
    assert rows != sorted(rows)
    old_weight, new_weight = (head.module.linear.weight for head in (old_head, new_head))
    torch.testing.assert_close(new_weight, old_weight[rows], atol=1e-6, rtol=0)
    modules = [shop.module(train).tensors for train in (earlier, more)]
    for key in modules[0]:
        torch.testing.assert_close(modules[1][key], modules[0][key], atol=1e-6, rtol=0)


def test_a_user_file_with_an_unknown_label_is_named_by_its_line(world, done, tmp_path):
    from adaptx.execution.scoring import score_file
    from adaptx.specs import Resources

    plan, shop, _ = done
    name = tiny.folder_of(plan, shop, cases(world.models)["lora-bert-bf16"]).name
    file = tmp_path / "bad.csv"
    file.write_text("premise,hypothesis,label\nbafo,bafo,neutral\nbafo,bafo,perhaps\n")
    with pytest.raises(UserError, match=r"line 3: label 'perhaps' is not in the label set"):
        score_file(shop.store, world.sources, name, file, Resources("cpu"))


def test_intervals_of_a_users_file_draw_rows_that_share_a_text_together(world, done, tmp_path):
    """Rows that stand three times tell no more than one: only a column `cluster` says that they are independent."""
    from adaptx.execution.scoring import score_file
    from adaptx.specs import Resources

    plan, shop, _ = done
    name = tiny.folder_of(plan, shop, cases(world.models)["lora-bert-bf16"]).name
    file = tmp_path / "mine.jsonl"
    rows = [
        {"premise": tiny.word("en", number), "hypothesis": tiny.word("en", 1), "label": tiny.LABELS[number % 3]}
        for number in range(12)
    ]

    def scored(rows: list) -> dict:
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return score_file(shop.store, world.sources, name, file, Resources("cpu"))

    once, thrice = scored(rows), scored([row for row in rows for _ in range(3)])
    apart = scored([{**row, "cluster": f"{row['premise']}{copy}"} for row in rows for copy in range(3)])
    assert once["metrics"] == thrice["metrics"] == apart["metrics"]
    assert (once["clusters"], thrice["clusters"], apart["clusters"]) == (12, 12, 36)
    (low, high), (narrow_low, narrow_high) = thrice["intervals"]["accuracy"], apart["intervals"]["accuracy"]
    assert [low, high] == once["intervals"]["accuracy"]
    assert narrow_high - narrow_low < high - low


def test_predict_gives_the_very_probabilities_of_the_training(world, done):
    from adaptx.execution.predicting import predict_file
    from adaptx.specs import Resources

    plan, shop, live = done
    for case in ("lora-bert-bf16", "bottleneck-fuse-xlm-roberta-bf16", "full-after-lora-xlm-roberta-bf16"):
        if not needs.at_hand(train := cases(world.models)[case]):
            continue
        fingerprint = plan.fingerprint_of(train)
        lines = []
        for language in ("xa", "xb"):
            file = world.folder / f"tiny/nli/{language}/test.parquet"
            kept = Store(shop.store.root)
            lines += predict_file(kept, world.sources, fingerprint[:12], file, Resources("cpu")).records
        found = np.array([list(line["probabilities"].values()) for line in lines], dtype=np.float32)
        assert np.array_equal(found, live[fingerprint]), case
