"""Modules that peft and adapters wrote themselves, as starts: the same numbers, and refusals with both values."""

import dataclasses
import json
import shutil
import warnings
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
from support import needs, tiny
from support.modules import published

import adaptx
from adaptx.catalog import QWEN3_8B, find_model
from adaptx.costs.stages import training_peak_bytes
from adaptx.data.mirror import fetch
from adaptx.errors import MissingInput, UserError
from adaptx.execution.building import model_to_train
from adaptx.exporting.export import export_stage
from adaptx.exporting.holding import Library
from adaptx.methods import attach
from adaptx.methods.published import load_published
from adaptx.planning.identity import modules_read
from adaptx.planning.lineage import lineage
from adaptx.planning.plan import make_plan
from adaptx.planning.recipe_file import load_recipe
from adaptx.planning.support import refusal as refusal_of
from adaptx.published import read_base, written
from adaptx.published.checking import base_refusal
from adaptx.sources.tensor_headers import tensor_shapes
from adaptx.specs import (
    Bottleneck,
    Evaluate,
    Fuse,
    KeptHead,
    KeptHeadOf,
    Linear,
    Lora,
    Merge,
    Merged,
    Pretrained,
    Published,
    Resources,
    Sequential,
    Stack,
    Train,
)
from adaptx.specs.architectures import ARCHITECTURES
from adaptx.specs.sites import sites_of
from adaptx.store.mixing import FusedModule
from adaptx.store.store import Store, read_json

SETTING = tiny.config(learning_rate=2e-2, max_steps=4, batch_size=16)


def peft_folder(world: Any, architecture: str, folder: Path, **settings: Any) -> Any:
    """A folder as peft writes it; returns its network, which names the base as adaptx does."""
    from peft import LoraConfig, get_peft_model

    base = tiny.bare(world, architecture)
    base.name_or_path = f"tiny/{architecture}"
    base.config._name_or_path = f"tiny/{architecture}"
    settings = {"r": 4, "lora_alpha": 8, "target_modules": ["query", "value"], **settings}
    network = get_peft_model(base, LoraConfig(**settings))
    tiny.shake([p for name, p in network.named_parameters() if "lora_" in name or p.requires_grad])
    with warnings.catch_warnings():
        # peft 0.21 takes the bias of a lora_B for a matrix that has lost a dimension.
        warnings.filterwarnings("ignore", message=".*LoRA tensor.s. have invalid shape")
        network.save_pretrained(folder, save_embedding_layers=False)
    return network.base_model.model.eval()


def adapter_folder(world: Any, architecture: str, folder: Path, **settings: Any) -> Any:
    """Likewise of adapters."""
    import adapters

    network = tiny.bare(world, architecture)
    network.config._name_or_path = network.name_or_path = f"tiny/{architecture}"
    adapters.init(network)
    network.add_adapter("theirs", config=adapters.SeqBnConfig(**{"reduction_factor": 4, **settings}))
    network.set_active_adapters("theirs")
    tiny.shake([p for name, p in network.named_parameters() if ".adapters." in name])
    network.save_adapter(str(folder), "theirs")
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps({**config, "model_name": f"tiny/{architecture}"}))
    return network.eval()


def changed(folder: Path, **settings: Any) -> None:
    file = folder / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **settings}))


def from_start(world: Any, architecture: str, start: Any, method: Any, **more: Any) -> Train:
    return tiny.train(world.models[architecture], tiny.NLI, method, setting=SETTING, start=start, **more)


def begun(world: Any, store: Path, train: Train) -> Any:
    _, shop = tiny.workshop(world, store, (Evaluate(train, tiny.NLI, "xa"),))
    return model_to_train(train, shop).backbone.network.eval()


def assert_same(world: Any, architecture: str, ours: Any, theirs: Any) -> None:
    batch = tiny.token_batch(world, architecture)
    expected = tiny.hidden_states(theirs, batch)
    torch.testing.assert_close(tiny.hidden_states(ours, batch), expected, atol=1e-5, rtol=1e-5)
    bare = tiny.hidden_states(tiny.bare(world, architecture), batch)
    assert (expected - bare).abs().max() > 0.02, "the module does nothing"


