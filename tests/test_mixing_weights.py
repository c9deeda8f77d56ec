"""Fusion weights: kept with the scores of each evaluation, and shown in the report by language and by layer."""

import dataclasses
import re
from functools import partial

import numpy as np
import pytest
import torch
from support import needs, tiny
from support.fake_store import change, everywhere, fake_mirror, fake_model, fill, planned
from support.fake_store import train as fake_train

from adaptx.backbones.batching import Encoding, collate
from adaptx.backbones.encoder import Encoder
from adaptx.catalog import NLI, SIB200, SNLI
from adaptx.composition.fuse import fuse
from adaptx.composition.mixing import mixing_layers
from adaptx.composition.mixing_record import MixingRecord
from adaptx.data.reading import read_rows
from adaptx.execution.building import finished_model, head_name
from adaptx.execution.evaluate import make_evaluator
from adaptx.methods import attach
from adaptx.methods.module import capture
from adaptx.report import write_report
from adaptx.report.results.measured import measure
from adaptx.report.results.mixing import mixed_variants, mixing_frame
from adaptx.sources.sources import Sources
from adaptx.specs import Attention, Bottleneck, Evaluate, Fuse, Gate, Lora, Resources
from adaptx.specs.sites import sites_of
from adaptx.store.mixing import MIXING_FILE, FusedModule, MixingWeights, PlaceWeights
from adaptx.store.record_json import to_json
from adaptx.store.store import Store, write_json
from adaptx.training.progress import Silent

LORA, ADAPTER = Lora(8, 16), Bottleneck(4)
FUSIONS = {
    "lora-attention": (LORA, Attention(rank=4)),
    "lora-gate": (LORA, Gate()),
    "bottleneck-attention": (ADAPTER, Attention()),
    "bottleneck-gate": (ADAPTER, Gate()),
}
SETTING = tiny.config(learning_rate=5e-2, max_steps=4)


def fused(model, name):
    method, rule = FUSIONS[name]
    pair = (tiny.train(model, tiny.TOPIC, method), tiny.train(model, tiny.NLI_TURNED, method))
    return tiny.train(model, tiny.NLI, method, start=Fuse(pair, rule), setting=SETTING)


def evaluations(model, name):
    train = fused(model, name)
    return (*tiny.everywhere(train), Evaluate(train, tiny.TATOEBA, "xa"))


@pytest.fixture(scope="module")
def done(world, tmp_path_factory):
    """(plan, workshop): every kind of fusion, trained and evaluated."""
    stages = tuple(each for name in FUSIONS if needs.at_hand(FUSIONS[name]) for each in evaluations(world.bert, name))
    plan, shop, summary = tiny.execute(world, tmp_path_factory.mktemp("mixed"), stages)
    assert summary.complete, summary.failed
    return plan, shop


each_fusion = pytest.mark.parametrize("name", needs.each(FUSIONS, names=True))


def sequences(*lengths):
    return Encoding([[7 + number % 20] * length for number, length in enumerate(lengths)], None, 0, 0)


