"""LoRA over quantised weights, trained and evaluated: every architecture reads what the stored digits stand for."""

import dataclasses
import shutil

import pytest
import torch
from support import checkpoints, matrix, needs, small_world, tiny
from torch import nn
from typer.testing import CliRunner

from adaptx.backbones.batching import collate, encode_texts
from adaptx.backbones.families import backbone_over
from adaptx.backbones.loading import load_network, load_tokenizer
from adaptx.catalog import E5_SMALL, find_model
from adaptx.cli.app import app
from adaptx.errors import UserError
from adaptx.exporting.holding import Library, holding_refusal
from adaptx.methods import quantised
from adaptx.methods.quantised import quantise_loaded
from adaptx.planning import support_methods
from adaptx.planning.plan import make_plan
from adaptx.specs import (
    Attention,
    Bottleneck,
    Evaluate,
    Full,
    Fuse,
    Generate,
    Linear,
    Lora,
    Merge,
    Merged,
    NoHead,
    Pretrained,
    Prompt,
    Quantisation,
    Recipe,
    Sequential,
    Stack,
    Text,
    Train,
)

CPU = torch.device("cpu")
LORA = Lora(2, 4)
ALL = [*tiny.ARCHITECTURES, *checkpoints.KINDS]
TEXTS = ["wa wb wc", "wd", "we wf wa wc wd wb"]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    # Rows of 64 weights, the size of NF4's blocks.
    return small_world.make_models(tmp_path_factory.mktemp("models"), tuple(checkpoints.KINDS), width=2)


