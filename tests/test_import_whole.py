"""A module that peft or adapters wrote is taken over whole or refused; its patterns are matched in bounded time."""

import dataclasses
import json
import logging
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from support import needs, tiny
from support.modules import published
from test_import import LORAS, adapter_folder, begun, changed, fingerprint, from_start, peft_folder

from adaptx.errors import NotFinite, UserError
from adaptx.methods.published import load_published
from adaptx.published import selection
from adaptx.specs import Lora, Sequential
from adaptx.specs.sites import sites_of

FILE = "adapter_model.safetensors"


def rewritten(folder: Path, change) -> None:
    save_file(change(load_file(folder / FILE)), folder / FILE, {"format": "pt"})


def refused(world, folder: Path, architecture: str = "bert") -> str:
    with pytest.raises(UserError) as error:
        published(folder, world.models[architecture])
    return str(error.value)


@pytest.mark.parametrize("case", LORAS)
def test_every_tensor_left_out_is_missed(world, case, tmp_path):
    peft_folder(world, "bert", tmp_path / "theirs", **LORAS[case][0])
    whole = load_file(tmp_path / "theirs" / FILE)
    for name in whole:
        rewritten(tmp_path / "theirs", lambda _, name=name: {n: t for n, t in whole.items() if n != name})
        message = refused(world, tmp_path / "theirs")
        assert name.removeprefix("base_model.model.").rsplit(".lora_", 1)[0].removesuffix(".base_layer.bias") in message
    # A whole linear map, and a whole layer.
    for part in (".layer.1.attention.self.value.", ".layer.1."):
        left = {name: tensor for name, tensor in whole.items() if part not in name}
        if 0 < len(left) < len(whole):
            rewritten(tmp_path / "theirs", lambda _, left=left: left)
            assert "tensors of" in (message := refused(world, tmp_path / "theirs"))
            assert "are missing although its config selects them" in message


def test_tensors_that_the_config_does_not_name_are_refused(world, tmp_path):
    peft_folder(world, "bert", tmp_path / "theirs", target_modules=["query", "value"])
    changed(tmp_path / "theirs", target_modules=["query"])
    message = refused(world, tmp_path / "theirs")
    assert "it holds tensors of 2 linear maps that its config does not select" in message
    changed(tmp_path / "theirs", target_modules=["query", "value"], layers_to_transform=[0])
    assert "encoder.layer.1.attention.self" in refused(world, tmp_path / "theirs")


@pytest.mark.parametrize(
    "settings",
    [
        {"target_modules": r"encoder\.layer\.\d+\.attention\.self\.(query|key)"},
        {"target_modules": ["encoder.layer.0.attention.self.query", "encoder.layer.1.output.dense"]},
        {"target_modules": ["query"], "layers_to_transform": 1, "layers_pattern": "layer"},
        {"target_modules": ["query", "key"], "exclude_modules": ["layer.0.attention.self.key"]},
        {"target_modules": ["query", "key"], "exclude_modules": r".*layer\.1.*key"},
        {"target_modules": "all-linear"},
    ],
)
def test_what_peft_selects_is_what_is_expected(world, settings, tmp_path):
    theirs = peft_folder(world, "bert", tmp_path / "theirs", **settings)
    module = published(tmp_path / "theirs", world.bert)
    network = begun(world, tmp_path / "store", from_start(world, "bert", Sequential(module), module.method))
    batch = tiny.token_batch(world, "bert")
    torch.testing.assert_close(
        tiny.hidden_states(network, batch), tiny.hidden_states(theirs, batch), atol=1e-5, rtol=1e-5
    )


def test_empty_tensors_are_known_for_what_they_are(world, tmp_path):
    peft_folder(world, "bert", tmp_path / "theirs")
    rewritten(tmp_path / "theirs", lambda tensors: {name: tensor.new_zeros(0) for name, tensor in tensors.items()})
    assert "DeepSpeed ZeRO-3" in refused(world, tmp_path / "theirs")


def test_lora_in_a_pooler_stays_with_the_head_and_is_said(world, tmp_path, caplog):
    """As `all-linear` puts it into a classifier."""
    from peft import LoraConfig, get_peft_model
    from transformers import BertConfig, BertForSequenceClassification

    folder = world.folder / "models/tiny/bert"
    network = BertForSequenceClassification(BertConfig.from_pretrained(folder))
    network.name_or_path = "tiny/bert"
    config = LoraConfig(r=4, target_modules="all-linear", task_type="SEQ_CLS", init_lora_weights=False)
    get_peft_model(network, config).save_pretrained(tmp_path / "theirs", save_embedding_layers=False)
    names = load_file(tmp_path / "theirs" / FILE)
    assert any("pooler.dense.lora_A" in name for name in names)
    module = published(tmp_path / "theirs", world.bert, same_base=True)
    with caplog.at_level(logging.WARNING):
        fingerprint(world, from_start(world, "bert", Sequential(module), Lora(2, 2)))
    assert "tensors of its pooler or head are not used" in caplog.text
    assert set(module.method.sites) == {"query", "key", "value", "output", "up", "down"}
    found = load_published(module, "base", world.sources).tensors
    sites = sites_of(tiny.bare(world, "bert"))
    assert len(found) == 2 * len(sites.modules(module.method.sites))


