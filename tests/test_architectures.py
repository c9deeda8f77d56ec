"""Every architecture: its closed forms against the network that is built, and modules that lie where they should."""

import dataclasses
import json
from typing import Any

import pytest
import torch
from support import needs

from adaptx.backbones import batching
from adaptx.backbones.architectures import attention_of, build_network, network_config
from adaptx.backbones.batching import Encoding, collate
from adaptx.backbones.encoder import Encoder
from adaptx.catalog import MNLI, MODELS
from adaptx.catalog.models import from_config
from adaptx.catalog.reading import FRAMING
from adaptx.costs.stages import trainable_parameters
from adaptx.errors import UserError
from adaptx.methods import adapters_backend, attach
from adaptx.planning.support import refusal
from adaptx.specs import Bottleneck, Full, Lora, Method, ModelFamily, ModelSpec, Shape, Train, TrainConfig
from adaptx.specs.architectures import ARCHITECTURES
from adaptx.specs.linear_maps import COMPANIONS, FUSED, SITES, sites_behind, with_companions
from adaptx.specs.sites import sites_of

CONFIG = TrainConfig(learning_rate=1e-3, max_steps=1)
TINY = {
    "bert": Shape("bert", 2, 32, 64, 4, 50, 40),
    "xlm-roberta": Shape("xlm-roberta", 2, 32, 64, 4, 50, 42),
    "xlm-roberta-xl": Shape("xlm-roberta-xl", 2, 32, 64, 4, 50, 42),
    "distilbert": Shape("distilbert", 2, 32, 64, 4, 50, 40),
    "deberta-v2": Shape("deberta-v2", 2, 32, 64, 4, 50, 40),
    "rembert": Shape("rembert", 2, 32, 64, 4, 50, 40, embedding_size=24),
    "modernbert": Shape("modernbert", 4, 32, 48, 4, 50, 40),
    "t5": Shape("t5", 3, 32, 64, 4, 50, 0, decoder_layers=2, head_size=16),
    "mt5": Shape("mt5", 3, 32, 48, 4, 50, 0, decoder_layers=2, head_size=16, tied=False),
    "umt5": Shape("umt5", 3, 32, 48, 4, 50, 0, decoder_layers=2, head_size=16, tied=False),
    "mbart": Shape("mbart", 3, 32, 64, 4, 50, 40, decoder_layers=2),
    "qwen2": Shape("qwen2", 2, 32, 64, 4, 50, 40, kv_heads=2, tied=False),
    "qwen3": Shape("qwen3", 2, 32, 64, 4, 50, 40, kv_heads=2, head_size=16),
    "llama": Shape("llama", 2, 32, 64, 4, 50, 40, kv_heads=2, head_size=16, tied=False),
    "mistral": Shape("mistral", 2, 32, 64, 4, 50, 40, kv_heads=2, tied=False),
    "gemma2": Shape("gemma2", 2, 32, 64, 4, 50, 40, kv_heads=2, head_size=16),
    "gemma3_text": Shape("gemma3_text", 2, 32, 64, 4, 50, 40, kv_heads=1, head_size=16),
    "bloom": Shape("bloom", 2, 32, 128, 4, 50, 0),
    "xglm": Shape("xglm", 2, 32, 64, 4, 50, 40),
}
SHAPES = {
    **TINY,
    "t5-gated": dataclasses.replace(TINY["t5"], tied=False, gated=True),
    "mt5-tied": dataclasses.replace(TINY["mt5"], tied=True),
    "qwen3-untied": dataclasses.replace(TINY["qwen3"], tied=False),
    "llama-tied": dataclasses.replace(TINY["llama"], tied=True),
    "qwen2-tied": dataclasses.replace(TINY["qwen2"], tied=True),
    "mistral-wide": dataclasses.replace(TINY["mistral"], head_size=16),
    "bloom-untied": dataclasses.replace(TINY["bloom"], tied=False),
    "xglm-untied": dataclasses.replace(TINY["xglm"], tied=False),
    "llama-plain": dataclasses.replace(TINY["llama"], kv_heads=None, head_size=None),
    **{model.name: model.shape for model in MODELS.values() if model.shape is not None},
}
LORA = {
    "usual": Lora(rank=4),
    "everywhere": Lora(rank=3, sites=SITES),
    "feed-forward": Lora(rank=2, sites=("down", "up")),
}
NETWORKS = {**TINY, "t5-gated": SHAPES["t5-gated"]}
each_architecture = pytest.mark.parametrize("architecture", NETWORKS)
each_lora = pytest.mark.parametrize("method", LORA.values(), ids=LORA)


