"""Methods: what is attached changes nothing until it is trained, and does what its library does."""

import pytest
import torch
from support import needs, tiny

from adaptx.backbones.backbone import to_precision
from adaptx.composition.assembly import assemble
from adaptx.composition.fuse import FusedAdapters, attach_fusion
from adaptx.composition.mixing import AttentionMixing, value_regularisation
from adaptx.errors import UserError
from adaptx.methods import adapters_backend, adapters_classes, attach
from adaptx.methods.lora import fold
from adaptx.methods.module import Module, capture, load_module, restore, save_module
from adaptx.specs import Bottleneck, Full, Ia3, Lora, Method, Stack
from adaptx.specs.linear_maps import SITES
from adaptx.specs.sites import sites_of
from adaptx.training.gradients import Budget, Setting

CPU = torch.device("cpu")
UNBOUNDED = Budget(None, None)
METHODS = {
    "lora": Lora(rank=4, alpha=8),
    "lora-everywhere": Lora(rank=3, alpha=8, dropout=0.1, sites=SITES),
    "lora-bias": Lora(rank=4, alpha=8, bias=True),
    "lora-own-sizes": Lora(3, 6, 0.0, ("query", "up", "down"), True, (("down", 5),), (("query", 12),)),
    "ia3": Ia3(),
    "ia3-everywhere": Ia3(SITES),
    "bottleneck": Bottleneck(reduction_factor=4),
    "bottleneck-gelu": Bottleneck(reduction_factor=1.5, activation="gelu"),
}
each_architecture = pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
each_method = pytest.mark.parametrize("method", needs.each(METHODS))


def with_module(world, architecture, method: Method, name="own"):
    """A bare network with a new module, and the module's parameters."""
    network = tiny.bare(world, architecture)
    if isinstance(method, Bottleneck):
        adapters_backend.prepare(network)
    return network, attach(network, sites_of(network), method, name)


@each_architecture
@each_method
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_new_module_leaves_the_forward_pass_as_it_was(world, architecture, method, precision):
    batch = tiny.token_batch(world, architecture)
    plain, with_new = tiny.bare(world, architecture), tiny.bare(world, architecture)
    train = tiny.train(world.models[architecture], tiny.NLI, method, setting=tiny.config(precision=precision))
    own = assemble(with_new, train, load=lambda _: pytest.fail("nothing is stored")).own
    plain.requires_grad_(False)
    to_precision(plain, [], bf16=precision == "bf16")
    assert plain.config._attn_implementation == with_new.config._attn_implementation == "sdpa"
    with Setting(CPU, precision, UNBOUNDED).forward_pass():
        expected = tiny.hidden_states(plain, batch)
        assert torch.equal(tiny.hidden_states(with_new.eval(), batch), expected)
    # What was attached is at work: with other values it changes the result. (Autocast keeps its casts until it ends.)
    tiny.shake(own.values())
    with Setting(CPU, precision, UNBOUNDED).forward_pass():
        assert not torch.allclose(tiny.hidden_states(with_new, batch), expected, atol=1e-3)


@each_architecture
@each_method
def test_exactly_the_module_trains(world, architecture, method):
    network = tiny.bare(world, architecture)
    before = {name: id(parameter) for name, parameter in network.named_parameters()}
    train = tiny.train(world.models[architecture], tiny.NLI, method)
    own = assemble(network, train, load=lambda _: pytest.fail("nothing is stored")).own
    training = {id(parameter) for parameter in network.parameters() if parameter.requires_grad}
    assert training == {id(parameter) for parameter in own.values()}
    assert not training & set(before.values())