PATTERNED: dict[str, Any] = {
    "target_modules": ["query", "key", "intermediate.dense"],
    "rank_pattern": {"layer.1.attention.self.key": 7},
    "alpha_pattern": {"intermediate.dense": 3},
}
LORAS: dict[str, tuple[dict[str, Any], Lora]] = {
    "plain": ({}, Lora(4, 8)),
    "patterns": (PATTERNED, Lora(4, 8, 0.0, ("query", "key", "up"), False, (("key", 7),), (("key", 14), ("up", 3)))),
    "lora-only": ({"bias": "lora_only"}, Lora(4, 8, bias=True)),
    "lora-bias": ({"lora_bias": True, "lora_alpha": 3, "target_modules": ["key", "intermediate.dense"]},
                  Lora(4, 3, sites=("key", "up"), bias=True)),
    "bias-in-some-layers": ({"bias": "lora_only", "layers_to_transform": [1], "target_modules": ["output.dense"]},
                            Lora(4, 8, sites=("output", "down"), bias=True)),
    "rslora": ({"use_rslora": True, "target_modules": ["value"]}, Lora(4, 16, sites=("value",))),
    "some-layers": ({"layers_to_transform": [1], "target_modules": ["attention.output.dense"]},
                    Lora(4, 8, sites=("output",))),
}  # fmt: skip


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
@pytest.mark.parametrize("case", LORAS)
def test_a_lora_that_peft_wrote_computes_the_same(world, architecture, case, tmp_path):
    settings, method = LORAS[case]
    theirs = peft_folder(world, architecture, tmp_path / "theirs", **settings)
    module = published(tmp_path / "theirs", world.models[architecture])
    assert module.method == method
    for start, new in ((Sequential(module), method), (Sequential(module), Lora(2, 2)), (Stack((module,)), method)):
        network = begun(world, tmp_path / "store", from_start(world, architecture, start, new))
        assert_same(world, architecture, network, theirs)


@needs.adapters
@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
@pytest.mark.parametrize("settings", [{}, {"reduction_factor": 1.5, "non_linearity": "gelu"}], ids=["relu", "gelu"])
def test_an_adapter_that_adapters_wrote_computes_the_same(world, architecture, settings, tmp_path):
    theirs = adapter_folder(world, architecture, tmp_path / "theirs", **settings)
    module = published(tmp_path / "theirs", world.models[architecture])
    method = Bottleneck(settings.get("reduction_factor", 4), settings.get("non_linearity", "relu"))
    assert module.method == method
    for start, new in ((Sequential(module), method), (Sequential(module), Lora(2, 2)), (Stack((module,)), method)):
        network = begun(world, tmp_path / "store", from_start(world, architecture, start, new))
        assert_same(world, architecture, network, theirs)
    # Pickled weights tell their shapes without torch.
    weights = torch.load(tmp_path / "theirs" / "pytorch_adapter.bin", weights_only=True)
    assert tensor_shapes(tmp_path / "theirs" / "pytorch_adapter.bin") == {n: tuple(t.shape) for n, t in weights.items()}


@pytest.mark.parametrize("library", [Library.PEFT, pytest.param(Library.ADAPTERS, marks=needs.adapters)])
def test_what_was_exported_comes_back_as_it_was(world, tmp_path, library):
    """Hidden states and, with the exported head, logits: of the model that was exported, and of the one taken over."""
    from safetensors.torch import load_file

    from adaptx.execution.building import finished_model

    method = Bottleneck(4)
    if library is Library.PEFT:
        method = Lora(4, 8, 0.0, ("query", "down"), True, (("down", 6),), (("down", 3),))
    train = tiny.train(world.bert, tiny.NLI, method, setting=SETTING)
    _, shop, summary = tiny.execute(world, tmp_path / "store", (Evaluate(train, tiny.NLI, "xa"),))
    assert summary.complete
    export_stage(shop.store, world.sources, shop.entry(train).folder.name, library, tmp_path / "out")
    module = published(tmp_path / "out", world.bert)
    assert module.method == method
    assert read_base(module, world.sources) == world.bert.hub_id
    finished = finished_model(train, shop, "fp32")
    network = begun(world, tmp_path / "store", from_start(world, "bert", Sequential(module), method))
    assert_same(world, "bert", network, finished.backbone.network)
    stored, again = shop.module(train).tensors, shop.module(module).tensors
    assert stored.keys() == again.keys()
    assert all(torch.equal(stored[key], again[key]) for key in stored)
    head, (ours,) = load_file(tmp_path / "out" / "head.safetensors"), finished.heads.values()
    batch = tiny.token_batch(world, "bert")
    states = tiny.hidden_states(network, batch)
    with torch.no_grad():
        expected = ours.module(tiny.hidden_states(finished.backbone.network, batch))
    logits = states @ head["linear.weight"].T + head["linear.bias"]
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)


