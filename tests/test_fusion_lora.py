"""Fusion over LoRA modules, and gates: what is computed, what trains, and that a whole recipe with them runs."""

import dataclasses
import itertools

import pytest
import torch
from support import needs, tiny

from adaptx.composition.fuse import fuse
from adaptx.composition.fuse_lora import FusedLora
from adaptx.composition.mixing import AttentionMixing, GateMixing, make_mixing, mixing_layers, value_regularisation
from adaptx.costs.stages import trainable_parameters
from adaptx.errors import UserError
from adaptx.execution.building import finished_model, model_to_train
from adaptx.methods import attach
from adaptx.methods.module import capture
from adaptx.specs import Attention, Bottleneck, Fuse, Gate, Lora, Stack
from adaptx.specs.linear_maps import SITES
from adaptx.specs.sites import sites_of

LORA, EVERYWHERE, ADAPTER = Lora(8, 16), Lora(3, 7, sites=SITES), Bottleneck(4)
BIASED = Lora(3, 7, 0.0, ("query", "down"), True, (("down", 5),), (("query", 9),))
RULES = {
    "attention": Attention(),
    "low-rank": Attention(rank=4),
    "gate": Gate(),
    "deep-gate": Gate(width=6),
}
each_architecture = pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
each_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
PLACE = (0, "query")


def trained_lora(world, architecture, method=LORA, seed=0):
    """Tensors of a module as after a training."""
    network = tiny.bare(world, architecture)
    parameters = attach(network, sites_of(network), method, "own")
    tiny.shake(parameters.values(), seed)
    return capture(parameters)


def with_lora(world, architecture, method, *modules):
    """A network with these modules attached one over the other: their outputs add up."""
    network = tiny.bare(world, architecture)
    for index, tensors in enumerate(modules):
        parameters = attach(network, sites_of(network), method, f"module{index}")
        with torch.no_grad():
            for key, parameter in parameters.items():
                parameter.copy_(tensors[key])
    return network.eval()


def drawn(*shape, seed=3):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# One mixing layer, beside the formulas.


@each_rule
@pytest.mark.parametrize("sizes", [(12, 12), (10, 14)], ids=["square", "wider"])
@pytest.mark.parametrize("bias", [False, True], ids=["", "bias"])
def test_a_fused_map_computes_what_the_formulas_say(rule, sizes, bias):
    modules, method = 3, Lora(rank=5, alpha=8, bias=bias)
    # Weights of modules are softmaxed in fp32, so how near the formulas are depends on what is drawn.
    torch.manual_seed(1)
    base = torch.nn.Linear(*sizes).double()
    fused = FusedLora(base, method, make_mixing(rule, PLACE, *sizes, modules), modules).double()
    tiny.shake([fused.lora_A, fused.lora_B])
    with torch.no_grad():
        fused.lora_A.normal_(generator=torch.Generator().manual_seed(1))
        fused.lora_B.normal_(generator=torch.Generator().manual_seed(2))
    tiny.shake(fused.mixing.parameters(), scale=0.5)
    hidden = drawn(2, 7, sizes[0]).double()
    outputs = [8 / 5 * hidden @ a.T @ b.T + added for a, b, added in (map_of(fused, i) for i in range(modules))]
    outputs = torch.stack(outputs, dim=-2)
    mixing = fused.mixing
    if isinstance(mixing, AttentionMixing):
        query, key = mixing.query(hidden), outputs @ mixing.key.weight.T
        scores = torch.einsum("...k,...ak->...a", query, key)
    elif isinstance(rule, Gate) and rule.width:
        scores = mixing.gate(torch.relu(mixing.hidden(hidden)))
    else:
        scores = mixing.gate(hidden)
    expected = base(hidden) + torch.einsum("...a,...ad->...d", scores.softmax(-1), mixing.value(outputs))
    torch.testing.assert_close(fused(hidden), expected, atol=2e-5 if bias else 1e-5, rtol=1e-5)
    # The two ways of giving outputs agree: as they are, and as what they are made of.
    inner = (hidden @ fused.lora_A.T * method.scale_at(PLACE[1])).unflatten(-1, (modules, method.rank))
    inner = torch.cat([inner, torch.ones_like(inner[..., :1])], dim=-1) if bias else inner
    as_rows = mixing.low_rank_scores(hidden, inner, fused.lora_B)
    torch.testing.assert_close(mixing.scores(hidden, outputs), as_rows, atol=1e-5, rtol=1e-5)


def map_of(fused, index):
    tensors = fused.module(index)
    return tensors["lora_A"], tensors["lora_B"], tensors.get("bias", 0.0)


