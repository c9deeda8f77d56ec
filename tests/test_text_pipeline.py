"""Text-framed stages through the real pipeline: plan, train, store, evaluate, continue, mix, merge, resume, serve."""

import json
import os
import signal
from dataclasses import replace

import pytest
import torch
from support import needs, small_world, tiny
from support.matrix import few
from support.text_bench import ARCHITECTURES, NLI_TEXT, TOPIC_TEXT, add_models

from adaptx.catalog import COPA, MNLI, SQUAD_V2, UDPOS
from adaptx.catalog.prompts import ANSWER_FROM_CONTEXT, CONTINUATION, NLI_YES_NO, TAGS
from adaptx.errors import UserError
from adaptx.execution import predicting, scoring
from adaptx.specs import (
    Best,
    Bottleneck,
    Evaluate,
    Full,
    Generate,
    KeptHeadOf,
    Linear,
    Lora,
    Merge,
    Merged,
    Mixture,
    Prompt,
    Rank,
    Resources,
    Sequential,
    Stack,
    Text,
    Train,
    Uniform,
)
from adaptx.training.progress import Silent
from adaptx.training.resume import SavedStates

LORA = Lora(4, 8, sites=("query", "value", "up"))
SETTING = tiny.config(max_steps=3, max_length=80)
TASKS = {
    "classification": (few(MNLI), Text(NLI_YES_NO)),
    "classification written": (few(MNLI), Text(NLI_YES_NO, Generate(), answer_tokens=8)),
    "multiple choice": (few(COPA), Text(CONTINUATION, Rank())),
    "question answering": (few(SQUAD_V2), Text(ANSWER_FROM_CONTEXT, Generate(), answer_tokens=12)),
    # The tests' Unigram tokenizer knows no capitals.
    "tagging": (
        few(UDPOS),
        Text(replace(TAGS, answers=tuple((tag, tag.lower()) for tag in UDPOS.format.labels)), Generate()),
    ),
}


@pytest.fixture(scope="module")
def models(world):
    return add_models(world)


def nli(model, method=LORA, **more):
    return Train(model, tiny.NLI, method, more.pop("config", SETTING), framing=more.pop("framing", NLI_TEXT), **more)


def result_of(plan, shop, stage, file="scores.json"):
    return json.loads((tiny.folder_of(plan, shop, stage) / file).read_text())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("name", TASKS)
def test_every_format_is_trained_and_scored(world, models, architecture, name, tmp_path):
    task, text = TASKS[name]
    small_world.mirror(world.folder, [task])
    train = Train(
        models[architecture], task, LORA, replace(SETTING, max_length=256, max_steps=2), framing=text, limit=6
    )
    evaluate = Evaluate(train, task, task.evaluation[0].language, limit=4)
    plan, shop, summary = tiny.execute(world, tmp_path, (evaluate,))
    assert not summary.failed
    found = result_of(plan, shop, evaluate)
    assert len(found["predictions"]) == found["rows_used"] > 0
    assert set(found["metrics"]) == set(task.metrics)
    assert result_of(plan, shop, train, "result.json")["head_parameters"] == 0
    assert not (tiny.folder_of(plan, shop, train) / "head.safetensors").exists()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_simple_mapping_is_learned(world, models, architecture, tmp_path):
    """Topics by their words, on rows that were trained on."""
    task = replace(tiny.TOPIC, evaluation=tiny.TOPIC.train)
    config = tiny.config(max_steps=60, batch_size=16, learning_rate=1e-2, max_length=64)
    train = Train(models[architecture], task, Full(), config, framing=TOPIC_TEXT)
    bare = Evaluate(models[architecture], task, "en", framing=TOPIC_TEXT)
    plan, shop, summary = tiny.execute(world, tmp_path, (Evaluate(train, task, "en"), bare))
    assert not summary.failed
    before = result_of(plan, shop, bare)["metrics"]["accuracy"]
    after = result_of(plan, shop, Evaluate(train, task, "en"))["metrics"]["accuracy"]
    assert after > 0.9 > before
    steps = (tiny.folder_of(plan, shop, train) / "steps.jsonl").read_text().splitlines()
    losses = [json.loads(line)["loss"] for line in steps]
    assert losses[-1] < losses[0] / 4


def starts(model):
    first = nli(model, config=replace(SETTING, seed=2))
    topic = Train(model, tiny.TOPIC, LORA, SETTING, framing=TOPIC_TEXT)
    return {
        "continued": nli(model, start=Sequential(topic)),
        "after full": nli(model, start=Sequential(Train(model, tiny.TOPIC, Full(), SETTING, framing=TOPIC_TEXT))),
        "stacked": nli(model, start=Stack((topic, first))),
        "merged": nli(model, start=Merged(Merge((topic, first), Linear(), KeptHeadOf(1)))),
        "bottleneck": nli(model, Bottleneck(4)),
        "bf16": nli(model, config=replace(SETTING, precision="bf16", selection=Best(every=2))),
    }