def test_a_training_from_a_published_module_goes_the_whole_way(world, tmp_path):
    """Trained, scored, read again in a new process, exported; its name is in the stage's."""
    peft_folder(world, "bert", tmp_path / "theirs", **PATTERNED)
    module = published(tmp_path / "theirs", world.bert, name="hate", licence="CC-BY-4.0")
    trains = [from_start(world, "bert", Sequential(module), method) for method in (module.method, Lora(2, 2))]
    stages = tuple(Evaluate(train, tiny.NLI, "xa") for train in trains)
    _, shop, summary = tiny.execute(world, tmp_path / "store", stages)
    assert summary.complete, summary.failed
    entry = shop.entry(trains[1])
    assert entry.folder.name.startswith("bert.nli.lora-r2.sequential-hate-")
    # The ranks that the pattern leaves out are zero after training, too.
    own = shop.module(trains[0]).tensors
    assert not own[0, "key", "lora_A"][4:].any()
    assert not own[0, "key", "lora_B"][:, 4:].any()
    assert own[1, "key", "lora_A"][4:].any()
    (tmp_path / "rows.csv").write_text("text,pair\nbato dino,gufa\n")
    ended = tiny.adaptx("predict", entry.folder.name, tmp_path / "rows.csv", "--store", tmp_path / "store",
                        "--data", world.folder)  # fmt: skip
    assert json.loads(ended.stdout)["prediction"] in tiny.LABELS
    export_stage(Store(tmp_path / "store"), world.sources, entry.folder.name, Library.PEFT, tmp_path / "out")
    config = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    # The keys' rank: queries have 4 and 2.
    assert config["r"] == 7
    assert "CC-BY-4.0" in (tmp_path / "out" / "README.md").read_text()


@needs.adapters
def test_published_adapters_are_fused_with_trained_ones(world, tmp_path):
    adapter_folder(world, "bert", tmp_path / "theirs")
    module = published(tmp_path / "theirs", world.bert)
    ours = tiny.train(world.bert, tiny.TOPIC, Bottleneck(4), setting=SETTING)
    train = from_start(world, "bert", Fuse((module, ours)), Bottleneck(4))
    _, shop, summary = tiny.execute(world, tmp_path / "store", (Evaluate(train, tiny.NLI, "xa"),))
    assert summary.complete, summary.failed
    (scored,) = [entry for entry in shop.store.entries().values() if entry.kind == "evaluate"]
    mixing = scored.mixing
    assert mixing.modules == (FusedModule(module.name, None), FusedModule("topic", shop.fingerprint_of(ours)))
    assert {len(place.weights) for place in mixing.places} == {2}


def test_trainings_over_a_published_module_are_merged_and_it_is_not_itself(world, tmp_path):
    """The published one is frozen below both; a merge of it would not know how texts are read."""
    peft_folder(world, "bert", tmp_path / "theirs")
    module = published(tmp_path / "theirs", world.bert)
    one, other = (
        tiny.train(world.bert, task, Lora(2, 2), setting=SETTING, start=Sequential(module))
        for task in (tiny.NLI, tiny.TOPIC)
    )
    merge = Merge((one, other), Linear(), KeptHeadOf(0))
    assert lineage(merge).frozen == (module,)
    continued = tiny.train(world.bert, tiny.NLI, Lora(8, 8), setting=SETTING, start=Merged(merge))
    assert lineage(continued).frozen == (module, merge)
    _, _, summary = tiny.execute(
        world, tmp_path / "store", tuple(Evaluate(model, tiny.NLI, "xa") for model in (merge, continued))
    )
    assert summary.complete, summary.failed
    peak = training_peak_bytes(continued, 1_000, 64, Resources("cpu"))
    bare = training_peak_bytes(dataclasses.replace(continued, start=Pretrained()), 1_000, 64, Resources("cpu"))
    frozen_below = training_peak_bytes(one, 1_000, 64, Resources("cpu"))
    alone = training_peak_bytes(dataclasses.replace(one, start=Pretrained()), 1_000, 64, Resources("cpu"))
    assert None not in (peak, bare, frozen_below, alone)
    assert peak > bare
    assert frozen_below > alone
    with pytest.raises(UserError, match=r"Merge\(.*trained outside.*start=Sequential\(\.\.\.\)\) and merge that"):
        Merge((one, module), Linear(), KeptHeadOf(0))