@pytest.mark.parametrize("key_bias", [True, False])
def test_a_bias_of_the_keys_changes_no_weight(key_bias):
    mixing = AttentionMixing(PLACE, 8, 8, None, key_bias)
    tiny.shake(mixing.parameters())
    hidden, outputs = drawn(5, 8), drawn(5, 3, 8, seed=4)
    plain = torch.einsum("tk,tak->ta", mixing.query(hidden), outputs @ mixing.key.weight.T).softmax(-1)
    torch.testing.assert_close(mixing.weights(mixing.scores(hidden, outputs)), plain)


def test_weights_sum_to_one_and_a_new_gate_weighs_alike():
    for rule in RULES.values():
        mixing = make_mixing(rule, PLACE, 8, 8, 4)
        weights = mixing.weights(mixing.scores(drawn(6, 8), drawn(6, 4, 8)))
        torch.testing.assert_close(weights.sum(-1), torch.ones(6))
        if isinstance(mixing, GateMixing):
            torch.testing.assert_close(weights, torch.full((6, 4), 0.25))


def test_low_rank_values_are_regularised_by_their_distance_from_the_identity():
    mixing = AttentionMixing(PLACE, 8, 10, 3, key_bias=False)
    assert value_regularisation(mixing.keyed, 0.01).item() == 0
    tiny.shake(mixing.parameters())
    values = mixing.value(torch.eye(10))
    expected = 0.5 * (values - torch.eye(10)).pow(2).sum()
    torch.testing.assert_close(value_regularisation(mixing.keyed, 0.5), expected)


def test_sizes_below_one_are_refused():
    with pytest.raises(UserError, match=r"Attention\(rank=0\): rank must be at least 1"):
        Attention(rank=0)
    with pytest.raises(UserError, match=r"Gate\(width=0\): width must be at least 1"):
        Gate(width=0)


# The whole network.


@each_architecture
@pytest.mark.parametrize("method", [LORA, EVERYWHERE, BIASED], ids=["query-value", "everywhere", "biased"])
@each_rule
def test_fused_copies_of_one_lora_begin_as_that_lora(world, architecture, method, rule):
    batch, tensors = tiny.token_batch(world, architecture), trained_lora(world, architecture, method)
    expected = tiny.hidden_states(with_lora(world, architecture, method, tensors), batch)
    for copies in (2, 5):
        network = tiny.bare(world, architecture)
        fuse(network, method, [tensors] * copies, rule)
        found = tiny.hidden_states(network.eval(), batch)
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    assert (expected - tiny.hidden_states(tiny.bare(world, architecture), batch)).abs().max() > 0.02


@each_architecture
@pytest.mark.parametrize("method", [LORA, BIASED], ids=["plain", "biased"])
def test_a_weight_of_one_is_that_module_alone(world, architecture, method):
    """A gate that is sure of one module gives that module's network, whichever it is."""
    batch = tiny.token_batch(world, architecture)
    modules = [trained_lora(world, architecture, method, seed) for seed in range(3)]
    network = tiny.bare(world, architecture)
    own, _ = fuse(network, method, modules, Gate())
    for chosen, tensors in enumerate(modules):
        with torch.no_grad():
            for (_, _, tensor), parameter in own.items():
                if tensor == "gate.bias":
                    parameter.copy_(torch.eye(3)[chosen] * 100)
        expected = tiny.hidden_states(with_lora(world, architecture, method, tensors), batch)
        torch.testing.assert_close(tiny.hidden_states(network.eval(), batch), expected, atol=1e-4, rtol=1e-4)


@pytest.fixture(scope="module")
def store(world, tmp_path_factory):
    """Topics and NLI trained with LoRA and with adapters, alone and over a frozen module of their own."""
    folder = tmp_path_factory.mktemp("earlier")
    trains = [
        train
        for model in world.models.values()
        for method in (LORA, ADAPTER)
        for train in (tiny.train(model, tiny.TOPIC, method), tiny.train(model, tiny.NLI_TURNED, method))
        if needs.at_hand(train)
    ]
    trains += [over(world.bert, task) for task in (tiny.TOPIC, tiny.NLI_TURNED)]
    _, _, summary = tiny.execute(world, folder, tuple(tiny.Evaluate(train, tiny.TATOEBA, "xa") for train in trains))
    assert summary.complete, summary.failed
    return folder


def over(model, task):
    return tiny.train(model, task, LORA, start=Stack((tiny.train(model, tiny.TOPIC, LORA),)))


def fused(model, rule, method=LORA, **more):
    pair = (tiny.train(model, tiny.TOPIC, method), tiny.train(model, tiny.NLI_TURNED, method))
    return tiny.train(model, tiny.NLI, method, start=Fuse(pair, rule), **more)


METHODS = {"lora": LORA, "bottleneck": ADAPTER}


@each_architecture
@pytest.mark.parametrize("method", needs.each(METHODS))
@each_rule
def test_a_fusion_has_as_many_parameters_as_planned(world, store, architecture, method, rule):
    train = fused(world.models[architecture], rule, method)
    _, shop = tiny.workshop(world, store, tiny.everywhere(train))
    own = model_to_train(train, shop).assembly.own
    assert sum(parameter.numel() for parameter in own.values()) == trainable_parameters(train, train.model.shape)