@each_architecture
@each_method
def test_a_module_lies_in_every_layer_at_its_sites(world, architecture, method):
    _, parameters = with_module(world, architecture, method)
    sites = {adapters_backend.SITE} if isinstance(method, Bottleneck) else set(method.sites)
    assert {(layer, site) for layer, site, _ in parameters} == {(n, s) for n in range(tiny.LAYERS) for s in sites}
    tensors = {"down.weight", "down.bias", "up.weight", "up.bias"}
    if isinstance(method, Lora):
        tensors = {"lora_A", "lora_B", *(["bias"] if method.bias else [])}
    if isinstance(method, Ia3):
        tensors = {"scale"}
    assert {tensor for _, _, tensor in parameters} == tensors
    shape = world.models[architecture].shape
    assert sum(parameter.numel() for parameter in parameters.values()) == method.parameters(shape)


@each_architecture
def test_a_module_attached_twice_over_lies_over_the_first(world, architecture):
    batch = tiny.token_batch(world, architecture)
    for method in filter(needs.at_hand, (METHODS["lora"], METHODS["lora-bias"], METHODS["ia3"], METHODS["bottleneck"])):
        network, below = with_module(world, architecture, method, "below")
        tiny.shake(below.values())
        expected = tiny.hidden_states(network.eval(), batch)
        above = attach(network, sites_of(network), method, "above")
        network.eval()
        assert torch.equal(tiny.hidden_states(network, batch), expected)
        tiny.shake(above.values(), seed=6)
        both = tiny.hidden_states(network, batch)
        tiny.shake(below.values(), seed=7)
        assert not torch.equal(both, expected)
        assert not torch.equal(tiny.hidden_states(network, batch), both), "the lower module is no longer at work"


@needs.adapters
def test_stacked_adapters_keep_their_order(world):
    """Whatever their names: the library has them in a set, whose order differs between processes."""
    names = [f"adapter{number}" for number in (3, 1, 4, 0, 5, 9, 2, 6)]
    for backend in (adapters_backend, adapters_classes):
        network = tiny.bare(world, "bert")
        backend.prepare(network)
        for name in names:
            backend.add_adapter(network, 4, "relu", name)
        assert backend.adapter_names(network) == names


@each_architecture
def test_full_adds_nothing_and_names_every_parameter_once(world, architecture):
    network = tiny.bare(world, architecture)
    names = [name for name, _ in network.named_parameters()]
    sites = sites_of(network)
    parameters = attach(network, sites, Full(), "own")
    assert [name for name, _ in network.named_parameters()] == names
    assert [id(parameter) for parameter in parameters.values()] == [id(p) for p in network.parameters()]
    for layer in range(tiny.LAYERS):
        for site in SITES:
            linear = network.get_submodule(sites.module(layer, site))
            assert parameters[layer, site, "weight"] is linear.weight
            assert parameters[layer, site, "bias"] is linear.bias
    assert parameters[None, "embeddings.word_embeddings", "weight"] is network.embeddings.word_embeddings.weight


@needs.adapters
@each_architecture
def test_full_has_the_same_keys_in_a_network_made_ready_for_adapters(world, architecture):
    plain, ready = tiny.bare(world, architecture), tiny.bare(world, architecture)
    adapters_backend.prepare(ready)
    assert attach(plain, sites_of(plain), Full(), "own").keys() == attach(ready, sites_of(ready), Full(), "own").keys()


@needs.adapters
def test_adapters_come_before_lora(world):
    """In the library's own classes; in training they may be prepared for at any time."""
    network, _ = with_module(world, "bert", METHODS["lora"])
    with pytest.raises(AssertionError, match="must run before LoRA layers"):
        adapters_classes.prepare(network)


@needs.adapters
@each_architecture
def test_making_ready_for_adapters_changes_nothing_and_keeps_lora_at_work(world, architecture):
    batch = tiny.token_batch(world, architecture)
    network = tiny.bare(world, architecture)
    expected = tiny.hidden_states(network, batch)
    adapters_backend.prepare(network)
    assert torch.equal(tiny.hidden_states(network, batch), expected)
    parameters = attach(network, sites_of(network), METHODS["lora-everywhere"], "own")
    network.eval()
    for key, parameter in parameters.items():
        before = tiny.hidden_states(network, batch)
        tiny.shake([parameter])
        if key[2] == "lora_B":
            assert not torch.equal(tiny.hidden_states(network, batch), before), key