FROM_THE_HUB = """
import pathlib
from support import tiny
from adaptx import Recipe, Sequential
from adaptx.specs import Lora, Published

def build(world: str = "") -> Recipe:
    model = tiny.known_world(pathlib.Path(world)).bert
    module = Published("owner/theirs", model, Lora(4, 8, bias=True))
    return Recipe("hub", tiny.everywhere(tiny.train(model, tiny.NLI, module.method, start=Sequential(module))))
"""
COMMIT = "c" * 40


def fake_hub(monkeypatch: Any, folder: Path) -> list[str]:
    """A hub whose one module lies in a folder, beside other files; returns what is asked of it."""
    asked: list[str] = []

    def snapshot(source, revision=None, allow_patterns=None, local_dir=None, local_files_only=False):
        if local_files_only or source != "owner/theirs":
            raise FileNotFoundError(source)
        asked.append(f"{source}@{revision}")
        if local_dir is None:
            return str(folder)
        Path(local_dir).mkdir(parents=True)
        for name in allow_patterns:
            shutil.copyfile(folder / name, local_dir / name)
        return str(local_dir)

    def resolve(kind, hub_id, revision):
        return COMMIT

    def names(self, source, revision=None):
        return sorted(path.name for path in folder.iterdir())

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    monkeypatch.setattr("huggingface_hub.HfApi.list_repo_files", names)
    monkeypatch.setattr("adaptx.data.mirror.resolve_commit", resolve)
    return asked


def test_a_module_of_the_hub_is_mirrored_and_then_read_from_the_mirror_alone(world, tmp_path, monkeypatch):
    peft_folder(world, "bert", tmp_path / "hub", bias="lora_only")
    (tmp_path / "hub" / "adapter_model.bin").write_bytes(b"the same as pickle, which nobody reads")
    (tmp_path / "recipe.py").write_text(FROM_THE_HUB)
    options = {"world": str(world.folder)}
    asked = fake_hub(monkeypatch, tmp_path / "hub")
    of_hub = make_plan(load_recipe(tmp_path / "recipe.py", options), world.sources)
    (module,) = {module for node in of_hub.nodes for module in modules_read(node.stage)}
    mirror = tmp_path / "mirror"
    shutil.copytree(world.folder, mirror)
    paths = [f"modules/owner/theirs/{name}" for name in ("adapter_config.json", "adapter_model.safetensors")]
    assert fetch([module, module], mirror, lambda _: None) == paths
    assert asked[-1] == f"owner/theirs@{COMMIT}"
    held = read_json(mirror / "mirror.json")["files"]
    assert held == {
        path: {"commit": COMMIT, "sha256": sha256((mirror / path).read_bytes()).hexdigest()} for path in paths
    }
    again = len(asked)
    assert fetch([module], mirror, lambda _: None) == []
    assert len(asked) == again, "what is there is not asked for"

    def gone(*_, **__):
        raise ConnectionError("no network")

    monkeypatch.setattr("huggingface_hub.snapshot_download", gone)
    of_mirror = adaptx.open(tmp_path / "recipe.py", store=tmp_path / "store", data=mirror, settings=options)
    assert [n.fingerprint for n in of_mirror.dag.nodes] == [n.fingerprint for n in of_hub.nodes]
    found = load_published(module, "base", of_mirror.sources).tensors
    expected = load_published(published(tmp_path / "hub", world.bert), "base", world.sources).tensors
    assert all(torch.equal(found[key], tensor) for key, tensor in expected.items())
    # The recipe is a value: built anywhere, it is planned over the mirror that is named then.
    built = load_recipe(tmp_path / "recipe.py", options)
    in_notebook = adaptx.open(built, store=tmp_path / "store", data=mirror).dag
    assert [n.fingerprint for n in in_notebook.nodes] == [n.fingerprint for n in of_hub.nodes]
    with pytest.raises(UserError, match=r"cannot be read from the hub \(ConnectionError\).*adaptx fetch RECIPE"):
        make_plan(built, world.sources)