def test_fusion_at_every_site_has_as_many_parameters_as_planned(world):
    network = tiny.bare(world, "bert")
    own, _ = fuse(network, EVERYWHERE, [trained_lora(world, "bert", EVERYWHERE)] * 3, Attention(rank=2))
    train = tiny.train(world.bert, tiny.TOPIC, EVERYWHERE)
    start = Fuse(tuple(dataclasses.replace(train, limit=limit) for limit in (7, 8, 9)), Attention(rank=2))
    planned = trainable_parameters(dataclasses.replace(train, start=start), world.bert.shape)
    assert sum(parameter.numel() for parameter in own.values()) == planned
    assert {(layer, site) for layer, site, _ in own} == set(itertools.product(range(tiny.LAYERS), SITES))
    assert [layer.place for layer in mixing_layers(network)] == list(dict.fromkeys((n, s) for n, s, _ in own))


@pytest.mark.usefixtures("modules_named_twice")
def test_fusion_over_a_frozen_module_stands_on_it(world, store):
    """Modules trained over one frozen module: fused copies begin as that module over the frozen one."""
    train = tiny.train(world.bert, tiny.NLI, LORA, start=Fuse((over(world.bert, tiny.TOPIC),) * 2, Attention(rank=4)))
    _, shop = tiny.workshop(world, store, tiny.everywhere(train))
    batch = tiny.token_batch(world, "bert")
    began = tiny.hidden_states(model_to_train(train, shop).backbone.network.eval(), batch)
    ended = tiny.hidden_states(finished_model(train.inputs[0], shop, "fp32").backbone.network, batch)
    torch.testing.assert_close(began, ended, atol=1e-4, rtol=1e-4)
    alone = tiny.train(world.bert, tiny.TOPIC, LORA)
    assert not torch.allclose(ended, tiny.hidden_states(finished_model(alone, shop, "fp32").backbone.network, batch))


def test_a_module_of_other_shapes_is_refused(world):
    tensors = trained_lora(world, "bert", Lora(4, 16))
    with pytest.raises(UserError, match=r"does not match its base.*\(4, 32\).*\(8, 32\)"):
        fuse(tiny.bare(world, "bert"), LORA, [tensors, tensors], Gate())


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@each_rule
def test_bf16_keeps_fused_modules_in_fp32(world, store, rule, precision):
    train = fused(world.bert, rule, setting=tiny.config(precision=precision))
    _, shop = tiny.workshop(world, store, tiny.everywhere(train))
    network = model_to_train(train, shop).backbone.network
    for name, parameter in network.named_parameters():
        small = any(mark in name for mark in ("lora_", ".mixing."))
        base = torch.bfloat16 if precision == "bf16" else torch.float32
        assert parameter.dtype == (torch.float32 if small else base), name


# Recipes.


@pytest.fixture(scope="module")
def runs(world, tmp_path_factory):
    """Every rule over LoRA and adapters, trained and evaluated, in both precisions."""
    folder = tmp_path_factory.mktemp("fusions")
    trains = {
        f"{name}-{kind}": fused(world.models[architecture], rule, method, setting=tiny.config(precision=precision))
        for (name, rule), architecture, precision in zip(
            RULES.items(), itertools.cycle(tiny.ARCHITECTURES), ("fp32", "bf16", "bf16", "fp32"), strict=False
        )
        for kind, method in METHODS.items()
        if needs.at_hand(method)
    }
    plan, shop, summary = tiny.execute(
        world, folder, tuple(each for train in trains.values() for each in tiny.everywhere(train))
    )
    assert summary.complete, summary.failed
    return plan, shop, trains


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(f"{name}-{kind}", marks=() if kind == "lora" else needs.adapters)
        for name in RULES
        for kind in METHODS
    ],
)
def test_a_recipe_with_it_runs_and_what_is_stored_comes_back(world, runs, case):
    plan, shop, trains = runs
    train = trains[case]
    stored = shop.module(train)
    assert stored.kind == "fusion"
    entry = shop.store.find(plan.fingerprint_of(train))
    assert entry.result.trainable_parameters == trainable_parameters(train, train.model.shape)
    # Trained, and not as it began; a new process finds the same weights.
    began = model_to_train(train, shop).assembly.own
    assert began.keys() == stored.tensors.keys()
    assert any(not torch.equal(began[key].detach(), tensor) for key, tensor in stored.tensors.items())
    batch = tiny.token_batch(world, train.model.name)
    model = finished_model(train, shop, "fp32")
    assert all(torch.isfinite(tiny.hidden_states(model.backbone.network, batch)).flatten())
    for evaluate in tiny.everywhere(train):
        found = shop.store.find(plan.fingerprint_of(evaluate)).result
        assert 0 <= found.metrics["accuracy"] <= 1