def test_a_language_models_matrix_is_no_head(world, tmp_path):
    peft_folder(world, "bert", tmp_path / "theirs")
    rewritten(
        tmp_path / "theirs", lambda tensors: {**tensors, "base_model.model.lm_head.lora_A.weight": torch.ones(4, 3)}
    )
    assert published(tmp_path / "theirs", world.bert)
    from adaptx.published.from_peft import _is_of_head
    from adaptx.specs import ModelFamily

    decoder = dataclasses.replace(world.bert, family=ModelFamily.DECODER)
    assert not _is_of_head("base_model.model.lm_head.lora_A.weight", decoder)
    assert _is_of_head("base_model.model.score.weight", decoder)


def test_two_modules_in_one_file_are_refused(world, tmp_path):
    peft_folder(world, "bert", tmp_path / "theirs")
    rewritten(
        tmp_path / "theirs",
        lambda tensors: {**tensors, **{n.replace("lora_A.", "lora_A.other."): t + 1 for n, t in tensors.items()}},
    )
    assert "two tensors for one place" in refused(world, tmp_path / "theirs")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(world, tmp_path, value):
    peft_folder(world, "bert", tmp_path / "theirs")
    module = published(tmp_path / "theirs", world.bert)

    def spoil(tensors):
        next(iter(tensors.values()))[0, 0] = value
        return tensors

    rewritten(tmp_path / "theirs", spoil)
    with pytest.raises(NotFinite, match="holds values that are not finite"):
        load_published(module, "base", world.sources)


def test_a_module_that_was_never_trained_is_refused(world, tmp_path):
    peft_folder(world, "bert", tmp_path / "theirs")
    module = published(tmp_path / "theirs", world.bert)
    rewritten(
        tmp_path / "theirs",
        lambda tensors: {name: t * 0 if "lora_B" in name else t for name, t in tensors.items()},
    )
    with pytest.raises(UserError, match="every lora_B is zero, so the module changes nothing"):
        load_published(module, "base", world.sources)


@needs.adapters
def test_an_adapter_is_whole_and_finite_too(world, tmp_path):
    adapter_folder(world, "bert", tmp_path / "theirs")
    file = tmp_path / "theirs" / "pytorch_adapter.bin"
    whole = torch.load(file, weights_only=True)
    module = published(tmp_path / "theirs", world.bert)
    for name in whole:
        torch.save({n: t for n, t in whole.items() if n != name}, file)
        assert "tensors, but one adapter per layer" in refused(world, tmp_path / "theirs")
    torch.save({name: tensor.new_zeros(0) for name, tensor in whole.items()}, file)
    assert "DeepSpeed ZeRO-3" in refused(world, tmp_path / "theirs")
    torch.save({name: tensor * float("nan") for name, tensor in whole.items()}, file)
    with pytest.raises(NotFinite):
        load_published(module, "base", world.sources)


PATTERN = "([a-z.0-9]|[a-z.0-9][a-z.0-9])+[!?]"
"""It can be tried in as many ways as a name can be cut into pieces of one and two letters."""


@pytest.mark.parametrize(
    "settings",
    [
        {"rank_pattern": {PATTERN: 4}},
        {"alpha_pattern": {PATTERN: 4}},
        {"target_modules": PATTERN},
        {"exclude_modules": PATTERN},
        {"layers_pattern": [PATTERN], "layers_to_transform": [0, 1]},
    ],
)
def test_a_pattern_is_matched_in_bounded_time(world, tmp_path, settings, monkeypatch):
    monkeypatch.setattr(selection, "MOST_SECONDS", 0.2)
    peft_folder(world, "bert", tmp_path / "theirs")
    changed(tmp_path / "theirs", **settings)
    began = time.monotonic()
    message = refused(world, tmp_path / "theirs")
    assert time.monotonic() - began < 20
    assert "takes more than 0.2 s to match" in message
    assert repr(PATTERN)[1:-1] in message


def test_many_plain_names_are_no_slow_pattern(world, tmp_path):
    """As a rank for each map of a large model is written."""
    folder = tmp_path / "theirs"
    peft_folder(world, "bert", folder)
    names = [f"model.layers.{layer}.self_attn.{name}" for layer in range(400) for name in ("query", "key", "value")]
    changed(folder, rank_pattern=dict.fromkeys(names, 7))
    assert published(folder, world.bert).method == Lora(4, 8)


@pytest.mark.parametrize(
    "settings",
    [
        {"r": "4"}, {"r": None}, {"lora_alpha": [8]}, {"rank_pattern": ["query"]}, {"alpha_pattern": {"query": "8"}},
        {"target_modules": 3}, {"target_modules": [1]}, {"exclude_modules": {"a": 1}}, {"rank_pattern": {"(": 4}},
        {"modules_to_save": ["embeddings"]},
    ],
)  # fmt: skip
def test_settings_of_other_kinds_are_named(world, tmp_path, settings):
    peft_folder(world, "bert", tmp_path / "theirs")
    changed(tmp_path / "theirs", **settings)
    ((name, value),) = settings.items()
    message = refused(world, tmp_path / "theirs")
    assert name in message or repr(next(iter(value))) in message


@pytest.mark.parametrize("content", ["", "{", "[]", '"text"'])
def test_a_config_that_cannot_be_read_is_named(world, tmp_path, content):
    peft_folder(world, "bert", tmp_path / "theirs")
    (tmp_path / "theirs" / "adapter_config.json").write_text(content)
    assert "adapter_config.json" in refused(world, tmp_path / "theirs")


def test_a_module_cut_short_is_named(world, tmp_path):
    peft_folder(world, "bert", tmp_path / "theirs")
    file = tmp_path / "theirs" / FILE
    file.write_bytes(file.read_bytes()[:-20])
    assert "it was cut short" in refused(world, tmp_path / "theirs")
    config = json.loads((tmp_path / "theirs" / "adapter_config.json").read_text())
    assert config["peft_type"] == "LORA"