@pytest.mark.parametrize("architecture", ["llama", "mt5"])
def test_starts_and_reloading(world, models, architecture, tmp_path):
    """Evaluated again from the store, every start gives the same bits; a model of one prompt is asked by another."""
    targets = {name: train for name, train in starts(models[architecture]).items() if needs.at_hand(train)}
    other = Text(Prompt("{pair} question: {text} answer:", NLI_TEXT.prompt.answers))
    merge = targets["merged"].start.stage
    stages = [Evaluate(train, tiny.NLI, "xa") for train in targets.values()]
    stages += [Evaluate(merge, tiny.NLI, "xa"), Evaluate(targets["continued"], tiny.NLI, "xb", framing=other)]
    plan, shop, summary = tiny.execute(world, tmp_path / "store", tuple(stages), keep=True)
    assert not summary.failed
    for name, train in targets.items():
        stored = tiny.folder_of(plan, shop, train).name
        file = tmp_path / f"{name}.csv"
        file.write_text("text,pair\nrumi pere,pere\nnepa papu nusa,rumi\n")
        told = [
            predicting.predict_file(shop.store, world.sources, stored, file, Resources("cpu")).records for _ in range(2)
        ]
        assert told[0] == told[1]
        assert [set(row["probabilities"]) for row in told[0]] == [set(tiny.LABELS)] * 2
    if architecture == "llama":
        labelled = tmp_path / "labelled.csv"
        labelled.write_text("text,pair,label\nrumi pere,pere,entailment\nnepa papu nusa,rumi,neutral\n")
        scored = scoring.score_file(shop.store, world.sources, stored, labelled, Resources("cpu"))
        assert set(scored["metrics"]) == {"accuracy"}


def test_rows_of_ones_own_are_asked_in_their_language(world, models, tmp_path):
    turned = Prompt("{pair} ? {text} =", NLI_TEXT.prompt.answers)
    text = replace(NLI_TEXT, prompt=replace(NLI_TEXT.prompt, by_language=(("xa", turned),)))
    train = nli(models["llama"], framing=text)
    plan, shop, summary = tiny.execute(world, tmp_path / "store", (Evaluate(train, tiny.NLI, "xa"),), keep=True)
    assert not summary.failed
    stored = tiny.folder_of(plan, shop, train).name
    rows = world.folder / f"{tiny.NLI.rows_in('xa').address}.parquet"

    def predicted(language):
        found = predicting.predict_file(shop.store, world.sources, stored, rows, Resources("cpu"), language)
        return [line["prediction"] for line in found.records], [line["probabilities"] for line in found.records]

    refused = r"the language of the rows is unknown, and needed for the prompt of task nli; .*--language: en, xa, xb"
    with pytest.raises(UserError, match=refused):
        predicted(None)
    with pytest.raises(UserError, match="the prompt of task nli"):
        scoring.score_file(shop.store, world.sources, stored, rows, Resources("cpu"))
    assert predicted("xa")[0] == result_of(plan, shop, Evaluate(train, tiny.NLI, "xa"))["predictions"]
    assert predicted("xa")[1] != predicted("en")[1]
    scored = scoring.score_file(shop.store, world.sources, stored, rows, Resources("cpu"), "xa")
    assert scored["metrics"] == result_of(plan, shop, Evaluate(train, tiny.NLI, "xa"))["metrics"]
    assert scored["language"] == "xa"


def test_a_mixture_of_text_and_its_prompts(world, models, tmp_path):
    mixture = Mixture((tiny.TOPIC, tiny.NLI), Uniform(), label="mixed")
    train = Train(models["qwen3"], mixture, LORA, SETTING, framing=(TOPIC_TEXT, NLI_TEXT))
    plan, shop, summary = tiny.execute(world, tmp_path, tiny.everywhere(train))
    assert not summary.failed
    assert result_of(plan, shop, train, "result.json")["items_by_task"].keys() == {"topic", "nli"}


def test_micro_batches_change_nothing(world, models, tmp_path):
    train = nli(models["llama"])
    found = []
    for name, resources in (
        ("whole", Resources("cpu", micro_batch_tokens=4096)),
        ("parts", Resources("cpu", micro_batch_tokens=60)),
    ):
        plan, shop, summary = tiny.execute(world, tmp_path / name, (Evaluate(train, tiny.NLI, "xa"),), resources)
        assert not summary.failed
        steps = (tiny.folder_of(plan, shop, train) / "steps.jsonl").read_text().splitlines()
        found.append([json.loads(line)["loss"] for line in steps])
    assert found[0] == pytest.approx(found[1], rel=1e-4)


class Stopping(Silent):
    """Interrupts this very process behind its second step."""

    def advance(self, done, loss=None, examples_per_second=None):
        if done == 2:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("architecture", ["llama", "mt5"])
def test_an_interrupted_training_ends_with_the_same_weights(world, models, architecture, tmp_path):
    train = nli(models[architecture], config=replace(SETTING, max_steps=4, dropout=0.1))

    def begun(store):
        return tiny.begin(world, train, store)[0]

    whole = begun(tmp_path / "whole")
    whole.run(Silent())
    with pytest.raises(KeyboardInterrupt):
        begun(tmp_path / "stopped").run(Stopping(), SavedStates(tmp_path, 1e9))
    torch.manual_seed(99)
    resumed = begun(tmp_path / "stopped")
    outcome = resumed.run(Silent(), SavedStates(tmp_path, 1e9))
    assert [entry.step for entry in outcome.history.steps] == [1, 2, 3, 4]
    assert all(torch.equal(whole.own[key], tensor) for key, tensor in resumed.own.items())
