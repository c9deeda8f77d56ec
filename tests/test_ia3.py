"""(IA)^3: what peft's own layers compute, from one on; it becomes part of linear weights, and merges as differences."""

from typing import Any

import pytest
import torch
from test_architectures import NETWORKS, outputs, shake, tiny_network, trained

from adaptx.composition.merging.modules import merge_modules
from adaptx.errors import UserError
from adaptx.methods import attach, behaviour
from adaptx.methods.module import Module, capture
from adaptx.planning.support import refusal
from adaptx.specs import (
    Bottleneck,
    Full,
    Fuse,
    Ia3,
    KeptHeadOf,
    Linear,
    Lora,
    Merge,
    ModelSpec,
    Stack,
    SvdRank,
    TaskArithmetic,
    Ties,
    Train,
    TrainConfig,
)
from adaptx.specs.linear_maps import SITES, with_companions
from adaptx.specs.sites import sites_of

METHODS = {"usual": Ia3(), "everywhere": Ia3(SITES)}
each_architecture = pytest.mark.parametrize("architecture", NETWORKS)
each_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)


def with_module(architecture: str, method: Ia3) -> tuple[Any, dict[Any, torch.nn.Parameter]]:
    network = tiny_network(architecture)
    return network, attach(network, sites_of(network), method, "own")


@each_architecture
@each_method
def test_a_new_module_changes_nothing_and_has_a_vector_at_each_of_its_maps(architecture: str, method: Ia3) -> None:
    expected = outputs(tiny_network(architecture).eval())
    network, own = with_module(architecture, method)
    assert torch.equal(outputs(network.eval()), expected)
    sites = sites_of(tiny_network(architecture))
    assert {(layer, site) for layer, site, _ in own} == set(sites.modules(method.sites).values())
    assert {site for _, site, _ in own} <= set(with_companions(method.sites))
    assert sum(vector.numel() for vector in own.values()) == trained(NETWORKS[architecture], method)
    for key, vector in own.items():
        before = outputs(network)
        shake([vector])
        assert not torch.equal(outputs(network), before), f"the vector at {key} is not at work"


@each_architecture
@each_method
def test_it_computes_what_peft_does_and_has_its_gradients(architecture: str, method: Ia3) -> None:
    from peft import IA3Config, get_peft_model

    network, own = with_module(architecture, method)
    shake(own.values())
    bare = tiny_network(architecture)
    maps = sites_of(bare).modules(method.sites)
    inner = [path for path, (_, site) in maps.items() if site == "down"]
    peft_model = get_peft_model(bare, IA3Config(target_modules=list(maps), feedforward_modules=inner))
    theirs = {place: peft_model.base_model.model.get_submodule(path).ia3_l["default"] for path, place in maps.items()}
    with torch.no_grad():
        for (layer, site, _), vector in own.items():
            theirs[layer, site].copy_(vector)
    found, expected = (loss(each) for each in (network, peft_model.base_model.model))
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-6)
    found.backward()
    expected.backward()
    for (layer, site, _), vector in own.items():
        torch.testing.assert_close(vector.grad, theirs[layer, site].grad, atol=1e-6, rtol=1e-6)


def loss(network: Any) -> torch.Tensor:
    ids = torch.arange(4, 24).reshape(2, 10)
    more = {"decoder_input_ids": ids[:, :6]} if network.config.is_encoder_decoder else {}
    states = network.eval()(input_ids=ids, attention_mask=torch.ones_like(ids), **more)[0]
    return states.square().mean()


@each_architecture
@each_method
def test_a_folded_module_computes_the_same(architecture: str, method: Ia3) -> None:
    network, own = with_module(architecture, method)
    names = [name for name, _ in tiny_network(architecture).named_parameters()]
    second = attach(network, sites_of(network), Ia3(("value", "up", "down")), "second")
    shake((*own.values(), *second.values()))
    maps = sites_of(network).modules(SITES)

    def mapped() -> dict[str, torch.Tensor]:
        """What each linear map makes of the same inputs: a whole network makes more of the last digits."""
        found: dict[str, torch.Tensor] = {}
        for path in maps:
            linear = network.get_submodule(path)
            inputs = torch.linspace(-1, 1, 3 * linear.in_features).reshape(3, -1)
            found[path] = linear(inputs).detach()
        return found

    expected = mapped()
    fold = behaviour(method).fold
    assert fold is not None
    fold(network)
    for path, folded in mapped().items():
        torch.testing.assert_close(folded, expected[path], atol=1e-5, rtol=1e-5)
    assert [name for name, _ in network.named_parameters()] == names


def modules(*seeds: int) -> list[Module]:
    found: list[Module] = []
    for seed in seeds:
        _, own = with_module("bert", Ia3())
        torch.manual_seed(seed)
        shake(own.values())
        found.append(Module("module", Ia3(), "base", capture(own)))
    return found


def test_merging_acts_on_what_vectors_differ_by_from_one() -> None:
    first, second = modules(1, 2)
    key = (0, "value", "scale")
    one, other = (module.tensors[key] for module in (first, second))
    scaled = merge_modules([first, second], TaskArithmetic(0.5, (1.0, -1.0))).tensors[key]
    torch.testing.assert_close(scaled, 1 + 0.5 * ((one - 1) - (other - 1)))
    averaged = merge_modules([first, second], Linear()).tensors[key]
    torch.testing.assert_close(averaged, (one + other) / 2)
    assert torch.equal(merge_modules([first], Linear((1.0,))).tensors[key], one)
    half = merge_modules([first], Linear((0.5,))).tensors[key]
    torch.testing.assert_close(half, 1 + 0.5 * (one - 1))
    kept = merge_modules([first], Ties(density=0.2)).tensors[key]
    assert (kept == 1).float().mean() > 0.7


BERT = ModelSpec("tiny/bert", shape=NETWORKS["bert"])


def training(method: Any, *stages: Any, start: Any = None) -> Train:
    from adaptx.catalog import MNLI, SNLI

    config = TrainConfig(1e-3, max_steps=2)
    begin = {"start": start(stages)} if start else {}
    return Train(BERT, SNLI if stages else MNLI, method, config, **begin)


def test_what_it_does_not_do_is_refused_with_the_reason() -> None:
    one, other = training(Ia3()), training(Ia3(("value",)))
    assert refusal(training(Ia3(), one, start=Stack)) is None
    assert refusal(training(Lora(), one, start=Stack)) is None
    pair = (training(Ia3()), training(Ia3(), one, start=Stack))
    reason = str(refusal(training(Ia3(), *pair, start=Fuse)))
    assert "adds none that could be mixed; use Stack or Merged" in reason
    merged = {rule: str(refusal(Merge((one, other), rule, KeptHeadOf(0)))) for rule in (Linear(), SvdRank(2))}
    assert "its modules lie at different sites" in merged[Linear()]
    assert "vectors have no rank" in str(refusal(Merge((one,), SvdRank(2), KeptHeadOf(0))))
    assert refusal(Merge((one, training(Ia3())), Linear(), KeptHeadOf(0))) is None
    with pytest.raises(UserError, match=r"Ia3\(sites=\('gate',\)\): choose distinct sites among query"):
        Ia3(("gate",))
    assert [method.continues(Ia3()) for method in (Ia3(), Ia3(("value",)), Full(), Lora(), Bottleneck())] == [
        True,
        *[False] * 4,
    ]