def test_what_is_no_module_is_not_mirrored(world, tmp_path, monkeypatch):
    peft_folder(world, "bert", tmp_path / "hub")
    fake_hub(monkeypatch, tmp_path / "hub")
    module = published("owner/theirs", world.bert)
    mine = published(tmp_path / "hub", world.bert)
    assert fetch([mine], tmp_path / "mirror", lambda _: None) == [], "a folder of one's own is at hand"
    (tmp_path / "hub" / "adapter_model.safetensors").rename(tmp_path / "hub" / "weights.safetensors")
    with pytest.raises(MissingInput, match=r"owner/theirs at cccccccc holds no module.*it has: .*weights.safetensors"):
        fetch([module], tmp_path / "mirror", lambda _: None)


def fingerprint(world: Any, train: Train) -> str:
    plan, _ = tiny.workshop(world, Path("nowhere"), (Evaluate(train, tiny.NLI, "xa"),))
    return plan.fingerprint_of(train)


def test_the_files_are_identity_and_their_place_is_not(world, tmp_path):
    peft_folder(world, "bert", tmp_path / "theirs")
    shutil.copytree(tmp_path / "theirs", tmp_path / "copy")
    here, there = (published(tmp_path / name, world.bert, name=name) for name in ("theirs", "copy"))
    first, second = (from_start(world, "bert", Sequential(module), Lora(2, 2)) for module in (here, there))
    before = fingerprint(world, first)
    assert before == fingerprint(world, second)
    from safetensors.torch import load_file, save_file

    file = tmp_path / "copy" / "adapter_model.safetensors"
    save_file({name: tensor + 1 for name, tensor in load_file(file).items()}, file)
    assert fingerprint(world, second) != before
    assert fingerprint(world, first) == before


# Refusals.


def test_a_method_that_is_not_the_modules_is_refused_with_the_one_to_write(world, tmp_path):
    peft_folder(world, "bert", tmp_path / "theirs", **PATTERNED)
    module = published(tmp_path / "theirs", world.bert)
    for wrong in (Lora(4, 8), dataclasses.replace(module.method, ranks=()), Bottleneck(4)):
        message = refusal(world, dataclasses.replace(module, method=wrong))
        assert f"on tiny/bert is not {written(wrong)}" in message
        method = message.rpartition("..., ")[2].strip().removesuffix(")")
        assert eval(method, {"Lora": Lora}) == module.method, "what it says to write is right"


def test_a_module_that_is_not_there_is_a_plan_s_refusal_and_building_does_not_look(world, tmp_path):
    module = Published(str(tmp_path / "later"), world.bert, Lora(4, 8))
    assert module.name == "later"
    assert "there is no such folder" in refusal(world, module)
    peft_folder(world, "bert", tmp_path / "later")
    assert fingerprint(world, from_start(world, "bert", Sequential(module), Lora(2, 2)))