def tiny_network(architecture: str) -> Any:
    """With weights that make tokens differ, in norms and biases too."""
    torch.manual_seed(7)
    network = build_network(NETWORKS[architecture])
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
    assert list(TINY) == list(ARCHITECTURES)


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


PUBLISHED = {
    "facebook/xlm-roberta-xl": 3_476,
    "facebook/xlm-roberta-xxl": 10_696,
    "google/mt5-small": 300,
    "google/mt5-base": 582,
    "google/mt5-large": 1_230,
    "google/mt5-xl": 3_743,
    "Qwen/Qwen3-0.6B-Base": 596,
    "Qwen/Qwen3-8B-Base": 8_191,
    "meta-llama/Llama-3.2-1B": 1_236,
    "meta-llama/Llama-3.2-3B": 3_213,
    "meta-llama/Llama-3.1-8B": 8_030,
    "distilbert/distilbert-base-multilingual-cased": 135,
    "google/rembert": 575,
    "jhu-clsp/mmBERT-small": 140,
    "jhu-clsp/mmBERT-base": 307,
    "google-t5/t5-small": 61,
    "google-t5/t5-base": 223,
    "google-t5/t5-large": 738,
    "google/t5-v1_1-small": 77,
    "google/t5-v1_1-base": 248,
    "google/t5-v1_1-large": 783,
    "google/t5-v1_1-xl": 2_850,
    "google/byt5-small": 300,
    "google/byt5-base": 582,
    "facebook/mbart-large-50": 611,
    "Qwen/Qwen2-0.5B": 494,
    "Qwen/Qwen2-1.5B": 1_544,
    "Qwen/Qwen2-7B": 7_616,
    "Qwen/Qwen2.5-0.5B": 494,
    "Qwen/Qwen2.5-1.5B": 1_544,
    "Qwen/Qwen2.5-3B": 3_086,
    "Qwen/Qwen2.5-7B": 7_616,
    "google/gemma-2-2b": 2_614,
    "google/gemma-2-9b": 9_242,
    "google/gemma-3-270m": 268,
    "google/gemma-3-1b-pt": 1_000,
    "mistralai/Mistral-7B-v0.3": 7_248,
    "bigscience/bloom-560m": 559,
    "bigscience/bloom-1b1": 1_065,
    "bigscience/bloom-1b7": 1_722,
    "bigscience/bloom-3b": 3_003,
    "bigscience/bloom-7b1": 7_069,
    "facebook/xglm-564M": 564,
    "facebook/xglm-1.7B": 1_733,
    "facebook/xglm-2.9B": 2_942,
    "facebook/xglm-7.5B": 7_493,
    "HuggingFaceTB/SmolLM2-135M": 135,
    "HuggingFaceTB/SmolLM2-360M": 362,
    "HuggingFaceTB/SmolLM2-1.7B": 1_711,
}
"""Checkpoint -> the millions of parameters that its authors or the hub tell of."""


@pytest.mark.parametrize(("name", "millions"), PUBLISHED.items())
def test_parameters_are_the_published_ones(name: str, millions: int) -> None:
    shape = MODELS[name].shape
    assert shape is not None
    assert round(shape.parameters / 1e6) == millions


@each_architecture
def test_a_network_has_the_dtype_and_the_attention_asked_for(architecture: str) -> None:
    kept = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        network: Any = build_network(NETWORKS[architecture])
    finally:
        torch.set_default_dtype(kept)
    assert {parameter.dtype for parameter in network.parameters()} == {torch.bfloat16}
    assert network.config._attn_implementation == attention_of(NETWORKS[architecture].model_type)
    assert not network.training


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_a_shape_comes_back_from_its_config(model: ModelSpec, tmp_path: Any) -> None:
    assert model.shape is not None
    # (Transformers 5 writes another word on ties than the checkpoints of mT5 do.)
    settings = {**network_config(model.shape).to_dict(), "tie_word_embeddings": model.shape.tied}
    (tmp_path / "config.json").write_text(json.dumps(settings, default=str))
    # What has no other's shape is known by that, whatever its folder is called.
    alone = [each.shape for each in MODELS.values()].count(model.shape) == 1
    read = from_config(str(tmp_path) if alone else f"/some/folder/{model.name}", tmp_path / "config.json")
    assert dataclasses.replace(read, hub_id=model.hub_id, revision=model.revision) == model
    assert (read.shape, read.licence, read.citation, read.seen) == (
        model.shape, model.licence, model.citation, model.seen,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("folder", "known"),
    [
        ("mbart-large-50", "facebook/mbart-large-50"),
        ("mbart-large-50-many-to-many-mmt", "facebook/mbart-large-50-many-to-many-mmt"),
        ("copy-of-mbart-large-50", "facebook/mbart-large-50"),
        ("50-many-to-many-mmt", "facebook/mbart-large-50-many-to-many-mmt"),
        ("base", None),
    ],
)
def test_names_tell_apart_what_is_of_one_shape(folder: str, known: str | None, tmp_path: Any) -> None:
    """What translation pairs a checkpoint has seen is not told by its sizes."""
    shape = MODELS["facebook/mbart-large-50"].shape
    assert shape is not None
    (tmp_path / "config.json").write_text(json.dumps(network_config(shape).to_dict(), default=str))
    read = from_config(f"/some/{folder}", tmp_path / "config.json")
    assert read.shape == shape
    assert (read.citation, read.seen) == ((MODELS[known].citation, MODELS[known].seen) if known else ("", ()))


