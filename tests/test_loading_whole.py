"""A checkpoint is loaded whole or refused, with the names of what is missing, left over or misshapen."""

import ast
import json
import re
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from support import checkpoints, needs, small_world, tiny

from adaptx.backbones import converting
from adaptx.backbones.loading import load_network, load_tokenizer
from adaptx.backbones.output_matrix import output_matrix
from adaptx.backbones.own_tensors import load_language_model_head
from adaptx.backbones.whole import WRAPPERS
from adaptx.catalog.models import find_model
from adaptx.errors import NotFinite, UserError
from adaptx.planning.plan import make_plan
from adaptx.sources.checkpoint_files import check_folder, weight_files
from adaptx.sources.sources import Sources
from adaptx.specs import Evaluate, Lora, ModelSpec, Recipe

ALL = (*checkpoints.KINDS, *small_world.ARCHITECTURES)
OUTSIDE_NETWORK = ("pooler.", "cls.", "lm_head.bias", "lm_head.dense", "lm_head.layer_norm", "final_logits_bias")
"""Tensors of the tests' checkpoints that no network needs: poolers, heads, and a bias that is zero where absent."""


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return small_world.make_models(tmp_path_factory.mktemp("models"), tuple(checkpoints.KINDS))


@pytest.fixture
def copy(models, tmp_path):
    """A function: architecture -> a copy of its folder."""

    def made(architecture: str, name: str = "copy") -> Path:
        return Path(shutil.copytree(models.specs[architecture].hub_id, tmp_path / name))

    return made


def refused(folder: Path, kind: type[UserError] = UserError) -> str:
    with pytest.raises(kind) as error:
        load_network(ModelSpec(str(folder)), Sources())
    return str(error.value)


def rewritten(folder: Path, change) -> None:
    file = folder / "model.safetensors"
    save_file(change(load_file(file)), file, {"format": "pt"})


def with_settings(folder: Path, file: str = "config.json", **settings) -> None:
    path = folder / file
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))


@pytest.mark.parametrize("architecture", ALL)
def test_every_missing_tensor_is_told(copy, architecture):
    folder = copy(architecture)
    whole = load_file(folder / "model.safetensors")
    needed = [name for name in sorted(whole) if not any(part in name for part in OUTSIDE_NETWORK)]
    # Two loadings leave out half of the tensors each, so that each is left out once.
    for half in (needed[::2], needed[1::2]):
        rewritten(folder, lambda _, half=half: {name: whole[name] for name in whole if name not in half})
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("adaptx.backbones.whole.SHOWN", 1_000)
            message = refused(folder)
        assert "missing" in message
        absent = [name for name in half if name.split(".", 1)[-1] not in message]
        assert absent == []


@pytest.mark.parametrize("architecture", ALL)
def test_other_names_are_refused_with_their_prefix(copy, architecture):
    folder = copy(architecture)
    rewritten(folder, lambda tensors: {f"module.{name}": tensor for name, tensor in tensors.items()})
    assert "Every name begins with 'module.'" in refused(folder)


LAYERS = {"distilbert": "n_layers", "bloom": "n_layer", "t5": "num_layers", "mt5": "num_layers", "umt5": "num_layers",
          "mbart": "encoder_layers", "xglm": "num_layers"}  # fmt: skip


@pytest.mark.parametrize("architecture", ALL)
@pytest.mark.parametrize("more", [1, -1], ids=["larger", "smaller"])
def test_another_number_of_layers_is_refused(copy, architecture, more):
    folder = copy(architecture)
    name = LAYERS.get(architecture, "num_hidden_layers")
    settings: dict[str, Any] = {name: tiny.LAYERS + more}
    if architecture.startswith(("qwen", "modernbert")):
        settings["layer_types"] = None
    if architecture.startswith("gemma"):
        settings["layer_types"] = ["full_attention"] * (tiny.LAYERS + more)
    with_settings(folder, **settings)
    message = refused(folder)
    assert ("missing" if more > 0 else "not of this architecture") in message
    assert "Check the number of layers in config.json" in message


