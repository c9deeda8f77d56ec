"""Every architecture: its closed forms against the network that is built, and modules that lie where they should."""

import dataclasses
import json
from typing import Any

import needs
import pytest
import torch

from adaptx.backbones import batching
from adaptx.backbones.architectures import attention, build_network, network_config
from adaptx.backbones.batching import Encoded, collate
from adaptx.backbones.encoder import Encoder
from adaptx.backbones.loading import load_network
from adaptx.backbones.sites import SITES_OF, sites_of
from adaptx.catalog import MNLI, MODELS
from adaptx.catalog.models import FAMILIES, from_config
from adaptx.catalog.support import BOTTLENECK_ARCHITECTURES, BOTTLENECK_REFUSED, refusal
from adaptx.costs import trainable_parameters
from adaptx.errors import UserError
from adaptx.methods import adapters_backend, attach
from adaptx.sources import Sources
from adaptx.specs import Bottleneck, Full, Lora, Method, ModelFamily, ModelSpec, Shape, Train, TrainConfig
from adaptx.specs.method import SITES

CONFIG = TrainConfig(learning_rate=1e-3, max_steps=1)
TINY = {
    "bert": Shape("bert", 2, 32, 64, 4, 50, 40),
    "xlm-roberta": Shape("xlm-roberta", 2, 32, 64, 4, 50, 42),
    "xlm-roberta-xl": Shape("xlm-roberta-xl", 2, 32, 64, 4, 50, 42),
    "mt5": Shape("mt5", 3, 32, 48, 4, 50, 0, decoder_layers=2, head_size=16, tied=False),
    "qwen3": Shape("qwen3", 2, 32, 64, 4, 50, 40, kv_heads=2, head_size=16),
    "llama": Shape("llama", 2, 32, 64, 4, 50, 40, kv_heads=2, head_size=16, tied=False),
}
SHAPES = {
    **TINY,
    "mt5-tied": dataclasses.replace(TINY["mt5"], tied=True),
    "qwen3-untied": dataclasses.replace(TINY["qwen3"], tied=False),
    "llama-tied": dataclasses.replace(TINY["llama"], tied=True),
    "llama-plain": dataclasses.replace(TINY["llama"], kv_heads=None, head_size=None),
    **{model.name: model.shape for model in MODELS.values() if model.shape is not None},
}
LORA = {
    "usual": Lora(rank=4),
    "everywhere": Lora(rank=3, sites=SITES),
    "feed-forward": Lora(rank=2, sites=("down", "up")),
}
each_architecture = pytest.mark.parametrize("architecture", TINY)
each_lora = pytest.mark.parametrize("method", LORA.values(), ids=LORA)


def tiny_network(architecture: str) -> Any:
    """With weights that make tokens differ, in norms and biases too."""
    torch.manual_seed(7)
    network = build_network(TINY[architecture])
    shake(network.parameters())
    return network


def shake(parameters: Any) -> None:
    with torch.no_grad():
        for parameter in parameters:
            parameter += 0.2 * torch.randn_like(parameter)


def outputs(network: Any) -> torch.Tensor:
    """Of two sequences: hidden states of encoders, scores of the others."""
    ids = torch.arange(4, 24).reshape(2, 10)
    more = {"decoder_input_ids": ids[:, :6]} if network.config.is_encoder_decoder else {}
    with torch.no_grad():
        return network(input_ids=ids, attention_mask=torch.ones_like(ids), **more)[0]


def trained(shape: Shape, method: Method) -> int:
    return trainable_parameters(Train(ModelSpec("owner/tiny", shape=shape), MNLI, method, CONFIG), shape)


def test_every_architecture_is_here() -> None:
    assert list(TINY) == list(FAMILIES) == list(SITES_OF)
    assert {*BOTTLENECK_ARCHITECTURES, *BOTTLENECK_REFUSED} == set(FAMILIES)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_parameters_are_those_of_the_network(shape: Shape) -> None:
    with torch.device("meta"):
        network = build_network(shape)
    assert {parameter.device.type for parameter in network.parameters()} == {"meta"}
    sites = sites_of(network)
    layers = embeddings = 0
    for name, parameter in network.named_parameters():
        beside = sites.layer(name) is None and ("embed" in name or "shared" in name or "lm_head" in name)
        embeddings += parameter.numel() if beside else 0
        layers += 0 if beside else parameter.numel()
    assert (layers, embeddings) == (shape.encoder_parameters, shape.embedding_parameters)
    assert layers + embeddings == shape.parameters


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("facebook/xlm-roberta-xl", 3_476),
        ("facebook/xlm-roberta-xxl", 10_696),
        ("google/mt5-small", 300),
        ("google/mt5-base", 582),
        ("google/mt5-large", 1_230),
        ("google/mt5-xl", 3_743),
        ("Qwen/Qwen3-0.6B-Base", 596),
        ("Qwen/Qwen3-8B-Base", 8_191),
        ("meta-llama/Llama-3.2-1B", 1_236),
        ("meta-llama/Llama-3.2-3B", 3_213),
        ("meta-llama/Llama-3.1-8B", 8_030),
    ],
)
def test_parameters_are_the_published_ones(name: str, millions: int) -> None:
    shape = MODELS[name].shape
    assert shape is not None
    assert round(shape.parameters / 1e6) == millions