def test_a_folder_is_not_taken_for_a_hub_id(world, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    peft_folder(world, "bert", tmp_path / "runs/theirs")
    module = Published("./runs/theirs", world.bert, Lora(4, 8))
    assert module.source == str(tmp_path / "runs/theirs")
    assert fingerprint(world, from_start(world, "bert", Sequential(module), Lora(2, 2)))
    message = refusal(world, dataclasses.replace(module, source="runs/theirs"))
    assert "there is also a folder of that name. For the folder, write ./runs/theirs" in message


def test_the_command_prints_the_line_to_write(world, tmp_path):
    peft_folder(world, "bert", tmp_path / "theirs", **PATTERNED)
    base = world.folder / "models/tiny/bert"
    changed(tmp_path / "theirs", base_model_name_or_path=str(base))
    ended = tiny.adaptx("published", tmp_path / "theirs", "--model", base)
    made = eval(ended.stdout, {"Published": Published, "Lora": Lora, "find_model": find_model})
    assert made.method == published(tmp_path / "theirs", world.bert).method
    assert ended.stderr == ""
    changed(tmp_path / "theirs", base_model_name_or_path="owner/other")
    ended = tiny.adaptx("published", tmp_path / "theirs", "--model", base)
    assert "planning would refuse it" in ended.stderr
    assert "Published(..., same_base=True)" in ended.stderr


def refusal(world: Any, module: Published, architecture: str = "bert", **more: Any) -> str:
    with pytest.raises(UserError) as error:
        fingerprint(world, from_start(world, architecture, Sequential(module), Lora(2, 2), **more))
    return str(error.value)


def test_another_base_is_refused_with_both_named(world, tmp_path):
    peft_folder(world, "bert", tmp_path / "theirs")
    for named in ("owner/other-bert", "xlm-roberta-base"):
        changed(tmp_path / "theirs", base_model_name_or_path=named)
        message = refusal(world, published(tmp_path / "theirs", world.bert))
        assert f"{named!r}" in message
        assert "'tiny/bert'" in message
        assert "same_base=True" in message
    changed(tmp_path / "theirs", base_model_name_or_path=None)
    assert "a base that its config does not name" in refusal(world, published(tmp_path / "theirs", world.bert))
    confirmed = published(tmp_path / "theirs", world.bert, same_base=True)
    assert fingerprint(world, from_start(world, "bert", Sequential(confirmed), Lora(2, 2)))


def test_a_base_under_another_path_is_known_by_its_digest(world, tmp_path):
    peft_folder(world, "bert", tmp_path / "theirs")
    place = world.folder / "models" / "tiny"
    shutil.copytree(place / "bert", tmp_path / "elsewhere")
    changed(tmp_path / "theirs", base_model_name_or_path=str(tmp_path / "elsewhere"))
    module = published(tmp_path / "theirs", world.bert)
    assert fingerprint(world, from_start(world, "bert", Sequential(module), Lora(2, 2)))
    changed(tmp_path / "theirs", base_model_name_or_path=str(place / "xlm-roberta"))
    message = refusal(world, published(tmp_path / "theirs", world.bert))
    assert message.count("digest sha256:") == 2


def test_a_name_without_owner_is_that_of_the_hub_before(world, tmp_path):
    peft_folder(world, "bert", tmp_path / "theirs")
    changed(tmp_path / "theirs", base_model_name_or_path="bert-base-cased")
    moved = dataclasses.replace(world.bert, hub_id="google-bert/bert-base-cased")
    assert base_refusal(published(tmp_path / "theirs", moved), world.sources) is None


def test_other_sizes_are_refused_with_both_values(world, tmp_path):
    shape = world.bert.shape
    larger = dataclasses.replace(world.bert, shape=dataclasses.replace(shape, hidden_size=48))
    shorter = dataclasses.replace(world.bert, shape=dataclasses.replace(shape, layers=1))
    peft_folder(world, "bert", tmp_path / "lora")
    with pytest.raises(UserError, match=r"maps 32 numbers to 32, but query in layer 0 of tiny/bert maps 48 to 48"):
        published(tmp_path / "lora", larger)
    with pytest.raises(UserError, match=r"a module in layer 1 \(from 0\), but tiny/bert has only 1 layers"):
        published(tmp_path / "lora", shorter)
    changed(tmp_path / "lora", r=5)
    with pytest.raises(UserError, match=r"has rank 4, but its config says 5"):
        published(tmp_path / "lora", world.bert)
    with pytest.raises(UserError, match=r"sizes of owner/unknown are unknown"):
        published(tmp_path / "lora", dataclasses.replace(world.bert, hub_id="owner/unknown", shape=None))


@needs.adapters
def test_adapters_of_another_model_are_refused_with_both_values(world, tmp_path):
    adapter_folder(world, "bert", tmp_path / "theirs")
    larger = dataclasses.replace(world.bert.shape, hidden_size=48)
    with pytest.raises(UserError, match=r"hidden_size is 32, but that of tiny/bert is 48"):
        published(tmp_path / "theirs", dataclasses.replace(world.bert, shape=larger))
    with pytest.raises(UserError, match=r"model_type is 'bert', but that of tiny/xlm-roberta is 'xlm-roberta'"):
        published(tmp_path / "theirs", world.models["xlm-roberta"])
    config = json.loads((tmp_path / "theirs" / "adapter_config.json").read_text())
    for setting, value in (("leave_out", [0]), ("inv_adapter", "nice"), ("reduction_factor", {"0": 2}),
                           ("mh_adapter", True), ("architecture", "lora")):  # fmt: skip
        changed(tmp_path / "theirs", config={**config["config"], setting: value})
        with pytest.raises(UserError, match=f"its config has {setting}="):
            published(tmp_path / "theirs", world.bert)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"use_dora": True}, "use_dora=True"),
        ({"bias": "all"}, "bias='all'"),
        ({"bias": "lora_only", "lora_bias": True}, "bias='lora_only'"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights='pissa'"),
        ({"target_modules": ["query", "word_embeddings"]}, "lora_embedding_A"),
        ({"modules_to_save": ["LayerNorm"]}, "LayerNorm"),
    ],
)
def test_a_module_that_is_no_plain_lora_is_refused_with_what_it_has(world, tmp_path, settings, message):
    peft_folder(world, "bert", tmp_path / "theirs", **settings)
    with pytest.raises(UserError) as error:
        published(tmp_path / "theirs", world.bert)
    assert message in str(error.value)