@each_architecture
@pytest.mark.parametrize("method", needs.each({"full": Full(), **METHODS}))
def test_a_module_comes_back_from_disk_bit_for_bit(world, architecture, method, tmp_path):
    network, parameters = with_module(world, architecture, method)
    tiny.shake(parameters.values())
    module = Module("module", method, "sha256:abc", capture(parameters))
    save_module(module, tmp_path)
    loaded = load_module(tmp_path)
    assert (loaded.kind, loaded.method, loaded.base) == ("module", method, "sha256:abc")
    assert loaded.tensors.keys() == module.tensors.keys()
    assert all(torch.equal(loaded.tensors[key], module.tensors[key]) for key in module.tensors)
    other, others_parameters = with_module(world, architecture, method)
    restore(others_parameters, loaded.tensors)
    batch = tiny.token_batch(world, architecture)
    assert torch.equal(tiny.hidden_states(network.eval(), batch), tiny.hidden_states(other.eval(), batch))


def test_captured_tensors_are_copies(world):
    _, parameters = with_module(world, "bert", METHODS["lora"])
    captured = capture(parameters)
    kept = {key: tensor.clone() for key, tensor in captured.items()}
    tiny.shake(parameters.values())
    assert all(torch.equal(captured[key], kept[key]) for key in kept)


def test_a_module_of_another_rank_is_refused_with_both_shapes(world):
    _, small = with_module(world, "bert", Lora(rank=4))
    _, large = with_module(world, "bert", Lora(rank=8))
    with pytest.raises(UserError, match=r"does not match its base.*\(8, 32\).*\(4, 32\)"):
        restore(small, capture(large))


def test_a_module_of_other_sites_is_refused_with_what_is_missing_and_what_is_too_much(world):
    _, here = with_module(world, "bert", Lora(sites=("query",)))
    _, there = with_module(world, "bert", Lora(sites=("value",)))
    with pytest.raises(UserError, match=r"missing.*query.*unexpected.*value"):
        restore(here, capture(there))


def test_a_module_of_a_later_version_is_refused(world, tmp_path):
    _, parameters = with_module(world, "bert", METHODS["lora"])
    save_module(Module("module", METHODS["lora"], "base", capture(parameters)), tmp_path)
    header = tmp_path / "module.json"
    header.write_text(header.read_text().replace('"version": 1', '"version": 99'))
    with pytest.raises(UserError, match=r"version 99.*upgrade"):
        load_module(tmp_path)


@each_architecture
def test_folded_lora_computes_the_same(world, architecture):
    batch = tiny.token_batch(world, architecture)
    bare_names = [name for name, _ in tiny.bare(world, architecture).named_parameters()]
    network, first = with_module(world, architecture, METHODS["lora"], "first")
    second = attach(network, sites_of(network), METHODS["lora-everywhere"], "second")
    for name in ("lora-bias", "lora-own-sizes"):
        second |= attach(network, sites_of(network), METHODS[name], name)
        tiny.shake(second.values(), scale=0.1)
    tiny.shake([*first.values(), *second.values()], scale=0.1)
    expected = tiny.hidden_states(network.eval(), batch)
    fold(network)
    torch.testing.assert_close(tiny.hidden_states(network, batch), expected, atol=1e-5, rtol=1e-5)
    assert [name for name, _ in network.named_parameters()] == bare_names