@pytest.mark.parametrize("architecture", ALL)
def test_a_cut_checkpoint_leaves_its_other_layers_and_nothing_else(copy, architecture):
    folder = copy(architecture)
    short = find_model(str(folder)).cut(1)
    load_network(short, Sources())
    rewritten(folder, lambda tensors: {**tensors, "extra_norm.weight": torch.ones(3)})
    with pytest.raises(UserError, match=r"1 not of this architecture \(extra_norm.weight\)"):
        load_network(short, Sources())


@pytest.mark.parametrize("architecture", ["bert", "llama", "mt5"])
def test_another_shape_is_told_with_both(copy, architecture):
    folder = copy(architecture)
    with_settings(folder, vocab_size=999)
    message = refused(folder)
    assert "of another shape" in message
    assert "config.json requires (999, 32)" in message


def test_empty_tensors_are_known_for_what_they_are(copy):
    folder = copy("llama")
    rewritten(folder, lambda tensors: {name: tensor.new_zeros(0) for name, tensor in tensors.items()})
    assert "DeepSpeed ZeRO-3" in refused(folder)


@pytest.mark.parametrize("form", [torch.int8, torch.float8_e4m3fn])
def test_weights_that_are_no_floats_are_refused(copy, form):
    folder = copy("llama")
    name = "model.layers.0.mlp.up_proj.weight"
    rewritten(folder, lambda tensors: {**tensors, name: tensors[name].to(form)})
    assert f"not floating-point weights ({name} as " in refused(folder)


@pytest.mark.parametrize("stored", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_every_width_are_read(copy, stored):
    folder = copy("llama")
    rewritten(folder, lambda tensors: {name: tensor.to(stored) for name, tensor in tensors.items()})
    found = load_network(ModelSpec(str(folder)), Sources())
    assert {each.dtype for each in found.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    "settings", [{"num_attention_heads": 0}, {"num_attention_heads": "4"}, {"pad_token_id": 10**6}, {"hidden_act": "x"},
                 {"hidden_size": 33}]
)  # fmt: skip
def test_settings_that_nothing_can_be_built_of_are_told(copy, settings):
    folder = copy("bert")
    with_settings(folder, **settings)
    assert str(folder) in refused(folder)


LEFT_OVER = {
    "bert": ("bert.embeddings.position_ids", "bert.pooler.dense.weight", "cls.seq_relationship.bias",
             "classifier.weight"),
    "xlm-roberta": ("roberta.embeddings.position_ids", "roberta.pooler.dense.bias", "classifier.out_proj.weight"),
    "distilbert": ("vocab_transform.weight", "vocab_projector.bias", "pre_classifier.weight", "qa_outputs.weight"),
    "deberta-v2": ("mask_predictions.dense.weight", "lm_predictions.lm_head.bias", "pooler.dense.weight",
                   "embeddings.word_embeddings._weight", "embeddings.position_embeddings.weight"),
    "rembert": ("cls.predictions.decoder.weight",),
    "modernbert": ("head.dense.weight", "decoder.bias"),
    "t5": ("decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight",),
    "llama": ("model.layers.0.self_attn.rotary_emb.inv_freq", "score.weight"),
    "mistral": ("v_head.summary.weight",),
    "xglm": ("model.embed_positions.weights",),
}  # fmt: skip


@pytest.mark.parametrize("architecture", LEFT_OVER)
def test_heads_and_what_published_checkpoints_hold_besides_are_left(copy, architecture):
    folder = copy(architecture)
    wanted = load_network(ModelSpec(str(folder)), Sources()).state_dict()
    rewritten(folder, lambda tensors: {**tensors, **{name: torch.ones(3) for name in LEFT_OVER[architecture]}})
    found = load_network(ModelSpec(str(folder)), Sources()).state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in wanted.items())


@pytest.mark.parametrize("architecture", ["t5", "mbart", "qwen2", "gemma2", "bloom", "xglm", "umt5"])
def test_copies_of_tied_weights_are_alike_or_refused(copy, architecture):
    folder = copy(architecture)
    wanted = load_network(ModelSpec(str(folder)), Sources())
    matrix = wanted.get_output_embeddings().weight.detach()
    rewritten(folder, lambda tensors: {**tensors, "lm_head.weight": matrix.clone()})
    found = load_network(ModelSpec(str(folder)), Sources())
    assert torch.equal(found.get_output_embeddings().weight, matrix)
    rewritten(folder, lambda tensors: {**tensors, "lm_head.weight": matrix + 1})
    assert "tie_word_embeddings" in refused(folder)


