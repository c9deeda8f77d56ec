"""A checkpoint's first layers as a model of its own: the same weights and another identity."""

import dataclasses

import pytest
import torch
from support import tiny
from test_architectures import TINY

from adaptx.backbones.architectures import network_config
from adaptx.backbones.cutting import cut
from adaptx.backbones.loading import load_network
from adaptx.catalog import E5_MINI, E5_SMALL, MT5_SMALL, NLI, SNLI, XLMR_BASE, find_model
from adaptx.costs.stages import cost
from adaptx.errors import UserError
from adaptx.exporting.holding import Library, holding_refusal
from adaptx.planning.identity import Identities
from adaptx.planning.plan import make_plan
from adaptx.report.results.confounds import find_confounds
from adaptx.report.results.measured import Measurements
from adaptx.report.tables.provenance import models
from adaptx.sources.sources import Sources
from adaptx.specs import Evaluate, Full, Lora, ModelSpec, Recipe, Train, TrainConfig
from adaptx.specs.plain import from_plain, to_plain

CONFIG = TrainConfig(learning_rate=1e-3, epochs=1)


def trained(model: ModelSpec) -> Train:
    return Train(model, NLI, Lora(), CONFIG, limit=300)


def test_a_cut_is_sized_and_named_after_its_layers() -> None:
    half = E5_SMALL.cut(6)
    assert half.name == "multilingual-e5-small-l6"
    assert half.shape is not None
    assert E5_SMALL.shape is not None
    assert half.shape.embedding_parameters == E5_SMALL.shape.embedding_parameters
    assert half.shape.encoder_parameters * 2 == E5_SMALL.shape.encoder_parameters
    assert find_model("multilingual-e5-small[:6]") == half
    assert half.cut(3) == E5_SMALL.cut(3)
    both = MT5_SMALL.cut(2).shape
    assert both is not None
    assert (both.layers, both.decoder_layers) == (2, 2)


def test_all_layers_are_the_checkpoint_itself() -> None:
    assert E5_SMALL.cut(12) == E5_SMALL
    assert find_model("e5-mini[:6]") is E5_MINI


def test_a_framing_reads_a_layer_that_is_there() -> None:
    assert XLMR_BASE.embedding.layer == 8
    assert XLMR_BASE.cut(9).embedding.layer == 8
    assert XLMR_BASE.cut(6).embedding.layer is None


@pytest.mark.parametrize("layers", [0, 13])
def test_layers_that_are_not_there_are_refused(layers: int) -> None:
    with pytest.raises(UserError, match=rf"cut\({layers}\): it has 12 layers"):
        E5_SMALL.cut(layers)


def test_identity_is_the_weights_and_the_layers() -> None:
    identities = Identities(Sources(None))
    keys = {layers: identities.of(trained(E5_SMALL.cut(layers))) for layers in (3, 6, 12)}
    assert len({each.fingerprint for each in keys.values()}) == 3
    assert keys[12].fingerprint == identities.of(trained(E5_SMALL)).fingerprint
    bodies = {layers: each.json["model"] for layers, each in keys.items()}  # pyright: ignore
    assert bodies[6] == {**bodies[12], "layers": 6}
    assert bodies[12]["layers"] is None


def test_a_cut_checkpoint_is_stored_and_read_again() -> None:
    stage = trained(E5_SMALL.cut(6))
    assert from_plain(to_plain(stage)) == stage


def test_planning_prices_the_layers_that_are_left() -> None:
    whole, half = (cost(trained(E5_SMALL.cut(layers))) for layers in (12, 6))
    assert whole is not None
    assert half is not None
    assert half.flops * 2 == pytest.approx(whole.flops)
    assert half.trainable_parameters * 2 == whole.trainable_parameters
    assert half.peak_memory_bytes is not None
    assert whole.peak_memory_bytes is not None
    assert half.peak_memory_bytes < whole.peak_memory_bytes


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
def test_a_cut_network_is_the_first_layers(world, architecture: str) -> None:
    model = world.models[architecture]
    whole, cut = load_network(model, world.sources), load_network(model.cut(1), world.sources)
    states = whole.state_dict()
    kept = cut.state_dict()
    assert 0 < len(kept) < len(states)
    for name, value in kept.items():
        assert torch.equal(value, states[name]), name
    assert model.cut(1).shape == dataclasses.replace(
        model.shape, layers=1, decoder_layers=min(1, model.shape.decoder_layers)
    )


@pytest.mark.parametrize("architecture", TINY)
def test_a_configuration_of_every_architecture_is_cut(architecture: str) -> None:
    shape = TINY[architecture]
    left = network_config(dataclasses.replace(shape, layers=1, decoder_layers=min(1, shape.decoder_layers)))
    found = network_config(shape)
    cut(found, 1)
    assert found.to_dict() == left.to_dict()


def test_the_first_layer_of_a_cut_encoder_answers_as_that_of_the_whole(world) -> None:
    whole, cut = load_network(world.bert, world.sources), load_network(world.bert.cut(1), world.sources)
    ids = torch.arange(5, 15)[None]
    with torch.no_grad():
        found = cut(input_ids=ids).last_hidden_state
        wanted = whole(input_ids=ids, output_hidden_states=True).hidden_states[1]
    assert torch.equal(found, wanted)


def test_more_layers_than_a_checkpoint_has_are_refused_when_it_is_loaded(world) -> None:
    unknown = dataclasses.replace(world.bert, shape=None)
    with pytest.raises(UserError, match="the first 40 layers are requested, but the checkpoint has only"):
        load_network(unknown.cut(40), world.sources)


def test_a_folder_that_names_a_whole_checkpoint_below_is_refused() -> None:
    stage = trained(E5_SMALL.cut(6))
    assert "first 6 layers" in (holding_refusal(Library.PEFT, stage) or "")
    assert holding_refusal(Library.TRANSFORMERS, stage) is None
    assert holding_refusal(Library.PEFT, trained(E5_SMALL)) is None


def test_a_report_says_that_layers_were_cut_off() -> None:
    evaluations = tuple(Evaluate(Train(E5_MINI.cut(layers), SNLI, Full(), CONFIG), NLI, "en") for layers in (3, 4, 6))
    recipe = Recipe("cut", evaluations)
    said = find_confounds(recipe, Measurements((), ()))[0]
    assert "e5-mini was cut to its first 3 or 4 layers" in said
    sizes = [model["size"] for model in models(make_plan(recipe, Sources(None)))]
    assert [size.startswith("cut to") for size in sizes] == [True, True, False]