@pytest.mark.parametrize(
    ("architecture", "change", "said"),
    [
        ("llama", {"attention_bias": True}, "attention_bias is set, which is not supported in llama"),
        ("mt5", {"feed_forward_proj": "relu"}, "feed_forward_proj is 'relu', which is not supported in mt5"),
        ("t5", {"feed_forward_proj": "gated-silu"}, "feed_forward_proj is 'gated-silu', which is not supported in t5"),
        ("deberta-v2", {"conv_kernel_size": 3}, "conv_kernel_size is set, which is not supported in deberta-v2"),
        ("deberta-v2", {"share_att_key": False}, "share_att_key is False, not True, which is not supported"),
        ("deberta-v2", {"pos_att_type": "p2c"}, "pos_att_type is 'p2c', not 'p2c|c2p'"),
        ("deberta-v2", {"embedding_size": 16}, "embedding_size is 16, which is not supported"),
        ("modernbert", {"norm_bias": True}, "norm_bias is set, which is not supported in modernbert"),
        ("mbart", {"decoder_ffn_dim": 16}, "encoder_ffn_dim is 64 and decoder_ffn_dim 16"),
        ("mbart", {"tie_word_embeddings": False}, "tie_word_embeddings is False, which is not supported in mbart"),
        ("bloom", {"n_inner": 48}, "n_inner is 48, which is not supported in bloom"),
        ("gemma3_text", {"use_bidirectional_attention": True}, "use_bidirectional_attention is set"),
        ("bert", {"model_type": "gemma3"}, "architecture 'gemma3' is not supported; it reads images too"),
        (
            "bert",
            {"num_attention_heads": None},
            "it has no heads; add one of the entries num_attention_heads, num_heads",
        ),
    ],
)
def test_a_layer_made_otherwise_is_refused(architecture: str, change: dict[str, Any], said: str, tmp_path: Any) -> None:
    settings = {**network_config(TINY[architecture]).to_dict(), **change}
    (tmp_path / "config.json").write_text(json.dumps(settings, default=str))
    with pytest.raises(UserError, match=said):
        from_config("odd", tmp_path / "config.json")


@each_architecture
def test_a_tiny_shape_comes_back_from_its_config(architecture: str, tmp_path: Any) -> None:
    shape = NETWORKS[architecture]
    settings = {**network_config(shape).to_dict(), "tie_word_embeddings": shape.tied}
    (tmp_path / "config.json").write_text(json.dumps(settings, default=str))
    family = shape.architecture.family
    expected = ModelSpec("tiny", family, framing=FRAMING[family], embedding=FRAMING[family], shape=shape)
    assert from_config("tiny", tmp_path / "config.json") == expected


@pytest.mark.parametrize(
    ("settings", "shape"),
    [
        # As the hub has them, shortened to what is read: other spellings, and what is left out.
        (
            {"model_type": "bloom", "n_embed": 1536, "num_attention_heads": 16, "n_layer": 24, "vocab_size": 250_880},
            Shape("bloom", 24, 1536, 6144, 16, 250_880, 0),
        ),
        (
            {"model_type": "t5", "d_ff": 2048, "d_kv": 64, "d_model": 512, "num_heads": 8, "num_layers": 6,
             "vocab_size": 32_128, "n_positions": 512},
            Shape("t5", 6, 512, 2048, 8, 32_128, 0, decoder_layers=6),
        ),
        (
            {"model_type": "distilbert", "dim": 768, "hidden_dim": 3072, "n_heads": 12, "n_layers": 6,
             "vocab_size": 119_547, "max_position_embeddings": 512, "tie_weights_": True},
            Shape("distilbert", 6, 768, 3072, 12, 119_547, 512),
        ),
        (
            {"model_type": "xglm", "d_model": 1024, "ffn_dim": 4096, "num_layers": 24, "attention_heads": 16,
             "vocab_size": 256_008, "max_position_embeddings": 2048},
            Shape("xglm", 24, 1024, 4096, 16, 256_008, 2048),
        ),
    ],
)  # fmt: skip
def test_configs_are_read_in_every_spelling(settings: dict[str, Any], shape: Shape, tmp_path: Any) -> None:
    (tmp_path / "config.json").write_text(json.dumps(settings))
    assert from_config("some", tmp_path / "config.json").shape == shape