@each_architecture
def test_a_network_has_the_dtype_and_the_attention_asked_for(architecture: str) -> None:
    kept = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        network: Any = build_network(TINY[architecture])
    finally:
        torch.set_default_dtype(kept)
    assert {parameter.dtype for parameter in network.parameters()} == {torch.bfloat16}
    assert network.config._attn_implementation == attention(TINY[architecture])
    assert not network.training


@pytest.mark.parametrize("name", [model.name for model in MODELS.values()])
def test_a_shape_comes_back_from_its_config(name: str, tmp_path: Any) -> None:
    model = next(model for model in MODELS.values() if model.name == name)
    assert model.shape is not None
    # (Transformers 5 writes another word on ties than the checkpoints of mT5 do.)
    settings = {**network_config(model.shape).to_dict(), "tie_word_embeddings": model.shape.tied}
    (tmp_path / "config.json").write_text(json.dumps(settings, default=str))
    read = from_config(str(tmp_path), tmp_path / "config.json")
    assert (read.shape, read.family, read.licence) == (model.shape, model.family, model.licence)


@pytest.mark.parametrize(
    ("architecture", "change", "said"),
    [
        ("llama", {"attention_bias": True}, "attention_bias is set, which is not supported in llama"),
        ("mt5", {"feed_forward_proj": "relu"}, "feed_forward_proj is 'relu', which is not supported in mt5"),
    ],
)
def test_a_layer_made_otherwise_is_refused(architecture: str, change: dict[str, Any], said: str, tmp_path: Any) -> None:
    settings = {**network_config(TINY[architecture]).to_dict(), **change}
    (tmp_path / "config.json").write_text(json.dumps(settings, default=str))
    with pytest.raises(ValueError, match=said):
        from_config("odd", tmp_path / "config.json")


def test_an_unknown_architecture_has_no_parameters() -> None:
    odd = dataclasses.replace(TINY["bert"], model_type="mamba")
    with pytest.raises(ValueError, match="architecture 'mamba' is not supported; supported: bert, xlm-roberta, "):
        _ = odd.parameters


@each_architecture
def test_every_parameter_has_a_key_of_its_own(architecture: str) -> None:
    network, shape = tiny_network(architecture), TINY[architecture]
    sites = sites_of(network)
    parameters = attach(network, sites, Full(), "own")
    assert [id(parameter) for parameter in parameters.values()] == [id(each) for each in network.parameters()]
    assert trained(shape, Full()) == sum(parameter.numel() for parameter in parameters.values())
    assert sites.num_layers == shape.all_layers
    assert {layer for layer, _, _ in parameters} == {None, *range(shape.all_layers)}
    for layer in range(shape.all_layers):
        maps = shape.linear_maps if layer < shape.layers else shape.decoder_linear_maps
        for site, (inputs, size) in maps.items():
            weight = parameters[layer, site, "weight"]
            assert weight is network.get_submodule(sites.module(layer, site)).weight
            assert weight.shape == (size, inputs)


@each_architecture
@each_lora
def test_lora_lies_at_its_sites_and_changes_nothing_at_first(architecture: str, method: Lora) -> None:
    network, shape = tiny_network(architecture), TINY[architecture]
    before, sites = outputs(network), sites_of(network)
    own = attach(network, sites, method, "own")
    network.eval()
    assert torch.equal(outputs(network), before)
    assert {(layer, site) for layer, site, _ in own} == set(sites.modules(method.sites).values())
    added = [parameter for name, parameter in network.named_parameters() if "lora_" in name]
    assert {id(parameter) for parameter in added} == {id(parameter) for parameter in own.values()}
    assert trained(shape, method) == sum(parameter.numel() for parameter in own.values())
    for key, parameter in own.items():
        if key[2] == "lora_B":
            kept = outputs(network)
            shake([parameter])
            assert not torch.equal(outputs(network), kept), f"{key} is not at work"