def test_a_decoder_without_its_output_matrix_is_read_and_writes_nothing(copy):
    folder = copy("llama")
    rewritten(
        folder,
        lambda tensors: {n.removeprefix("model."): t for n, t in tensors.items() if n != "lm_head.weight"},
    )
    network = load_network(ModelSpec(str(folder)), Sources())
    with pytest.raises(UserError, match="has no output matrix"):
        output_matrix(network)


@needs.bitsandbytes
def test_a_quantised_checkpoint_is_loaded_whole_too(copy):
    folder = copy("llama")
    rewritten(
        folder, lambda tensors: {name: t for name, t in tensors.items() if not name.endswith("0.mlp.up_proj.weight")}
    )
    with pytest.raises(UserError, match="1 missing"):
        load_network(find_model(f"{folder}:nf4"), Sources(), bf16=True)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_values_that_are_not_finite_are_refused(copy, value):
    folder = copy("bert")
    name = "bert.encoder.layer.1.output.dense.weight"

    def spoil(tensors):
        tensors[name][3, 5] = value
        return tensors

    rewritten(folder, spoil)
    for bf16 in (False, True):
        with pytest.raises(NotFinite, match=r"encoder.layer.1.output.dense.weight holds values that are not finite"):
            load_network(ModelSpec(str(folder)), Sources(), bf16=bf16)


def test_large_values_are_finite(copy):
    folder = copy("bert")
    rewritten(folder, lambda tensors: {n: t.fill_(3e38) if n.endswith("query.bias") else t for n, t in tensors.items()})
    load_network(ModelSpec(str(folder)), Sources())


# Files and their index.


@pytest.fixture
def shards(copy):
    folder = copy("bert")
    network = load_network(ModelSpec(str(folder)), Sources())
    (folder / "model.safetensors").unlink()
    network.save_pretrained(folder, max_shard_size="20KB")
    load_network(ModelSpec(str(folder)), Sources())
    return folder


def test_an_index_and_its_files_agree(shards):
    index = shards / "model.safetensors.index.json"
    kept = index.read_text()
    places = json.loads(kept)["weight_map"]
    first, second = sorted({file for file in places.values() if list(places.values()).count(file) > 1})[:2]
    moved = next(name for name, file in places.items() if file == first)

    def with_map(change) -> str:
        index.write_text(json.dumps({"weight_map": change}))
        return refused(shards)

    assert f"{moved} is in {first}, not in {second}" in with_map({**places, moved: second})
    assert f"{moved} is in {first}, not in the index" in with_map({n: f for n, f in places.items() if n != moved})
    assert "ghost.weight is in no file" in with_map({**places, "ghost.weight": first})
    assert "outside its folder" in with_map({**places, moved: "../other.safetensors"})
    assert "has no weight_map" in with_map([])
    index.write_text("{")
    assert "cannot be read as JSON" in refused(shards)
    index.unlink()
    assert "not the list of their tensors, model.safetensors.index.json" in refused(shards)
    index.write_text(kept)
    load_network(ModelSpec(str(shards)), Sources())


def test_a_tensor_in_two_shards_is_refused(shards):
    first, second = sorted(shards.glob("*.safetensors"))[:2]
    tensors = load_file(first)
    save_file({**load_file(second), **dict(list(tensors.items())[:1])}, second, {"format": "pt"})
    assert f"is in both {first.name} and {second.name}" in refused(shards)


@pytest.mark.parametrize(
    ("damage", "cause"),
    [
        (lambda b: b[:-10], "it was cut short or overwritten"),
        (lambda b: b + b"x", "it was cut short or overwritten"),
        (lambda b: b"\xff" * 8 + b[8:], "its header should have"),
        (lambda _: b"<html>", "it has only 6 bytes"),
        (lambda _: b"version https://git-lfs.github.com/spec/v1\noid sha256:", "run `git lfs pull`"),
    ],
)
def test_a_file_cut_short_or_written_over_is_named(copy, damage, cause):
    folder = copy("bert")
    file = folder / "model.safetensors"
    file.write_bytes(damage(file.read_bytes()))
    message = refused(folder)
    assert str(file) in message
    assert cause in message
    with pytest.raises(UserError, match=re.escape(cause)):
        check_folder(folder)  # as planning does
    assert "Copy or download it again" in message