@pytest.fixture(scope="module")
def world(models, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mirror")
    small_world.mirror(folder, [matrix.few(matrix.FORMATS["classification"])])
    return small_world.world(folder, models)


NLI = matrix.few(matrix.FORMATS["classification"])


def train(model, method=LORA, start=None, **options) -> Train:
    options = {"limit": 12, **options}
    return Train(model, NLI, method, tiny.config(max_steps=3, batch_size=4), start or Pretrained(), **options)


def stored(linear: nn.Module) -> torch.Tensor:
    """What the digits of a quantised map stand for, by the formats' papers."""
    import bitsandbytes

    if isinstance(linear, bitsandbytes.nn.Linear4bit):
        return bitsandbytes.functional.dequantize_4bit(linear.weight.data, linear.weight.quant_state).float()
    return linear.weight.data.float() * (linear.weight.SCB / 127)[:, None]


@needs.bitsandbytes
@pytest.mark.parametrize("kind", Quantisation)
@pytest.mark.parametrize("architecture", ALL)
def test_states_are_those_of_what_is_stored(models, world, architecture, kind) -> None:
    import bitsandbytes

    spec = world.models[architecture]
    plain, few = (load_network(spec, world.sources) for _ in range(2))
    before = {path: module.weight.clone() for path, module in few.named_modules() if isinstance(module, nn.Linear)}
    quantise_loaded(few, kind, False, CPU)
    quantised = (bitsandbytes.nn.Linear4bit, bitsandbytes.nn.Linear8bitLt)
    changed = [path for path, module in few.named_modules() if isinstance(module, quantised)]
    assert changed
    for path in changed:
        weight = stored(few.get_submodule(path))
        assert 0 < (weight - before[path]).norm() < 0.2 * before[path].norm()
        plain.get_submodule(path).weight.data = weight
    tokenizer = load_tokenizer(spec, world.sources)
    encoded = encode_texts(tokenizer, TEXTS, None, "", 40)
    with torch.no_grad():
        wanted, found = (
            backbone_over(network).eval().hidden(collate(encoded, range(len(TEXTS)), CPU)) for network in (plain, few)
        )
    # Under int8 each input of a map is rounded to a byte as well (LLM.int8, section 2.1).
    tolerance = 1e-4 if kind is Quantisation.NF4 else 0.1
    assert (wanted - found).norm() <= tolerance * wanted.norm()


@needs.bitsandbytes
@pytest.mark.parametrize("kind", Quantisation)
@pytest.mark.parametrize("architecture", ["bert", "llama", "mt5"])
def test_modules_over_it_are_trained_continued_stacked_and_merged(world, tmp_path, architecture, kind) -> None:
    model = world.models[architecture].quantise(kind)
    first, second = train(model), train(model, start=Sequential(train(model)))
    merged = Merged(Merge((first, second), Linear(), NoHead()))
    trained = (second, train(model, start=Stack((first,))), train(model, start=merged))
    asked = tuple(Evaluate(each, NLI, "en", limit=6) for each in trained)
    plan, shop, summary = tiny.execute(world, tmp_path / "store", asked)
    assert summary.complete, summary.failed
    before = [shop.store.find(plan.fingerprint_of(each)).scores.predictions for each in asked]
    shutil.rmtree(shop.store.root / "evaluate")
    plan, shop, summary = tiny.execute(world, tmp_path / "store", asked)
    assert summary.complete, summary.failed
    assert [shop.store.find(plan.fingerprint_of(each)).scores.predictions for each in asked] == before


@needs.bitsandbytes
@pytest.mark.parametrize("misreads", [True, False])
def test_a_row_that_ends_within_a_block_is_refused_where_it_would_be_misread(monkeypatch, misreads) -> None:
    import bitsandbytes

    monkeypatch.setattr(quantised, "_misreads_partial_blocks", lambda: misreads)
    layer = bitsandbytes.nn.Linear4bit(48, 32, bias=False, device="meta")
    if misreads:
        with pytest.raises(UserError, match=r"inputs \(48\) is not a multiple of 64"):
            quantised.give_weights(nn.Sequential(layer), lambda _: torch.randn(32, 48))
    else:
        quantised.give_weights(nn.Sequential(layer), lambda _: torch.randn(32, 48))
        assert layer.weight.quant_state.shape == (32, 48)


@needs.bitsandbytes
def test_evaluation_does_not_repack_what_is_stored(models, world) -> None:
    network = load_network(world.models["bert"], world.sources)
    quantise_loaded(network, Quantisation.NF4, False, CPU)
    before = [each.clone() for each in network.parameters()]
    encoded = encode_texts(load_tokenizer(world.models["bert"], world.sources), TEXTS, None, "", 40)
    with torch.inference_mode():
        backbone_over(network).eval().hidden(collate(encoded, range(len(TEXTS)), CPU))
    assert all(map(torch.equal, before, network.parameters()))


@needs.bitsandbytes
def test_it_answers_in_text(world, tmp_path) -> None:
    model = world.models["llama"].quantise(Quantisation.NF4)
    asked = Text(Prompt("{text} {pair}:"), Generate())
    stage = Evaluate(train(model, framing=asked), NLI, "en", limit=4)
    assert tiny.execute(world, tmp_path / "store", (stage,))[2].complete


def reason(world, *stages) -> str:
    with pytest.raises(UserError) as refused:
        make_plan(Recipe("refused", tuple(Evaluate(stage, NLI, "en") for stage in stages)), world.sources)
    return str(refused.value)


def test_what_does_not_go_over_it_is_refused(world, monkeypatch) -> None:
    needs.plan_with_adapters(monkeypatch)
    monkeypatch.setattr(support_methods, "has_package", lambda _: True)
    whole = world.models["bert"]
    model = whole.quantise(Quantisation.NF4)
    for method in (Full(), Bottleneck(4)):
        assert "only LoRA trains on quantised weights" in reason(world, train(model, method))
    assert "stacked or merged, but not fused" in reason(
        world, train(model, start=Fuse((train(model), train(model, limit=11)), Attention(4)))
    )
    # Its module was trained over other weights.
    assert "starts from a training of" in reason(world, train(model, start=Sequential(train(whole))))
    for library in Library:
        refused = holding_refusal(library, train(model))
        assert refused is not None
        assert "quantised to nf4" in refused
    monkeypatch.setattr(support_methods, "has_package", lambda name: name != "bitsandbytes")
    assert "pip install 'adaptx[quant]'" in reason(world, train(model))


def test_it_is_another_model(world, monkeypatch) -> None:
    monkeypatch.setattr(support_methods, "has_package", lambda _: True)
    whole = world.models["bert"]
    kinds = (None, *Quantisation)
    stages = [Evaluate(train(dataclasses.replace(whole, quantised=kind)), NLI, "en") for kind in kinds]
    plan = make_plan(Recipe("kinds", tuple(stages)), world.sources)
    assert len({plan.fingerprint_of(stage.model) for stage in stages}) == 3
    assert find_model("multilingual-e5-small:nf4") == E5_SMALL.quantise(Quantisation.NF4)
    assert find_model("multilingual-e5-small[:6]:int8").name == "multilingual-e5-small-l6-int8"


def test_memory_is_asked_for_by_its_own_option() -> None:
    ended = CliRunner().invoke(app, ["memory", "multilingual-e5-small:nf4", "--method", "lora"])
    assert isinstance(ended.exception, UserError)
    assert "--quantised nf4" in str(ended.exception)