@pytest.mark.parametrize("method", needs.each({"lora": LORA, "bottleneck": ADAPTER}))
def test_means_are_over_real_tokens_whatever_the_batches(world, method):
    """Padding has weights too, and they must not count; beside each token's own weights, taken one by one."""
    from adaptx.methods import adapters_backend

    def prepared():
        network = tiny.bare(world, "bert")
        if method is ADAPTER:
            adapters_backend.prepare(network)
        return network

    modules = []
    for seed in range(3):
        network = prepared()
        parameters = attach(network, sites_of(network), method, "own")
        tiny.shake(parameters.values(), seed)
        modules.append(capture(parameters))
    network = prepared()
    own, _ = fuse(network, method, modules, Attention(rank=4))
    tiny.shake(own.values(), scale=0.5)
    backbone = Encoder(network.eval())
    encoded = sequences(3, 17, 9, 1, 30)

    def recorded(*batches):
        with torch.no_grad(), MixingRecord(backbone) as record:
            for batch in batches:
                collated = collate(encoded, batch, torch.device("cpu"))
                record.reading(encoded, collated)
                backbone.hidden(collated)
        return record.means([encoded])

    whole, parts = recorded([0, 1, 2, 3, 4]), recorded([4], [2, 0], [1, 3])
    assert whole.tokens == parts.tokens == 60
    tokens: dict = {}
    for layer in mixing_layers(network):
        layer.watch = lambda weights, place=layer.place: tokens.setdefault(place, []).append(weights.flatten(0, -2))
    with torch.no_grad():
        for index, length in enumerate(encoded.lengths):
            batch = collate(encoded, [index], torch.device("cpu"))
            backbone.hidden(batch)
            for seen in tokens.values():
                first = int(batch.first_N[0])
                seen[-1] = seen[-1][first : first + length]
    assert [(place.layer, place.site) for place in whole.places] == list(tokens)
    for one, other in zip(whole.places, parts.places, strict=True):
        expected = torch.cat(tokens[one.layer, one.site]).mean(dim=0)
        torch.testing.assert_close(torch.tensor(one.weights), expected, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(torch.tensor(other.weights), expected, atol=1e-5, rtol=1e-5)
        assert sum(one.weights) == pytest.approx(1, abs=1e-5)
    assert len({round(place.weights[0], 3) for place in whole.places}) > 1, "these weights tell nothing apart"


def test_nothing_is_watched_outside_of_the_block(world):
    network = tiny.bare(world, "bert")
    parameters = attach(network, sites_of(network), LORA, "own")
    tensors = capture(parameters)
    network = tiny.bare(world, "bert")
    fuse(network, LORA, [tensors, tensors], Gate())
    with MixingRecord(Encoder(network)):
        assert all(layer.watch is not None for layer in mixing_layers(network))
    assert all(layer.watch is None for layer in mixing_layers(network))


@each_fusion
def test_each_evaluation_keeps_its_weights(world, done, name):
    plan, shop = done
    train = fused(world.bert, name)
    found = {}
    for evaluate in evaluations(world.bert, name):
        weights = shop.store.find(plan.fingerprint_of(evaluate)).mixing
        found[evaluate.task.name, evaluate.language] = weights
        sites = LORA.sites if train.method == LORA else ("adapter_fusion",)
        assert [(p.layer, p.site) for p in weights.places] == [(n, s) for n in range(tiny.LAYERS) for s in sites]
        assert all(sum(place.weights) == pytest.approx(1, abs=1e-4) for place in weights.places)
        assert [module.name for module in weights.modules] == ["topic", "nli-turned"]
        assert [each.fingerprint for each in weights.modules] == [plan.fingerprint_of(each) for each in train.inputs]
    assert len({weights.mean() for weights in found.values()}) == len(found), "languages are not told apart"


@each_fusion
def test_weights_are_those_of_the_evaluated_languages_tokens(world, done, name):
    """Computed again by hand; of Tatoeba only the side that is in that language counts."""
    plan, shop = done
    train = fused(world.bert, name)
    for evaluate in evaluations(world.bert, name):
        model = finished_model(train, shop, "fp32")
        examples = read_rows(evaluate.task.rows_in(evaluate.language), evaluate.task.format, shop.sources)
        head = model.heads[head_name(train, tiny.NLI)] if evaluate.task == tiny.NLI else None
        evaluator = make_evaluator(evaluate, model, shop, Silent(), "by hand")
        weights = {}
        for layer in mixing_layers(model.backbone.network):
            layer.watch = lambda each, place=layer.place, seen=weights: seen.setdefault(place, []).append(each)
        predicted = evaluator.predict(examples, evaluate.task, head)
        (encoded,) = predicted.inputs.encoded
        weights.clear()
        with torch.inference_mode():
            for index, length in enumerate(encoded.lengths):
                batch = collate(encoded, [index], torch.device("cpu"))
                model.backbone.hidden(batch)
                first = int(batch.first_N[0])
                for seen in weights.values():
                    seen[-1] = seen[-1].flatten(0, -2)[first : first + length]
        stored = shop.store.find(plan.fingerprint_of(evaluate)).mixing
        assert stored.tokens == sum(encoded.lengths)
        for place in stored.places:
            expected = torch.cat(weights[place.layer, place.site]).mean(dim=0)
            torch.testing.assert_close(torch.tensor(place.weights), expected, atol=1e-4, rtol=1e-4)


def test_recording_changes_no_prediction_and_small_batches_no_weight(world, done, tmp_path):
    plan, shop = done
    first = evaluations(world.bert, "lora-attention")[0]
    small = dataclasses.replace(shop, store=Store(tmp_path), resources=Resources("cpu", micro_batch_tokens=64))
    model = finished_model(first.model, shop, "fp32")
    examples = read_rows(first.task.rows_in(first.language), first.task.format, shop.sources)
    evaluator = make_evaluator(first, model, small, Silent(), "unwatched")
    predicted = evaluator.predict(examples, first.task, model.heads[head_name(first.model, tiny.NLI)])
    entry = shop.store.find(plan.fingerprint_of(first))
    assert predicted.predictions == entry.scores.predictions
    with MixingRecord(model.backbone) as evaluator.record:
        watched = evaluator.predict(examples, first.task, model.heads[head_name(first.model, tiny.NLI)])
    assert watched.predictions == predicted.predictions
    for one, other in zip(evaluator.record.means(watched.inputs.encoded).places, entry.mixing.places, strict=True):
        assert one.weights == pytest.approx(other.weights, abs=1e-5)


def test_masked_texts_count_as_the_language_they_are_in(world):
    """Masked language modelling reads other ids than those its text statistics are of."""
    network = tiny.bare(world, "bert")
    tensors = capture(attach(network, sites_of(network), LORA, "own"))
    network = tiny.bare(world, "bert")
    fuse(network, LORA, [tensors, tensors], Gate())
    encoded, plain = sequences(4, 6), sequences(4, 6)
    backbone = Encoder(network.eval())
    with torch.no_grad(), MixingRecord(backbone) as record:
        batch = collate(encoded, [0, 1], torch.device("cpu"))
        record.reading(encoded, batch)
        backbone.hidden(batch)
    assert record.means([plain]).tokens == 10


# The report, over a store made by hand.

TARGET = dataclasses.replace(
    NLI, evaluation=tuple(rows for rows in NLI.evaluation if rows.language in ("en", "ko", "aym", "gn"))
)


@pytest.fixture
def plan(tmp_path, plans_with_adapters):
    """Two fused variants, one with two seeds, and a baseline."""
    sources = Sources(fake_mirror(tmp_path / "data", TARGET, SNLI, SIB200))
    model = fake_model(tmp_path / "tiny-bert")

    def mixed(method, rule, seed=1):
        stages = tuple(fake_train(model, task, method, seed=seed) for task in (SNLI, SIB200))
        return fake_train(model, TARGET, method, Fuse(stages, rule), seed=seed)

    return sources, planned(
        sources,
        everywhere(fake_train(model, TARGET, Lora()), TARGET),
        everywhere(mixed(Lora(), Attention(rank=8)), TARGET),
        everywhere(mixed(Lora(), Attention(rank=8), seed=2), TARGET),
        everywhere(mixed(Bottleneck(), Gate()), TARGET),
    )


def put_mixing(weights, folder):
    write_json(folder / MIXING_FILE, to_json(weights))


def put_weights(plan, store):
    """Weights that differ by language, layer and site, in every evaluation of a fused model."""
    for node in plan.nodes:
        stage = node.stage
        if not isinstance(stage, Evaluate) or not isinstance(stage.model.start, Fuse):
            continue
        sites = stage.model.method.sites if isinstance(stage.model.method, Lora) else ("adapter_fusion",)
        places = []
        for layer in range(2):
            for place, site in enumerate(sites):
                first = 0.3 + 0.1 * TARGET.languages.index(stage.language) + 0.05 * layer - 0.02 * place
                first += 0.02 * (stage.model.config.seed - 1)
                places.append(PlaceWeights(layer, site, (first, 1 - first)))
        weights = MixingWeights(100, tuple(places), (FusedModule("snli", "a"), FusedModule("sib200", "b")))
        change(store, node.fingerprint, partial(put_mixing, weights))


def test_the_report_shows_what_each_language_draws_on(plan, tmp_path):
    sources, plan = plan
    store = Store(tmp_path / "store")
    fill(plan, store, sources)
    put_weights(plan, store)
    report = write_report(plan, store, tmp_path / "out")
    names = {file.name for file in report.files}
    assert names >= {"mixing_weights.nli.1.png", "mixing_weights.nli.2.png", "mixing.csv"}
    page = report.html.read_text()
    assert "Which intermediate tasks fusion uses" in page
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page)
    mixed = mixed_variants(measure(plan, store), TARGET)
    assert [each.label for each in mixed] == ["lora-r8 · Fuse · snli+sib200", "bottleneck-f16 · Fuse · snli+sib200"]
    lora, adapters = mixed
    assert (lora.modules, lora.layers, lora.sites) == (("snli", "sib200"), [0, 1], ["query", "value"])
    assert adapters.sites == ["adapter_fusion"]
    # The first language, both seeds and both sites: means of 0.3 + 0.01 - 0.01, and half of 0.05 for the layers.
    assert lora.by_language[0].tolist() == pytest.approx([0.325, 0.675])
    assert np.diff(lora.by_language[:, 0]).tolist() == pytest.approx([0.1] * (len(TARGET.languages) - 1))
    assert lora.by_layer.shape == (2, 2, 2)
    assert (lora.by_layer[1] - lora.by_layer[0])[:, 0].tolist() == pytest.approx([0.05, 0.05])
    frame = mixing_frame(measure(plan, store))
    assert len(frame) == len(TARGET.languages) * (2 * 2 * 2 * 2 + 2 * 2)
    assert set(frame["module"]) == {"snli", "sib200"}
    assert frame.groupby(["fingerprint", "layer", "site"])["weight"].sum().tolist() == pytest.approx([1.0] * 40)


def test_two_rules_over_the_same_modules_are_told_apart_by_their_own_fields(plan, tmp_path):
    sources, plan = plan
    fused = next(e.model for e in plan.recipe.evaluations if isinstance(e.model.start, Fuse))
    gated = dataclasses.replace(fused, start=dataclasses.replace(fused.start, mixing=Gate()))
    both = planned(sources, everywhere(fused, TARGET), everywhere(gated, TARGET))
    store = Store(tmp_path / "store")
    fill(both, store, sources)
    base = "lora-r8 · Fuse · snli+sib200"
    labels = {measured.variant for measured in measure(both, store).measured}
    assert labels == {f"{base} · Attention · rank 8 · regularisation 0.01", f"{base} · Gate"}