@each_architecture
def test_lora_computes_what_peft_does(world, architecture):
    from peft import LoraConfig, get_peft_model

    batch = tiny.token_batch(world, architecture)
    for method, targets in (
        (METHODS["lora"], ["query", "value"]),
        (METHODS["lora-everywhere"], ["query", "key", "value", "dense"]),
        (METHODS["lora-bias"], ["query", "value"]),
        (METHODS["lora-own-sizes"], ["query", "intermediate.dense", r"layer.0.output.dense", r"layer.1.output.dense"]),
    ):
        network, parameters = with_module(world, architecture, method)
        tiny.shake(parameters.values())
        own_sizes = {"rank_pattern": {"output.dense": 5}, "alpha_pattern": {"query": 12}} if method.ranks else {}
        bias = "lora_only" if method.bias else "none"
        settings = LoraConfig(r=method.rank, lora_alpha=method.alpha, target_modules=targets, bias=bias, **own_sizes)
        theirs = get_peft_model(tiny.bare(world, architecture), settings)
        sites = sites_of(network)
        with torch.no_grad():
            for (layer, site, tensor), parameter in parameters.items():
                linear = theirs.base_model.model.get_submodule(sites.module(layer, site))
                if tensor == "bias":
                    linear.bias.add_(parameter)
                else:
                    getattr(linear, tensor)["default"].weight.copy_(parameter)
        num_theirs = sum(p.numel() for p in theirs.parameters() if p.requires_grad)
        assert num_theirs == sum(parameter.numel() for parameter in parameters.values())
        expected = tiny.hidden_states(theirs.base_model.model.eval(), batch)
        # Shaken biases make larger states, and those round more coarsely.
        atol = 4e-6 if method.bias else 1e-6
        torch.testing.assert_close(tiny.hidden_states(network.eval(), batch), expected, atol=atol, rtol=0)


@needs.adapters
@each_architecture
@pytest.mark.parametrize("method", [METHODS["bottleneck"], METHODS["bottleneck-gelu"]], ids=["relu", "gelu"])
def test_a_bottleneck_computes_what_adapters_does(world, architecture, method):
    import adapters

    batch = tiny.token_batch(world, architecture)
    network, parameters = with_module(world, architecture, method)
    tiny.shake(parameters.values())
    theirs = tiny.bare(world, architecture)
    adapters.init(theirs)
    settings = adapters.SeqBnConfig(reduction_factor=method.reduction_factor, non_linearity=method.activation)
    theirs.add_adapter("theirs", config=settings)
    theirs.set_active_adapters("theirs")
    with torch.no_grad():
        for layer in range(tiny.LAYERS):
            adapter = theirs.encoder.layer[layer].output.adapters["theirs"]
            for name, linear in (("down", adapter.adapter_down[0]), ("up", adapter.adapter_up)):
                linear.weight.copy_(parameters[layer, adapters_backend.SITE, f"{name}.weight"])
                linear.bias.copy_(parameters[layer, adapters_backend.SITE, f"{name}.bias"])
    num_theirs = sum(p.numel() for name, p in theirs.named_parameters() if ".adapters." in name)
    assert num_theirs == sum(parameter.numel() for parameter in parameters.values())
    expected = tiny.hidden_states(theirs.eval(), batch)
    # The library adds in another order, and states reach 4, where neighbouring numbers are 4.8e-7 apart.
    torch.testing.assert_close(tiny.hidden_states(network.eval(), batch), expected, atol=4e-6, rtol=0)