# Pickled weights.


def pickled(folder: Path, cache: Path, patch: pytest.MonkeyPatch, **options) -> Path:
    patch.setattr(converting, "CACHE", cache)
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(tensors, folder / "pytorch_model.bin", **options)
    return folder


def test_converted_copies_are_told_apart_by_content(copy, tmp_path, monkeypatch):
    """Two folders of one name and one time, as tar and rsync leave them; then other files of one folder."""
    import os

    first, second = (pickled(copy("bert", f"{name}/ckpt"), tmp_path / "cache", monkeypatch) for name in "AB")
    (second / "pytorch_model.bin").unlink()
    tensors = torch.load(first / "pytorch_model.bin", weights_only=True)
    torch.save({name: tensor + 1 for name, tensor in tensors.items()}, second / "pytorch_model.bin")
    for folder in (first, second):
        for file in folder.iterdir():
            os.utime(file, ns=(10**18, 10**18))
    name = "encoder.layer.0.output.dense.bias"
    found = [load_network(ModelSpec(str(folder)), Sources()).state_dict()[name] for folder in (first, second)]
    assert torch.equal(found[0] + 1, found[1])
    before = load_tokenizer(ModelSpec(str(first)), Sources()).get_vocab()
    text = (first / "tokenizer.json").read_text()
    (first / "tokenizer.json").write_text(text.replace('"tree"', '"TREE"'))
    os.utime(first / "tokenizer.json", ns=(10**18, 10**18))
    after = load_tokenizer(ModelSpec(str(first)), Sources()).get_vocab()
    assert "tree" in before
    assert "TREE" in after
    assert len([path for path in (tmp_path / "cache").iterdir() if path.is_dir()]) == 3


def test_a_conversion_that_is_cut_short_leaves_nothing(copy, tmp_path, monkeypatch):
    folder = pickled(copy("bert"), tmp_path / "cache", monkeypatch)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("safetensors.torch.save_file", full)
        with pytest.raises(OSError, match="No space left"):
            load_network(ModelSpec(str(folder)), Sources())
    assert [path for path in (tmp_path / "cache").iterdir() if path.is_dir()] == []
    load_network(ModelSpec(str(folder)), Sources())


def test_old_pickles_and_other_entries_are_read(copy, tmp_path, monkeypatch):
    folder = pickled(copy("bert"), tmp_path / "cache", monkeypatch, _use_new_zipfile_serialization=False)
    load_network(ModelSpec(str(folder)), Sources())
    tensors = torch.load(folder / "pytorch_model.bin", weights_only=True)
    torch.save({**tensors, "config": "a note"}, folder / "pytorch_model.bin")
    load_network(ModelSpec(str(folder)), Sources())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "EOFError"),
        (b"not a pickle", "cannot be read as pickled weights"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "cannot be read as pickled weights"),
    ],
)
def test_a_pickle_that_cannot_be_read_is_named(copy, tmp_path, monkeypatch, content, message):
    folder = pickled(copy("bert"), tmp_path / "cache", monkeypatch)
    (folder / "pytorch_model.bin").write_bytes(content)
    found = refused(folder)
    assert message in found
    assert "pytorch_model.bin" in found


def test_a_pickle_of_something_else_is_told_with_what_it_holds(copy, tmp_path, monkeypatch):
    folder = pickled(copy("bert"), tmp_path / "cache", monkeypatch)
    tensors = torch.load(folder / "pytorch_model.bin", weights_only=True)
    torch.save({"model": tensors, "epoch": 3}, folder / "pytorch_model.bin")
    assert "a mapping of names to tensors, but: model, epoch" in refused(folder)
    torch.save([1, 2], folder / "pytorch_model.bin")
    assert "a mapping of names to tensors, but: list" in refused(folder)
    torch.save({"a": Path("x")}, folder / "pytorch_model.bin")
    assert "cannot be read as pickled weights" in refused(folder)


