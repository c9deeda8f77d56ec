"""A method that is made up here goes the whole way, by the steps that docs/development.md gives for a new one."""

from collections.abc import Sequence
from typing import Any, Self

import pytest
import torch
from support import tiny
from torch import Tensor, nn

from adaptx import methods
from adaptx.composition.assembly import assemble
from adaptx.execution.building import finished_model, model_to_train
from adaptx.exporting.holding import Library, holding_refusal
from adaptx.methods.interface import Behaviour, Parameters
from adaptx.planning.lineage import lineage
from adaptx.planning.support import refusal
from adaptx.specs import Full, Fuse, Lora, Merge, Method, NoHead, Sequential, Stack, TaskArithmetic, plain
from adaptx.specs.checked import spec
from adaptx.specs.merge import MergeRule
from adaptx.specs.methods.method import StepSizes
from adaptx.specs.mixing import MixingRule
from adaptx.specs.model import Shape
from adaptx.specs.sites import Sites


@spec
class Shift(Method):
    """A vector is added to what attention gives out."""

    modules = "shifts"
    whole = False
    over_quantised = False
    library = None
    matrices = False
    needs = None
    fold_refusal = None
    stack_refusal = None
    fuse_refusal = "a shift does not depend on its input, so there is nothing to weigh; use Stack"

    @classmethod
    def of_size(cls, rank: int, reduction_factor: float) -> Self:
        return cls()

    @property
    def label(self) -> str:
        return "shift"

    def parameters(self, shape: Shape) -> int:
        return shape.layers * shape.hidden_size

    def shape_refusal(self, shape: Shape) -> str | None:
        return "it is made up for encoders" if shape.decoder_layers else None

    def continues(self, earlier: Method) -> bool:
        return earlier == self

    def merge_refusal(self, others: Sequence[Method], rule: MergeRule) -> str | None:
        return None

    def merged(self, others: Sequence[Method], rule: MergeRule) -> Method:
        return self

    def mixing_parameters(self, mixing: MixingRule, modules: int, shape: Shape) -> int:
        raise AssertionError(self.fuse_refusal)

    def step_sizes(self, shape: Shape) -> StepSizes:
        return StepSizes({}, {}, {})


class Shifted(nn.Module):
    """A linear map with a vector added to its outputs."""

    def __init__(self, base: Any, size: int) -> None:
        super().__init__()
        self.base = base
        self.shift = nn.Parameter(torch.zeros(size))

    def forward(self, states: Tensor) -> Tensor:
        return self.base(states) + self.shift


def attach(network: Any, sites: Sites, method: Shift, name: str) -> Parameters:
    found: Parameters = {}
    for path, (layer, site) in sites.modules(("output",)).items():
        shifted = Shifted(network.get_submodule(path), network.config.hidden_size)
        network.set_submodule(path, shifted)
        found[layer, site, "shift"] = shifted.shift
    return found


def fold(network: nn.Module) -> None:
    for path, module in list(network.named_modules()):
        if isinstance(module, Shifted) and not path.endswith(".base"):
            vectors: list[Tensor] = []
            while isinstance(module, Shifted):
                vectors.append(module.shift.data)
                module = module.base
            module.bias.data += torch.stack(vectors).sum(dim=0)
            network.set_submodule(path, module)


BEHAVIOUR = Behaviour(attach=attach, prepare=None, fold=fold, unchanged=lambda tensor, own: None, to_peft=None)


@pytest.fixture(autouse=True)
def entered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its two entries: among the specs that are read back, and among the records."""
    monkeypatch.setitem(plain._TYPES, "Shift", Shift)
    monkeypatch.setitem(methods._BEHAVIOURS, Shift, BEHAVIOUR)


def test_it_trains_is_stored_read_again_continued_folded_and_merged(world, tmp_path) -> None:
    first = tiny.train(world.bert, tiny.NLI, Shift(), keep=True)
    other = tiny.train(world.bert, tiny.NLI_TURNED, Shift(), keep=True)
    further = tiny.train(world.bert, tiny.NLI, Shift(), start=Sequential(first), keep=True)
    above = tiny.train(world.bert, tiny.NLI, Lora(4, 8), start=Stack((first, other)), keep=True)
    whole = tiny.train(world.bert, tiny.NLI, Full(), start=Sequential(first), keep=True)
    merge = Merge((first, other), TaskArithmetic(0.5), NoHead(), keep=True)
    stages = tuple(
        tiny.Evaluate(model, tiny.TATOEBA, "xa") for model in (first, further, above, whole, merge)
    ) + tiny.everywhere(first)
    plan, shop, summary = tiny.execute(world, tmp_path, stages, keep=True)
    assert summary.complete, summary.failed
    assert tiny.folder_of(plan, shop, first).name.startswith("bert.nli.shift-")
    assert lineage(further).continued == first
    batch = tiny.token_batch(world, "bert")

    def states(network: Any) -> Tensor:
        return tiny.hidden_states(network.eval(), batch)

    bare = states(tiny.bare(world, "bert"))
    ended = states(finished_model(first, shop, "fp32").backbone.network)
    assert not torch.equal(ended, bare)
    again = tiny.bare(world, "bert")
    assemble(again, first, shop.module, shop.module(first))
    assert torch.equal(states(again), ended)
    assert torch.equal(states(model_to_train(further, shop).backbone.network), ended)
    torch.testing.assert_close(states(model_to_train(whole, shop).backbone.network), ended, atol=1e-5, rtol=1e-5)
    vectors = [shop.module(stage).tensors[0, "output", "shift"] for stage in (first, other, merge)]
    torch.testing.assert_close(vectors[2], 0.5 * (vectors[0] + vectors[1]))
    assert sum(tensor.numel() for tensor in shop.module(first).tensors.values()) == Shift().parameters(world.bert.shape)


def test_what_it_does_not_do_is_refused_in_its_own_words(world) -> None:
    first, other = (tiny.train(world.bert, task, Shift()) for task in (tiny.NLI, tiny.TOPIC))
    fused = tiny.train(world.bert, tiny.NLI, Shift(), start=Fuse((first, other)))
    assert "there is nothing to weigh" in str(refusal(fused))
    assert "a peft folder cannot hold shifts; use `adaptx predict" in str(holding_refusal(Library.PEFT, first))
    assert holding_refusal(Library.TRANSFORMERS, first) is None