@needs.adapters
def test_mixing_computes_what_adapters_fusion_does():
    from adapters import AdapterFusionConfig
    from adapters.methods.modeling import BertFusion

    ours = FusedAdapters(AttentionMixing((0, adapters_backend.FUSION_SITE), 32, 32, rank=None, key_bias=True))
    tiny.shake(ours.parameters())
    theirs = BertFusion(AdapterFusionConfig.load("dynamic"), 32, attention_probs_dropout_prob=0.1)
    theirs.load_state_dict(ours.mixing.state_dict())
    theirs.eval()
    generator = torch.Generator().manual_seed(3)
    query, residual = (torch.randn(2, 7, 32, generator=generator) for _ in range(2))
    outputs = torch.randn(2, 7, 3, 32, generator=generator)
    with torch.no_grad():
        mixed, weights = ours(query, outputs, residual), ours.mixing.weights(ours.mixing.scores(query, outputs))
        expected, shares = theirs(query, outputs.clone(), outputs.clone(), residual.clone(), output_attentions=True)
        torch.testing.assert_close(mixed, expected, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(weights, torch.from_numpy(shares), atol=1e-5, rtol=1e-5)


@needs.adapters
@each_architecture
def test_a_fused_network_computes_what_adapters_does(world, architecture):
    method, batch = METHODS["bottleneck"], tiny.token_batch(world, architecture)

    ours, theirs = tiny.bare(world, architecture), tiny.bare(world, architecture)
    adapters_backend.prepare(ours)
    adapters_classes.prepare(theirs)
    for seed, name in enumerate(("a", "b")):
        parameters = attach(ours, sites_of(ours), method, name)
        tiny.shake(parameters.values(), seed)
        restore(adapters_classes.add_adapter(theirs, method.reduction_factor, method.activation, name), parameters)
    parameters = attach_fusion(ours, ["a", "b"], below=[])
    tiny.shake(parameters.values(), scale=0.1)
    restore(adapters_classes.add_fusion(theirs, ["a", "b"], []), parameters)
    assert {site for _, site, _ in parameters} == {adapters_backend.FUSION_SITE}
    expected = tiny.hidden_states(theirs.eval(), batch)
    torch.testing.assert_close(tiny.hidden_states(ours.eval(), batch), expected, atol=1e-5, rtol=1e-5)
    theirs.requires_grad_(True)
    ours_loss, their_loss = value_regularisation(parameters, 0.01), theirs.get_fusion_regularization_loss()
    assert their_loss.item() > 0.01
    torch.testing.assert_close(ours_loss, their_loss)


def test_value_regularisation_is_nothing_at_the_identity_and_scales_with_its_weight():
    mixing = AttentionMixing((0, adapters_backend.FUSION_SITE), 8, 8, rank=None, key_bias=True)
    parameters = mixing.keyed
    assert value_regularisation(parameters, 0.01).item() == 0
    with torch.no_grad():
        mixing.value.weight[0, 1] += 2
    assert value_regularisation(parameters, 0.5).item() == 2


@pytest.mark.gpu
@each_architecture
@each_method
def test_a_new_module_leaves_the_forward_pass_as_it_was_on_cuda(world, architecture, method):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    batch = tiny.token_batch(world, architecture, torch.device("cuda"))
    plain, with_new = tiny.bare(world, architecture), tiny.bare(world, architecture)
    assemble(with_new, tiny.train(world.models[architecture], tiny.NLI, method), load=lambda _: pytest.fail("no"))
    for precision in ("fp32", "bf16"):
        with Setting(torch.device("cuda"), precision, UNBOUNDED).forward_pass():
            expected = tiny.hidden_states(plain.cuda(), batch)
            assert torch.equal(tiny.hidden_states(with_new.cuda().eval(), batch), expected)


def test_a_stacked_new_module_is_told_apart_from_the_frozen_one(world):
    below = tiny.train(world.bert, tiny.TOPIC, METHODS["lora"])
    network, parameters = with_module(world, "bert", METHODS["lora"])
    tiny.shake(parameters.values())
    stored = Module("module", METHODS["lora"], "base", capture(parameters))
    above = tiny.train(world.bert, tiny.NLI, METHODS["lora"], start=Stack((below,)))
    stacked = tiny.bare(world, "bert")
    own = assemble(stacked, above, load=lambda stage: {below: stored}[stage]).own
    batch = tiny.token_batch(world, "bert")
    assert torch.equal(tiny.hidden_states(stacked.eval(), batch), tiny.hidden_states(network.eval(), batch))
    assert all(not parameter.any() for key, parameter in own.items() if key[2] == "lora_B")
