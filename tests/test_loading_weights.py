"""Weights are loaded in the dtype that they will have: what is in memory meanwhile, and that values are the same."""

import shutil
from pathlib import Path

import pytest
import torch
import transformers
from support import tiny
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSeq2SeqLM

from adaptx.backbones.architectures import network_config
from adaptx.backbones.backbone import to_precision
from adaptx.backbones.loading import load_network
from adaptx.errors import UserError
from adaptx.methods import attach
from adaptx.profiling.measurement import most_allocated
from adaptx.sources.sources import Sources
from adaptx.specs import Lora, ModelSpec, Shape
from adaptx.specs.sites import sites_of

SHAPES = {
    "xlm-roberta": Shape("xlm-roberta", 2, 96, 192, 4, 1_000, 514),
    "t5": Shape("t5", 2, 96, 192, 4, 1_000, 0, decoder_layers=2, head_size=24),
    "llama": Shape("llama", 2, 96, 256, 4, 1_000, 2_048, kv_heads=2, tied=False),
    "gemma3_text": Shape("gemma3_text", 2, 96, 256, 4, 1_000, 2_048, kv_heads=2),
    "xglm": Shape("xglm", 2, 96, 256, 4, 1_000, 2_048),
    "mbart": Shape("mbart", 2, 96, 192, 4, 1_000, 1_024, decoder_layers=2),
}
MAKERS = {"xlm-roberta": AutoModel, "t5": AutoModelForSeq2SeqLM, "mbart": AutoModelForSeq2SeqLM}


def write(
    folder: Path, model_type: str, shape: Shape | None = None, stored: torch.dtype = torch.float32, **options
) -> ModelSpec:
    """A random checkpoint."""
    torch.manual_seed(7)
    config = network_config(shape or SHAPES[model_type])
    network = MAKERS.get(model_type, AutoModelForCausalLM).from_config(config)
    for name, buffer in network.named_buffers():
        if name == "final_logits_bias":
            buffer.normal_()
    network.to(stored).save_pretrained(folder, **options)
    return ModelSpec(str(folder))


@pytest.mark.parametrize("model_type", SHAPES)
def test_rounded_as_it_is_read_is_rounded_afterwards(model_type, tmp_path):
    model, sources = write(tmp_path, model_type), Sources()
    whole, rounded = load_network(model, sources), load_network(model, sources, bf16=True)
    # XGLM's table of sines is no weight: it follows the weights here.
    for network in (whole, rounded):
        network.requires_grad_(False)
        to_precision(network, [], bf16=True)
    wanted = whole.state_dict(), dict(whole.named_buffers())
    found = rounded.state_dict(), dict(rounded.named_buffers())
    for ours, theirs in zip(found, wanted, strict=True):
        assert set(ours) == set(theirs)
        for name, tensor in theirs.items():
            assert ours[name].dtype is tensor.dtype, name
            assert torch.equal(ours[name], tensor), name
    assert {each.dtype for each in rounded.parameters()} == {torch.bfloat16}


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
def test_a_new_modules_first_values_are_not_rounded(world, architecture):
    networks = [load_network(world.models[architecture], world.sources, bf16=bf16) for bf16 in (False, True)]
    kept = [each.clone() for each in networks[1].parameters()]
    found = []
    for network in networks:
        torch.manual_seed(11)
        found.append(attach(network, sites_of(network), Lora(), "own"))
    assert set(found[0]) == set(found[1])
    for key, parameter in found[0].items():
        assert found[1][key].dtype is torch.float32
        assert torch.equal(found[1][key], parameter)
    mine = {id(each) for each in found[1].values()}
    left = [each for each in networks[1].parameters() if id(each) not in mine]
    assert all(torch.equal(one, other) for one, other in zip(left, kept, strict=True))


@pytest.mark.parametrize("stored", [torch.float32, torch.bfloat16])
def test_a_frozen_base_in_bf16_is_never_in_memory_in_fp32(stored, tmp_path):
    """24 million weights, the largest tensor a fifth of them. The file is mapped: its pages are the system's."""
    shape = Shape("xlm-roberta", 6, 512, 2_048, 8, 10_000, 514)
    model, sources = write(tmp_path, "xlm-roberta", shape, stored), Sources()
    file_bytes = (tmp_path / "model.safetensors").stat().st_size
    kept: list[torch.nn.Module] = []
    peak = most_allocated(lambda: kept.append(load_network(model, sources, bf16=True)))
    weights = sum(each.numel() * each.element_size() for each in kept[0].parameters())
    assert weights == pytest.approx(2 * shape.parameters, rel=0.01)
    # What is stored in bf16 is not even copied.
    made = 1.0 if stored is torch.float32 else 0.0
    assert peak - file_bytes < (made + 0.2) * weights
    # Of what transformers 5 makes, the profiler sees no more than the mapped file.
    assert transformers.__version__.startswith("5.") or peak - file_bytes >= made * weights


def test_shards_are_one_checkpoint(tmp_path):
    whole = write(tmp_path / "whole", "xlm-roberta")
    shards = write(tmp_path / "models/tiny/shards", "xlm-roberta", max_shard_size="200KB")
    files = sorted(path.name for path in Path(shards.hub_id).glob("*.safetensors"))
    assert len(files) > 2
    assert (Path(shards.hub_id) / "model.safetensors.index.json").is_file()
    mirror = Sources(tmp_path)
    for sources, model in ((Sources(), shards), (mirror, ModelSpec("tiny/shards"))):
        for bf16 in (False, True):
            found = load_network(model, sources, bf16=bf16).state_dict()
            wanted = load_network(whole, Sources(), bf16=bf16).state_dict()
            assert all(torch.equal(found[name], wanted[name]) for name in wanted)
    digest = Sources().model(shards).digest
    assert digest == mirror.model(ModelSpec("tiny/shards")).digest
    for file in (*files, "model.safetensors.index.json"):
        changed = tmp_path / f"changed-{file}"
        shutil.copytree(shards.hub_id, changed)
        content = bytearray((changed / file).read_bytes())
        content[-1] ^= 1
        (changed / file).write_bytes(content)
        assert Sources().model(ModelSpec(str(changed))).digest != digest


def test_a_missing_shard_is_an_error(tmp_path):
    model = write(tmp_path, "xlm-roberta", max_shard_size="200KB")
    sorted(tmp_path.glob("*.safetensors"))[1].unlink()
    with pytest.raises(UserError, match=r"index.json names 1 files that do not exist: model-00002-of"):
        load_network(model, Sources())


def test_shards_of_the_hub_are_read(tmp_path, monkeypatch):
    """From the hub's cache, laid out as the hub's client does."""
    from huggingface_hub import constants
    from transformers.utils import hub

    commit = "0" * 40
    place = tmp_path / "hub/models--tiny--shards"
    write(place / "snapshots" / commit, "xlm-roberta", max_shard_size="200KB")
    (place / "refs").mkdir()
    (place / "refs/main").write_text(commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(hub, "TRANSFORMERS_CACHE", str(tmp_path / "hub"), raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    found = load_network(ModelSpec("tiny/shards"), Sources(), bf16=True)
    wanted = load_network(ModelSpec(str(place / "snapshots" / commit)), Sources(), bf16=True)
    assert all(torch.equal(one, other) for one, other in zip(found.parameters(), wanted.parameters(), strict=True))