def test_biases_that_a_base_has_not_are_refused(world, tmp_path):
    peft_folder(world, "bert", tmp_path / "theirs", bias="lora_only")
    bare = dataclasses.replace(world.bert.shape.architecture, biases=())
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ARCHITECTURES, "bert", bare)
        with pytest.raises(UserError, match=r"base_layer\.bias, but that linear map of tiny/bert has no bias"):
            published(tmp_path / "theirs", world.bert)
        train = tiny.train(world.bert, tiny.NLI, Lora(bias=True))
        assert refusal_of(train) == (
            "Lora on nli: tiny/bert: the linear maps of bert at query, value have no biases to train; use "
            "Lora(bias=False)"
        )
    network = tiny.bare(world, "bert")
    for layer in network.encoder.layer:
        layer.attention.self.value.bias = None
    places = attach(network, sites_of(network), Lora(bias=True), "own")
    assert {site for _, site, tensor in places if tensor == "bias"} == {"query"}, "only what is there trains"
    with pytest.raises(UserError, match=r"no linear map at these sites has a bias to train"):
        attach(network, sites_of(network), Lora(sites=("value",), bias=True), "other")


def test_a_fused_map_has_one_rank_and_alpha():
    fused = dataclasses.replace(QWEN3_8B.shape, model_type="bloom")
    assert Lora(ranks=(("value", 4),)).shape_refusal(QWEN3_8B.shape) is None
    assert Lora(sites=("value", "up"), ranks=(("value", 4),)).shape_refusal(fused) is None
    reason = "query and value are one linear map in bloom; give them one rank and alpha"
    assert Lora(alphas=(("value", 4),)).shape_refusal(fused) == reason


def test_other_kinds_of_peft_are_refused(world, tmp_path):
    from peft import IA3Config, get_peft_model

    config = IA3Config(target_modules=["query"], feedforward_modules=[])
    get_peft_model(tiny.bare(world, "bert"), config).save_pretrained(tmp_path / "ia3")
    with pytest.raises(UserError, match=r"peft_type is 'IA3'; adaptx can use only LORA"):
        published(tmp_path / "ia3", world.bert)


def test_what_is_not_there_is_told_with_what_is(world, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("x")
    with pytest.raises(MissingInput, match=r"holds no module.*this folder has: notes.txt"):
        published(tmp_path / "empty", world.bert)
    with pytest.raises(MissingInput, match="no such folder"):
        published(tmp_path / "nothing", world.bert)
    with pytest.raises(MissingInput, match=r"is not a folder, and cannot be read from the hub.*name a folder"):
        published("owner/nothing", world.bert)


def test_a_pickle_that_holds_anything_but_tensors_is_refused(tmp_path):
    torch.save({"a": Path("x")}, tmp_path / "bad.bin")
    with pytest.raises(UserError, match=r"it holds pathlib"):
        tensor_shapes(tmp_path / "bad.bin")
    (tmp_path / "old.bin").write_bytes(b"not a zip")
    with pytest.raises(UserError, match=r"torch\.save\(torch\.load"):
        tensor_shapes(tmp_path / "old.bin")


def test_a_published_module_has_no_head_and_is_not_evaluated(world, tmp_path):
    peft_folder(world, "bert", tmp_path / "theirs")
    module = published(tmp_path / "theirs", world.bert)
    assert "comes without one" in refusal(world, module, head=KeptHead())
    assert "trains tiny/xlm-roberta" in refusal(world, module, "xlm-roberta")
    with pytest.raises(UserError, match=r"trained outside adaptx and can only be a start"):
        tiny.workshop(world, tmp_path / "store", (Evaluate(module, tiny.TATOEBA, "xa"),))


def test_files_that_changed_since_planning_are_refused(world, tmp_path):
    peft_folder(world, "bert", tmp_path / "theirs")
    module = published(tmp_path / "theirs", world.bert)
    peft_folder(world, "bert", tmp_path / "theirs", r=6)
    with pytest.raises(UserError, match=r"is now Lora\(rank=6.*was Lora\(rank=4"):
        load_published(module, "base", world.sources)