def test_an_unknown_architecture_has_no_parameters() -> None:
    odd = dataclasses.replace(TINY["bert"], model_type="mamba")
    with pytest.raises(UserError, match="architecture 'mamba' is not supported; supported: bert, xlm-roberta, "):
        _ = odd.parameters


@each_architecture
def test_every_parameter_has_a_key_of_its_own(architecture: str) -> None:
    network, shape = tiny_network(architecture), NETWORKS[architecture]
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
    network, shape = tiny_network(architecture), NETWORKS[architecture]
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


def test_a_fused_map_is_adapted_once_for_all_its_sites() -> None:
    for architecture, chosen, fused in (
        ("bloom", ("query", "value"), "query_key_value"),
        ("bloom", ("key",), "query_key_value"),
        ("modernbert", ("value", "query"), "query_key_value"),
        ("modernbert", ("up",), "up_gate"),
    ):
        network, shape, method = tiny_network(architecture), TINY[architecture], Lora(2, sites=chosen)
        own = attach(network, sites_of(network), method, "own")
        assert {(layer, site) for layer, site, _ in own} == {(layer, fused) for layer in range(shape.layers)}
        assert trained(shape, method) == sum(parameter.numel() for parameter in own.values())


def test_the_sites_behind_a_map_adapt_it() -> None:
    names = {site for known in ARCHITECTURES.values() for stack in known.stacks for site in stack.paths}
    assert names == {*SITES, *COMPANIONS.values(), *FUSED}
    for name in names:
        assert name in with_companions(sites_behind(name))
        assert set(sites_behind(name)) == {site for site in SITES if name in with_companions((site,))}


@each_architecture
def test_all_sites_are_every_linear_map_of_the_layers(architecture: str) -> None:
    network = tiny_network(architecture)
    sites = sites_of(network)
    maps = {
        path
        for path, module in network.named_modules()
        if isinstance(module, torch.nn.Linear) and sites.layer(path) is not None
    }
    assert set(sites.modules(SITES)) == maps
    assert len(maps) == sum(
        layers * len(maps_of)
        for layers, maps_of in (
            (NETWORKS[architecture].layers, NETWORKS[architecture].linear_maps),
            (NETWORKS[architecture].decoder_layers, NETWORKS[architecture].decoder_linear_maps),
        )
    )


@needs.adapters
@pytest.mark.parametrize("architecture", [name for name in ARCHITECTURES if ARCHITECTURES[name].bottleneck is not None])
@pytest.mark.parametrize("factor", [4, 1.5, 64])
def test_bottleneck_adapters_lie_in_every_layer(architecture: str, factor: float) -> None:
    network, shape, method = tiny_network(architecture), TINY[architecture], Bottleneck(factor)
    bare = outputs(network)
    adapters_backend.prepare(network)
    before = outputs(network)
    assert torch.equal(before, bare)
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


PACKED = [name for name, known in ARCHITECTURES.items() if known.family is ModelFamily.ENCODER and known.padded is None]


@pytest.mark.parametrize("architecture", PACKED)
def test_a_row_of_sequences_gives_what_each_gives_alone(architecture: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network = tiny_network(architecture)
    sequences = [[5, 6, 7, 8, 9], [10, 11, 12], [13, 14, 15, 16], [17, 18, 19]]
    encoded = Encoding(sequences, None, network.config.pad_token_id, 0)
    for group_tokens in (0, 1_000):
        monkeypatch.setitem(batching.GROUP_TOKENS, "cpu", group_tokens)
        batch = collate(encoded, range(len(encoded)), torch.device("cpu"))
        with torch.no_grad():
            row = Encoder(network).hidden(batch)
            for ids, first in zip(sequences, batch.first_N.tolist(), strict=True):
                alone = network(input_ids=torch.tensor([ids])).last_hidden_state[0]
                torch.testing.assert_close(row[first : first + len(ids)], alone, atol=1e-5, rtol=1e-5)


def test_every_family_trains_and_what_has_no_meaning_is_refused() -> None:
    def reason(hub_id: str, method: Method) -> str | None:
        return refusal(Train(MODELS[hub_id], MNLI, method, CONFIG))

    for hub_id in ("google/mt5-small", "Qwen/Qwen3-8B-Base", "meta-llama/Llama-3.2-1B", "facebook/xlm-roberta-xl"):
        assert reason(hub_id, Lora()) is None
    assert (reason("facebook/xlm-roberta-xl", Bottleneck()) is None) is needs.HAS_ADAPTERS
