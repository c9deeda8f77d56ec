"""Facts of architectures: none is missing, none stands elsewhere, and a made-up one goes the whole way by its value."""

import ast
import dataclasses
import inspect
from pathlib import Path
from typing import Any

import pytest
import torch
from support import checkpoints, small_world, tiny
from test_architectures import TINY

from adaptx.backbones.architectures import build_network
from adaptx.catalog import MNLI
from adaptx.costs import step_memory
from adaptx.planning.support import refusal
from adaptx.specs import Bottleneck, Evaluate, Full, Lora, Method, ModelFamily, Sequential, Train
from adaptx.specs.architectures import ARCHITECTURES
from adaptx.specs.architectures.architecture import NO_HEADS, Architecture, no_class
from adaptx.specs.architectures.bert import BERT
from adaptx.specs.architectures.llama import LLAMA
from adaptx.store.store import Store

PACKAGE = Path(__file__).parents[1] / "adaptx"
PAGES = PACKAGE.parent / "docs"
SIZES = {
    *("gated_stacks", "gated", "fused", "biases", "norm_tensors", "layer_norms", "first_norm", "head_norms"),
    *("final_norm", "embedding_norm", "position_table", "position_rows", "type_rows", "position_buckets"),
    *("bucket_tables", "distance_rows", "tied"),
}
"""Facts with a default: `test_architectures` counts the parameters of every architecture's network against them."""
OWN = ("adapters_refused", "library_heads", "step_memory")
"""Facts that do not follow from a kin's."""


def test_a_fact_that_is_not_given_is_an_error() -> None:
    given = {field.name: getattr(BERT, field.name) for field in dataclasses.fields(Architecture)}
    for name in given.keys() - SIZES:
        with pytest.raises(TypeError, match=f"missing .* argument: '{name}'"):
            Architecture(**{key: value for key, value in given.items() if key != name})
    for name in OWN:
        with pytest.raises(TypeError, match=f"missing .* argument: '{name}'"):
            BERT.kin("made-up", **{key: given[key] for key in OWN if key != name})


def test_every_architecture_is_built_run_and_told() -> None:
    run = {*tiny.ARCHITECTURES, *checkpoints.KINDS, "xlm-roberta-xl"}
    assert set(ARCHITECTURES) == set(TINY) == run
    support = (PAGES / "support.md").read_text(encoding="utf-8")
    assert all(f"\n| {name} | {known.family.value} |" in support for name, known in ARCHITECTURES.items())


def test_no_other_file_asks_for_an_architecture_by_name() -> None:
    named: list[str] = []
    for file in sorted(PACKAGE.rglob("*.py")):
        place = file.relative_to(PACKAGE).as_posix()
        # A checkpoint's shape names its architecture.
        if place.startswith(("specs/architectures/", "catalog/models/")):
            continue
        constants = [
            node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.Constant)
        ]
        named += [f"{place}:{node.lineno} {node.value}" for node in constants if node.value in ARCHITECTURES]
    assert named == [], "give the architecture a fact, and ask that"


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_facts_about_transformers_are_so(name: str) -> None:
    import transformers
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_MAPPING

    known, config = ARCHITECTURES[name], AutoConfig.for_model(name)
    network: Any = MODEL_MAPPING[type(config)]
    if known.family is ModelFamily.ENCODER:
        assert known.pooler == ("add_pooling_layer" in inspect.signature(network.__init__).parameters)
    shape = dataclasses.replace(TINY[name], head_size=None)
    odd = {entry: getattr(shape, size) for entry, size in known.config.sizes.items() if size != "size_of_head"}
    made = AutoConfig.for_model(name, **{entry: size for entry, size in odd.items() if size is not None})
    heads = {getattr(made, entry, None) for entry, size in known.config.sizes.items() if size == "size_of_head"}
    usual = shape.hidden_size // shape.heads
    if known.config.head_size is None:
        assert heads <= {None, usual}, transformers.__version__
    else:
        assert heads == {known.config.head_size}
    if known.config.embedding_size is not None:
        assert known.config.embedding_size == config.input_embedding_size


def test_measured_layers_are_there_and_belong_to_a_kin() -> None:
    fitted = {layers for _, layers, *_ in step_memory._fitted()}
    assert fitted == {known.step_memory for known in ARCHITECTURES.values()} - {None}
    layers = [field.name for field in dataclasses.fields(Architecture) if "norm" in field.name and field.name in SIZES]
    for known in ARCHITECTURES.values():
        if known.step_memory is not None:
            measured = ARCHITECTURES[known.step_memory]
            assert [getattr(known, name) for name in layers] == [getattr(measured, name) for name in layers]
            assert known.stacks == measured.stacks


@pytest.fixture
def owl(monkeypatch: pytest.MonkeyPatch) -> Architecture:
    """A decoder that transformers knows by a name of its own, whose layers are Llama's: all that adaptx is told."""
    from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, LlamaModel

    class OwlConfig(LlamaConfig):
        model_type = "owl"

    class OwlModel(LlamaModel):
        config_class = OwlConfig

    class OwlForCausalLM(LlamaForCausalLM):
        config_class = OwlConfig

    AutoConfig.register("owl", OwlConfig, exist_ok=True)
    AutoModel.register(OwlConfig, OwlModel, exist_ok=True)
    AutoModelForCausalLM.register(OwlConfig, OwlForCausalLM, exist_ok=True)
    known = LLAMA.kin("owl", adapters_refused=no_class("owl"), library_heads=NO_HEADS, step_memory=None)
    monkeypatch.setitem(ARCHITECTURES, "owl", known)
    monkeypatch.setitem(checkpoints.KINDS, "owl", checkpoints.KINDS["llama"])
    return known


@pytest.mark.usefixtures("owl")
def test_a_made_up_architecture_is_planned_trained_and_evaluated(tmp_path: Path) -> None:
    models = small_world.make_models(tmp_path / "models", ("owl",))
    model = models.specs["owl"]
    assert model.shape is not None
    assert (model.shape.model_type, model.family) == ("owl", ModelFamily.DECODER)
    with torch.device("meta"):
        network = build_network(model.shape)
    assert sum(parameter.numel() for parameter in network.parameters()) == model.shape.parameters

    task = dataclasses.replace(MNLI, train=MNLI.train[:1], development=(), evaluation=MNLI.development[:1])
    small_world.mirror(tmp_path / "mirror", [task])
    world = small_world.world(tmp_path / "mirror", models)

    def train(method: Method, **more: Any) -> Train:
        return Train(model, task, method, tiny.config(max_steps=2, batch_size=4, max_length=32), limit=20, **more)

    lora = Lora(2, 4)
    stages = tuple(
        Evaluate(train(method, start=Sequential(train(lora))), task, task.evaluation[0].language)
        for method in (lora, Full())
    )
    plan, _, summary = tiny.execute(world, tmp_path / "store", stages)
    assert summary.complete, summary.failed
    store = Store(tmp_path / "store")
    assert all(store.find(plan.fingerprint_of(stage)) is not None for stage in stages)


def test_an_architecture_whose_place_of_adapters_is_not_known_takes_none(
    owl: Architecture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(ARCHITECTURES, "owl", dataclasses.replace(owl, bottleneck=None))
    model = small_world.make_models(tmp_path, ("owl",)).specs["owl"]
    reason = refusal(Train(model, MNLI, Bottleneck(), tiny.config(max_steps=1)))
    assert reason is not None
    assert "adaptx does not know where an adapter belongs in a layer of owl; use Lora" in reason
