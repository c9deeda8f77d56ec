"""Every architecture trained on five formats at once, stored, and read again bit for bit; evaluated zero-shot.

Methods take turns over the architectures; with ADAPTX_MATRIX=1 each has all (`make matrix`).
"""

import itertools
import os
from dataclasses import replace

import pytest
import torch
from support import checkpoints, format_bench, matrix, needs, small_world, tiny

from adaptx.backbones.batching import encode_texts
from adaptx.data.reading import read_rows
from adaptx.execution import train as training_stage
from adaptx.execution.building import FinishedModel, finished_model, head_name
from adaptx.execution.evaluate import make_evaluator
from adaptx.planning.lineage import head_task
from adaptx.specs import Bottleneck, Evaluate, Full, Ia3, Lora, Mixture, ModelFamily, Pooling, Resources, Train, Uniform
from adaptx.store.store import Store
from adaptx.training.progress import Silent

FORMATS = ("classification", "multiple choice", "tagging", "question answering", "retrieval")
TASKS = tuple(matrix.few(matrix.FORMATS[name]) for name in FORMATS)
METHODS = {"Full": Full(), "Lora": Lora(2, 4), "Bottleneck": Bottleneck(4), "Ia3": Ia3()}
EVERY = [(architecture, method) for architecture in checkpoints.KINDS for method in METHODS]
TURNS = list(zip(checkpoints.KINDS, itertools.cycle(METHODS), strict=False))
CASES = EVERY if os.environ.get(matrix.ALL) else TURNS


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    models = small_world.make_models(tmp_path_factory.mktemp("models"), tuple(checkpoints.KINDS))
    folder = tmp_path_factory.mktemp("mirror")
    small_world.mirror(folder, TASKS)
    return small_world.world(folder, models)


def training(model, method) -> Train:
    setting = tiny.config(max_steps=3, batch_size=10, max_length=48)
    return Train(model, Mixture(TASKS, Uniform(), label="five"), method, setting, limit=20)


def answers(stage: Evaluate, model: FinishedModel, shop):
    """Predictions with what is behind them, and vectors of the texts read."""
    examples = read_rows(stage.task.rows_in(stage.language), stage.task.format, shop.sources, stage.limit)
    used = head_task(stage)
    head = None if used is None else model.heads[head_name(stage.model, used)]
    evaluator = make_evaluator(stage, model, shop, Silent(), "")
    predicted = evaluator.predict(examples, stage.task, head)
    texts = encode_texts(model.tokenizer, predicted.inputs.texts[:6], None, "", 48)
    return predicted.predictions, predicted.records, format_bench.vectors(evaluator, texts)


@pytest.mark.parametrize(
    ("architecture", "method"),
    [pytest.param(*case, marks=() if case[1] != "Bottleneck" else needs.adapters) for case in CASES],
)
def test_five_formats_go_the_whole_way_and_back(monkeypatch, world, tmp_path, architecture, method):
    train = training(world.models[architecture], METHODS[method])
    stages = tuple(Evaluate(train, task, task.evaluation[0].language, limit=20) for task in TASKS)
    live = {}
    finish = training_stage.train_result

    def watch(trained, prepared, *rest):
        fresh = prepared.model
        model = FinishedModel(fresh.backbone, fresh.heads, fresh.tokenizer, {})
        live.update({stage: answers(stage, model, rest[-1]) for stage in stages})
        return finish(trained, prepared, *rest)

    monkeypatch.setattr(training_stage, "train_result", watch)
    plan, shop, summary = tiny.execute(world, tmp_path / "store", stages, keep=True)
    assert summary.complete, summary.failed
    reloaded = finished_model(train, shop, "fp32")
    kept = Store(tmp_path / "store")
    for stage in stages:
        predictions, records, vectors = answers(stage, reloaded, shop)
        assert (predictions, records) == live[stage][:2], stage.task.name
        assert torch.equal(vectors, live[stage][2]), stage.task.name
        assert kept.find(plan.fingerprint_of(stage)).scores.predictions == predictions
        assert vectors.std(dim=0).mean() > 1e-3, "too alike to tell anything"
    result = kept.find(plan.fingerprint_of(train)).result
    whole = sum(parameter.numel() for parameter in reloaded.backbone.network.parameters())
    assert 0 < result.trainable_parameters < whole or (method == "Full" and result.trainable_parameters == whole)


@pytest.mark.parametrize("architecture", [a for a in checkpoints.KINDS if a in ("t5", "mbart")])
def test_a_decoder_over_its_start_token_trains(world, tmp_path, architecture):
    """Both stacks get gradients then; where the encoder is read, the second one is neither moved nor counted."""
    counted = {}
    for pooling in (Pooling.MEAN, Pooling.START):
        train = Train(
            world.models[architecture], TASKS[0], Full(), tiny.config(max_steps=2, max_length=32), limit=20,
            framing=replace(world.models[architecture].framing, pooling=pooling),
        )  # fmt: skip
        stage = Evaluate(train, TASKS[0], TASKS[0].evaluation[0].language)
        plan, _, summary = tiny.execute(
            world, tmp_path / "store", (stage,), Resources("cpu", gradient_checkpointing=True)
        )
        assert summary.complete, summary.failed
        counted[pooling] = Store(tmp_path / "store").find(plan.fingerprint_of(train)).result.trainable_parameters
    network = tiny.bare(world, architecture)
    decoder = {id(p) for p in network.get_decoder().parameters()} - {id(p) for p in network.get_encoder().parameters()}
    second = sum(parameter.numel() for parameter in network.get_decoder().parameters() if id(parameter) in decoder)
    assert counted[Pooling.START] > counted[Pooling.MEAN]
    assert counted[Pooling.START] - counted[Pooling.MEAN] <= second
    assert world.models[architecture].family is ModelFamily.ENCODER_DECODER


def test_a_tokenizer_of_bytes_reads_texts_and_pairs(world, tmp_path):
    """ByT5's is not a fast one: it tells no places, and not what it cut off."""
    from transformers import ByT5Tokenizer

    folder = tmp_path / "byt5"
    checkpoints.write_checkpoint(folder, "t5", (), (), extra=400)
    for file in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (folder / file).unlink(missing_ok=True)
    tokenizer = ByT5Tokenizer()
    tokenizer.save_pretrained(folder)
    encoded = encode_texts(tokenizer, ["tree", "sea"], ["wolf " * 20, "snow"], "", 24)
    assert encoded.truncated == 1
    assert encoded.ids[1] == tokenizer("sea", "snow")["input_ids"]
    train = training(small_world._spec(folder), METHODS["Lora"])
    tasks = tuple(task for task, name in zip(TASKS, FORMATS, strict=True) if name in ("classification", "retrieval"))
    train = replace(train, task=Mixture(tasks, Uniform(), label="two"))
    stages = tuple(Evaluate(train, task, task.evaluation[0].language, limit=20) for task in tasks)
    _, _, summary = tiny.execute(world, tmp_path / "store", stages)
    assert summary.complete, summary.failed