def test_companions_go_with_their_sites() -> None:
    def sites(architecture: str, *chosen: str) -> set[tuple[int | None, str]]:
        network = tiny_network(architecture)
        return {(layer, site) for layer, site, _ in attach(network, sites_of(network), Lora(2, sites=chosen), "own")}

    assert sites("bert", "query", "up") == {(layer, site) for layer in range(2) for site in ("query", "up")}
    assert sites("llama", "up") == {(layer, site) for layer in range(2) for site in ("up", "gate")}
    crossed = {(layer, "cross_query") for layer in (3, 4)}
    assert sites("mt5", "query") == {(layer, "query") for layer in range(5)} | crossed
    assert sites("mt5", "down") == {(layer, "down") for layer in range(5)}


@needs.adapters
@pytest.mark.parametrize("architecture", BOTTLENECK_ARCHITECTURES)
@pytest.mark.parametrize("factor", [4, 1.5, 64])
def test_bottleneck_adapters_lie_in_every_layer(architecture: str, factor: float) -> None:
    network, shape, method = tiny_network(architecture), TINY[architecture], Bottleneck(factor)
    bare = outputs(network)
    adapters_backend.prepare(network)
    before = outputs(network)
    # Of mT5 the library copies queries, keys and values before their products, which rounds otherwise.
    assert torch.equal(before, bare) or (architecture == "mt5" and torch.allclose(before, bare, atol=1e-4))
    own = attach(network, sites_of(network), method, "own")
    network.eval()
    assert torch.equal(outputs(network), before)
    tensors = ("down.weight", "down.bias", "up.weight", "up.bias")
    assert own.keys() == {(layer, "adapter", tensor) for layer in range(shape.all_layers) for tensor in tensors}
    assert trained(shape, method) == sum(parameter.numel() for parameter in own.values())
    for layer in range(shape.all_layers):
        kept = outputs(network)
        shake(own[layer, "adapter", tensor] for tensor in tensors)
        assert not torch.equal(outputs(network), kept), f"the adapter of layer {layer} is not at work"


@pytest.mark.parametrize("architecture", [name for name, family in FAMILIES.items() if family is ModelFamily.ENCODER])
def test_a_row_of_sequences_gives_what_each_gives_alone(architecture: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network = tiny_network(architecture)
    sequences = [[5, 6, 7, 8, 9], [10, 11, 12], [13, 14, 15, 16], [17, 18, 19]]
    encoded = Encoded(sequences, None, network.config.pad_token_id, 0)
    for group_tokens in (0, 1_000):
        monkeypatch.setitem(batching.GROUP_TOKENS, "cpu", group_tokens)
        batch = collate(encoded, range(len(encoded)), torch.device("cpu"))
        with torch.no_grad():
            row = Encoder(network).hidden(batch)
            for ids, first in zip(sequences, batch.first_N.tolist(), strict=True):
                alone = network(input_ids=torch.tensor([ids])).last_hidden_state[0]
                torch.testing.assert_close(row[first : first + len(ids)], alone, atol=1e-5, rtol=1e-5)


def test_a_checkpoint_that_cannot_be_trained_yet_is_not_loaded(tmp_path: Any) -> None:
    build_network(TINY["qwen3"]).save_pretrained(tmp_path)  # pyright: ignore[reportCallIssue]
    with pytest.raises(UserError, match="is a decoder: tasks are trained and evaluated on encoders only so far"):
        load_network(ModelSpec(str(tmp_path)), Sources(None))


def test_what_cannot_be_trained_yet_is_refused_with_the_reason() -> None:
    def reason(hub_id: str, method: Method) -> str | None:
        return refusal(Train(MODELS[hub_id], MNLI, method, CONFIG))

    said = "google/mt5-small is an encoder-decoder: tasks are trained and evaluated on encoders only so far"
    assert said in (reason("google/mt5-small", Lora()) or "")
    for hub_id in ("Qwen/Qwen3-8B-Base", "meta-llama/Llama-3.2-1B"):
        assert f"{hub_id} is a decoder: tasks" in (reason(hub_id, Lora()) or "")
    assert reason("facebook/xlm-roberta-xl", Lora()) is None
    assert "no class for xlm-roberta-xl; use Lora" in (reason("facebook/xlm-roberta-xl", Bottleneck()) or "")