def test_safetensors_are_taken_before_pickles(copy):
    folder = copy("bert")
    (folder / "pytorch_model.bin").write_bytes(b"never read")
    assert [file.name for file in weight_files(folder)] == ["model.safetensors"]
    load_network(ModelSpec(str(folder)), Sources())


# The head for masked words.


@pytest.mark.parametrize("architecture", small_world.ARCHITECTURES)
def test_a_part_of_a_language_model_head_is_refused(copy, architecture):
    folder = copy(architecture)
    model = ModelSpec(str(folder))
    whole = load_language_model_head(model, Sources())
    assert whole is not None
    kept = load_file(folder / "model.safetensors")
    names = [name for name in kept if name.startswith(("cls.", "lm_head."))]
    assert len(names) == len(whole) == 5
    for name in names:
        rewritten(folder, lambda _, name=name: {n: t for n, t in kept.items() if n != name})
        with pytest.raises(UserError, match="holds only a part of a masked-language-model head: it has no"):
            load_language_model_head(model, Sources())
    rewritten(folder, lambda _: {**kept, names[0]: kept[names[0]] * float("nan")})
    with pytest.raises(NotFinite, match="holds values that are not finite"):
        load_language_model_head(model, Sources())
    rewritten(folder, lambda _: {n: t for n, t in kept.items() if n not in names})
    assert load_language_model_head(model, Sources()) is None


def test_a_head_over_a_matrix_of_its_own_is_refused(copy):
    folder = copy("bert")
    embeddings = load_file(folder / "model.safetensors")["bert.embeddings.word_embeddings.weight"]
    rewritten(folder, lambda tensors: {**tensors, "cls.predictions.decoder.weight": embeddings.clone()})
    assert load_language_model_head(ModelSpec(str(folder)), Sources()) is not None
    rewritten(folder, lambda tensors: {**tensors, "cls.predictions.decoder.weight": embeddings + 1})
    with pytest.raises(UserError, match="has an output matrix"):
        load_language_model_head(ModelSpec(str(folder)), Sources())


# The tokenizer.


@pytest.mark.parametrize("architecture", ALL)
def test_tokens_beyond_the_embeddings_are_refused_with_both_numbers(copy, architecture):
    folder = copy(architecture)
    model = ModelSpec(str(folder))
    tokenizer = load_tokenizer(model, Sources())
    rows = json.loads((folder / "config.json").read_text())["vocab_size"]
    # A few rows more than tokens are as usual; so are exactly as many.
    tokenizer.add_tokens([f"<new{number}>" for number in range(rows - len(tokenizer))])
    tokenizer.save_pretrained(folder)
    assert len(load_tokenizer(model, Sources())) == rows
    tokenizer.add_tokens(["<one too many>"])
    tokenizer.save_pretrained(folder)
    with pytest.raises(UserError) as error:
        load_tokenizer(model, Sources())
    for shown in (f"need {rows + 1:,} rows", f"have {rows:,} rows", "'<one too many>'", "resize_token_embeddings"):
        assert shown in str(error.value)


def test_a_token_for_images_needs_no_row(copy):
    folder = copy("gemma3_text")
    model = ModelSpec(str(folder))
    tokenizer = load_tokenizer(model, Sources())
    with_settings(folder, vocab_size=len(tokenizer))
    tokenizer.add_tokens(["<image_soft_token>"])
    tokenizer.save_pretrained(folder)
    load_tokenizer(model, Sources())


@pytest.mark.parametrize("content", ["", "{", '{"version": "1.0"}', "[1]"])
def test_a_tokenizer_that_cannot_be_read_is_named(copy, content):
    folder = copy("bert")
    (folder / "tokenizer.json").write_text(content)
    with pytest.raises(UserError, match="its tokenizer cannot be read"):
        load_tokenizer(ModelSpec(str(folder)), Sources())


def test_positions_are_counted_from_the_tokenizers_own_padding(copy):
    folder = copy("xlm-roberta")
    own = load_tokenizer(ModelSpec(str(folder)), Sources()).pad_token_id
    for other in (own + 1, None):
        with_settings(folder, pad_token_id=other)
        with pytest.raises(UserError, match=f"pad_token_id {other}, but the tokenizer's padding token .* id {own}"):
            load_tokenizer(ModelSpec(str(folder)), Sources())


OTHER_NETWORKS = (
    ("bert", {"is_decoder": True}),
    ("xlm-roberta", {"add_cross_attention": True}),
    ("bert", {"position_embedding_type": "relative_key"}),
    ("llama", {"rope_scaling": {"rope_type": "dynamic", "factor": 2.0}}),
    ("qwen3", {"rope_scaling": {"type": "longrope", "factor": 2.0}}),
    ("llama", {"rope_scaling": None, "rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}}),
)


@pytest.mark.parametrize(("architecture", "settings"), OTHER_NETWORKS)
def test_settings_that_make_another_network_are_refused(copy, architecture, settings):
    folder = copy(architecture)
    with_settings(folder, **settings)
    with pytest.raises(UserError, match=f"{next(iter(settings))} is .*not supported in {architecture}"):
        find_model(str(folder))
    assert next(iter(settings)) in refused(folder), "a checkpoint of the hub is seen when it is loaded"


def test_a_folder_with_a_module_of_pefts_is_refused_before_its_base_is_loaded(copy):
    folder = copy("bert")
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA", "base_model_name_or_path": "owner/other"}')
    assert "Published(FOLDER, BASE, METHOD)" in refused(folder)
    plan = Recipe("refused", (Evaluate(find_model(str(folder)), tiny.TATOEBA, "xa"),))
    with pytest.raises(UserError, match="holds a peft module"):
        make_plan(plan, Sources())


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (("adapter_config.json",), "it contains an adapter"),
        (
            ("checkpoint-500/config.json", "checkpoint-900/config.json"),
            "one of the folders in it: checkpoint-500, check",
        ),
        ((), "it has no config.json"),
    ],
)
def test_a_folder_that_is_no_checkpoint_says_what_it_is(tmp_path, files, said):
    for file in files:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("{}")
    with pytest.raises(UserError, match=said):
        find_model(str(tmp_path))


def test_a_path_that_is_no_folder_is_said_to_be_none(tmp_path):
    with pytest.raises(UserError, match="there is no such folder"):
        find_model(str(tmp_path / "gone"))
    file = tmp_path / "config.json"
    file.write_text("{}")
    with pytest.raises(UserError, match=f"it is a file in {tmp_path}"):
        find_model(str(file))


@pytest.mark.parametrize("part", WRAPPERS)
def test_what_wraps_single_layers_is_named(copy, part):
    folder = copy("bert")
    rewritten(folder, lambda tensors: {name.replace("layer.1.", f"layer.1.{part}."): t for name, t in tensors.items()})
    message = refused(folder)
    assert f"remove '{part}.' from the names" in message
    assert WRAPPERS[part] in message


# Code that comes with a checkpoint.


OWN_CODE = (
    ("config.json", {"AutoModel": "own.Network"}),
    ("config.json", {"AutoConfig": "own.Config"}),
    ("tokenizer_config.json", {"AutoTokenizer": ["own.Tokenizer", None]}),
)


@pytest.mark.parametrize(("file", "auto_map"), OWN_CODE)
def test_code_of_a_checkpoints_own_is_refused_without_a_question(copy, tmp_path, monkeypatch, file, auto_map):
    folder = copy("bert")
    with_settings(folder, file, auto_map=auto_map)
    (folder / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').write('it ran')\n")
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("a question"))
    for load in (load_network, load_tokenizer):
        with pytest.raises(UserError, match="adaptx does not run such code"):
            load(ModelSpec(str(folder)), Sources())
    assert not (tmp_path / "ran").exists()


RECIPE = """
from adaptx import Evaluate, Lora, Recipe, Train, TrainConfig
from adaptx.catalog import find_model
from support import tiny

def build(model: str = "") -> Recipe:
    train = Train(find_model(model), tiny.NLI, Lora(), TrainConfig(learning_rate=1e-3, max_steps=1, batch_size=4))
    return Recipe("whole", (Evaluate(train, tiny.NLI, "xa"),))
"""


def test_a_run_is_refused_whatever_is_written_into_it(world, copy, tmp_path):
    """`yes | adaptx run ...` is no answer: there is no question."""
    (tmp_path / "recipe.py").write_text(RECIPE)
    folder = copy("bert")
    with_settings(folder, auto_map={"AutoModel": "own.Network"})
    (folder / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').write('it ran')\n")
    places = ("--store", tmp_path / "store", "--data", world.folder)
    command = tiny.adaptx_command("run", tmp_path / "recipe.py", "--model", folder, *places)
    ended = subprocess.run(command, input="yes\n" * 99, env=tiny.environment(), capture_output=True, text=True)
    assert ended.returncode == 2
    assert "adaptx does not run such code" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "ran").exists()


def test_a_checkpoint_that_is_not_whole_fails_its_stages(world, copy, tmp_path):
    folder = copy("bert")
    rewritten(folder, lambda tensors: {n: t for n, t in tensors.items() if not n.endswith("1.output.dense.bias")})
    train = tiny.train(find_model(str(folder)), tiny.NLI, Lora())
    _, _, summary = tiny.execute(world, tmp_path / "store", (Evaluate(train, tiny.NLI, "xa"),))
    first, second = summary.failed.values()
    assert "1 missing (encoder.layer.1.output.dense.bias)" in first
    assert second.startswith("skipped")
    assert list((tmp_path / "store").glob("*/*/complete")) == []


@pytest.mark.parametrize("spoil", ["code", "quantised", "tokens", "index", "settings"])
def test_planning_refuses_what_it_can_see(world, copy, spoil):
    folder = copy("bert")
    model = find_model(str(folder))
    plan = Recipe("whole", (Evaluate(tiny.train(model, tiny.NLI, Lora()), tiny.NLI, "xa"),))
    make_plan(plan, world.sources)
    match spoil:
        case "code":
            with_settings(folder, "tokenizer_config.json", auto_map={"AutoTokenizer": ["own.Tokenizer", None]})
        case "quantised":
            with_settings(folder, quantization_config={"quant_method": "awq"})
        case "tokens":
            tokenizer = load_tokenizer(model, Sources())
            tokenizer.add_tokens([f"<new{number}>" for number in range(9)])
            tokenizer.save_pretrained(folder)
        case "index":
            (folder / "model.safetensors").unlink()
            (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "model-1.safetensors"}}')
            (folder / "pytorch_model.bin").touch()
        case "settings":
            (folder / "tokenizer_config.json").write_text("{")
    with pytest.raises(UserError, match=f"this recipe cannot run:\n  - .*{folder}"):
        make_plan(plan, world.sources)


def test_a_checkpoint_that_is_quantised_already_is_refused(copy):
    folder = copy("llama")
    with_settings(folder, quantization_config={"quant_method": "gptq", "bits": 4})
    assert "its weights are already quantised" in refused(folder)


LOADING = {"from_pretrained", "from_config"}


def test_no_call_may_run_code_of_a_checkpoint():
    """Every use of transformers' loading functions is a call that says so; `datasets` has dropped such code."""
    assert int(version("datasets").partition(".")[0]) >= 4
    found = 0
    for file in sorted((Path(__file__).parents[1] / "adaptx").rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        calls = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
        for node in ast.walk(tree):
            # peft reads a module into a network that is there; it loads no checkpoint and takes no such argument.
            if ast.unparse(node) == "PeftModel.from_pretrained":
                continue
            if isinstance(node, ast.Attribute) and node.attr in LOADING:
                call = calls.get(id(node))
                assert call is not None, f"{file}:{node.lineno} is no call, so what it is given cannot be seen"
                given = {each.arg: getattr(each.value, "value", None) for each in call.keywords}
                assert given.get("trust_remote_code", True) is False, f"{file}:{node.lineno}"
                found += 1
    assert found >= 6


def test_the_packages_own_model_is_whole():
    model = find_model("adaptx/e5-mini")
    load_network(model, Sources("sample"))
    load_tokenizer(model, Sources("sample"))
