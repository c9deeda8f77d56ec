"""Bottleneck adapters on every architecture: where they lie, that they are all at work, and what lies over them."""

import copy
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import pytest
import torch
from support import needs
from support.modules import published
from test_architectures import TINY, outputs, tiny_network, trained

from adaptx.backbones.cpu_kernels import CpuKernels
from adaptx.backbones.recomputing import recompute_layers
from adaptx.composition.fuse import fuse
from adaptx.errors import UserError
from adaptx.exporting.adapters_folder import write_adapters
from adaptx.exporting.composed import Composition, NamedModule
from adaptx.methods import adapters_backend, adapters_classes, attach
from adaptx.methods.adapters_backend import SITE
from adaptx.methods.module import Module, capture, load_module, restore, save_module
from adaptx.methods.published import load_published
from adaptx.published.from_adapters import adapters_layout
from adaptx.sources.sources import Sources
from adaptx.specs import Attention, Bottleneck, Gate, Lora, Method, ModelFamily, ModelSpec
from adaptx.specs.architectures import ARCHITECTURES as KNOWN
from adaptx.specs.architectures.architecture import InsideNorm
from adaptx.specs.sites import Key, sites_of

pytestmark = needs.adapters
METHOD, LORA = Bottleneck(4), Lora(rank=3, alpha=6, sites=("query", "value", "up", "down"))
TENSORS = ("down.weight", "down.bias", "up.weight", "up.bias")
ARCHITECTURES = [name for name, known in KNOWN.items() if known.bottleneck is not None]
GENERATE = [name for name in ARCHITECTURES if TINY[name].architecture.family is not ModelFamily.ENCODER]
each_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES)

Parameters = dict[Key, torch.nn.Parameter]


def ready(architecture: str) -> Any:
    network = tiny_network(architecture)
    adapters_backend.prepare(network)
    return network.eval()


def attached(network: Any, name: str = "own", method: Method = METHOD) -> Parameters:
    parameters = attach(network, sites_of(network), method, name)
    network.eval()
    return parameters


def shake(parameters: Iterable[torch.Tensor], seed: int = 3) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in parameters:
            parameter += 0.2 * torch.randn(parameter.shape, generator=generator)


def states(network: Any) -> list[torch.Tensor]:
    """Hidden states after the embeddings and each layer of all stacks; of the second stack without its embeddings."""
    ids = torch.arange(4, 24).reshape(2, 10)
    more = {"decoder_input_ids": ids[:, :6]} if network.config.is_encoder_decoder else {}
    with torch.no_grad():
        found = network(input_ids=ids, attention_mask=torch.ones_like(ids), output_hidden_states=True, **more)
    if not network.config.is_encoder_decoder:
        return list(found.hidden_states)
    return [*found.encoder_hidden_states, *found.decoder_hidden_states[1:]]


@each_architecture
def test_a_new_adapter_changes_nothing_and_a_trained_one_changes_it_in_every_layer(architecture: str) -> None:
    expected = outputs(tiny_network(architecture))
    network = ready(architecture)
    assert torch.equal(outputs(network), expected)
    parameters = attached(network)
    assert torch.equal(outputs(network), expected)
    shape = TINY[architecture]
    assert list(parameters) == [(layer, SITE, tensor) for layer in range(shape.all_layers) for tensor in TENSORS]
    assert sum(parameter.numel() for parameter in parameters.values()) == trained(shape, METHOD)
    for layer in range(shape.all_layers):
        before = outputs(network)
        shake([parameters[layer, SITE, tensor] for tensor in TENSORS])
        assert (outputs(network) - before).abs().max() > 1e-3, layer


@each_architecture
def test_states_of_a_layer_are_those_after_its_adapter(architecture: str) -> None:
    """Whichever way transformers collects them."""
    network = ready(architecture)
    plain = states(network)
    parameters = attached(network)
    for layer in range(TINY[architecture].all_layers):
        before = states(network)
        shake([parameters[layer, SITE, tensor] for tensor in TENSORS])
        after = states(network)
        assert len(before) == len(after) == len(plain) == TINY[architecture].all_layers + 1
        changed = [not torch.equal(old, new) for old, new in zip(before, after, strict=True)]
        assert changed == [place > layer for place in range(len(changed))]


@each_architecture
def test_an_adapter_computes_what_is_written(architecture: str) -> None:
    """Of the first layer, from what its norm reads, or from what it gives."""
    network = ready(architecture)
    layer = network.get_submodule(sites_of(network).layer_paths()[0])
    place = KNOWN[architecture].bottleneck
    norm = layer.get_submodule(place.norm) if isinstance(place, InsideNorm) else None
    seen: list[torch.Tensor] = []

    def look(_: Any, inputs: Any, output: Any) -> None:
        seen.append(inputs[0] if norm is not None else output[0] if isinstance(output, tuple) else output)

    hook = (norm or layer).register_forward_hook(look)
    outputs(network)
    hook.remove()
    parameters = attached(network)
    shake(parameters.values())
    down, down_bias, up, up_bias = (parameters[0, SITE, tensor] for tensor in TENSORS)
    plain = torch.nn.functional.layer_norm
    with torch.no_grad():
        read = seen[0] if norm is None else plain(seen[0], norm.normalized_shape, norm.weight, norm.bias, norm.eps)
        expected = seen[0] + torch.relu(read @ down.T + down_bias) @ up.T + up_bias
        if norm is not None:
            expected = plain(expected, norm.normalized_shape, norm.weight, norm.bias, norm.eps)
    torch.testing.assert_close(states(network)[1], expected, atol=1e-5, rtol=1e-5)


@each_architecture
def test_an_adapter_comes_back_from_disk_bit_for_bit(architecture: str, tmp_path: Any) -> None:
    network, other = ready(architecture), ready(architecture)
    parameters = attached(network)
    shake(parameters.values())
    save_module(Module("module", METHOD, "sha256:abc", capture(parameters)), tmp_path)
    restore(attached(other), load_module(tmp_path).tensors)
    assert torch.equal(outputs(other), outputs(network))


@each_architecture
def test_a_new_adapter_over_a_trained_one_changes_nothing_and_reads_what_it_made(architecture: str) -> None:
    network, turned = ready(architecture), ready(architecture)
    lower = attached(network, "lower")
    shake(lower.values())
    expected = outputs(network)
    upper = attached(network, "upper")
    assert adapters_backend.adapter_names(network) == ["lower", "upper"]
    assert torch.equal(outputs(network), expected)
    shake(upper.values(), seed=4)
    restore(attached(turned, "lower"), capture(upper))
    restore(attached(turned, "upper"), capture(lower))
    assert (outputs(network) - expected).abs().max() > 1e-3
    assert (outputs(network) - outputs(turned)).abs().max() > 1e-4, "the order does not matter"


@each_architecture
@pytest.mark.parametrize("rule", [Attention(), Attention(rank=2), Gate()], ids=str)
def test_copies_of_one_adapter_mix_to_that_adapter(architecture: str, rule: Any) -> None:
    network, fused = ready(architecture), ready(architecture)
    below, tensors = attached(network, "below"), attached(network)
    shake([*below.values(), *tensors.values()])
    restore(attached(fused, "below"), capture(below))
    mixing, frozen = fuse(fused, METHOD, [capture(tensors)] * 3, rule)
    fused.eval()
    assert {layer for layer, _, _ in mixing} == set(range(TINY[architecture].all_layers))
    assert len(frozen) == 3 * len(tensors)
    torch.testing.assert_close(outputs(fused), outputs(network), atol=1e-4, rtol=1e-4)
    before = outputs(fused)
    shake(frozen[: len(tensors)], seed=5)
    assert (outputs(fused) - before).abs().max() > 1e-3


@each_architecture
def test_adapters_and_lora_lie_over_each_other(architecture: str) -> None:
    for below, above in ((LORA, METHOD), (METHOD, LORA)):
        network = ready(architecture)
        frozen = attached(network, "frozen", below)
        shake(frozen.values())
        expected = outputs(network)
        own = attached(network, "own", above)
        assert torch.equal(outputs(network), expected)
        shake(own.values(), seed=4)
        both = outputs(network)
        assert (both - expected).abs().max() > 1e-3
        shake(frozen.values(), seed=6)
        assert (outputs(network) - both).abs().max() > 1e-3


@each_architecture
def test_adapters_may_be_prepared_for_before_or_after_lora(architecture: str) -> None:
    first, after = ready(architecture), tiny_network(architecture)
    lora, adapter = attached(first, "frozen", LORA), attached(first)
    shake([*lora.values(), *adapter.values()])
    restore(attached(after, "frozen", LORA), capture(lora))
    adapters_backend.prepare(after)
    restore(attached(after), capture(adapter))
    assert torch.equal(outputs(first), outputs(after))


@each_architecture
def test_gradients_reach_every_adapter_and_stay_as_they_were_where_layers_are_computed_again(architecture: str) -> None:
    ids = torch.arange(4, 24).reshape(2, 10)

    def gradients(recompute: bool) -> dict[Key, torch.Tensor | None]:
        network = ready(architecture)
        parameters = attached(network)
        shake(parameters.values())
        network.requires_grad_(False)
        for parameter in parameters.values():
            parameter.requires_grad_(True)
        runs: list[int] = []
        if recompute:
            recompute_layers(network, None)
        for place, path in enumerate(sites_of(network).layer_paths()):
            place_of = KNOWN[architecture].bottleneck
            within = place_of.norm if isinstance(place_of, InsideNorm) else "bottleneck.adapters.own"
            inner = network.get_submodule(path).get_submodule(within)
            inner.register_forward_pre_hook(lambda *_, place=place: runs.append(place))
        more = {"decoder_input_ids": ids[:, :6]} if network.config.is_encoder_decoder else {}
        network.train()
        torch.manual_seed(2)
        with CpuKernels():
            loss = network(input_ids=ids, attention_mask=torch.ones_like(ids), **more)[0].square().mean()
        loss.backward()
        assert sorted(runs) == sorted([*range(TINY[architecture].all_layers)] * (1 + recompute))
        return {key: parameter.grad for key, parameter in parameters.items()}

    plain, again = gradients(recompute=False), gradients(recompute=True)
    for key, gradient in plain.items():
        assert gradient is not None, key
        assert gradient.abs().max() > 0, key
        torch.testing.assert_close(again[key], gradient, atol=1e-6, rtol=1e-5, msg=str(key))


@pytest.mark.parametrize("architecture", GENERATE)
def test_text_is_written_as_without_a_cache(architecture: str) -> None:
    network = ready(architecture)
    shake(attached(network).values())
    ids = torch.arange(4, 16).reshape(2, 6)
    written = [
        network.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=5, min_new_tokens=5, do_sample=False,
            use_cache=use_cache, pad_token_id=0,
        )
        for use_cache in (True, False)
    ]  # fmt: skip
    assert torch.equal(*written)
    assert written[0].shape[1] >= 5


@each_architecture
def test_a_copied_network_has_adapters_of_its_own(architecture: str) -> None:
    network = ready(architecture)
    parameters = attached(network)
    other = copy.deepcopy(network)
    expected = outputs(other)
    shake(parameters.values())
    assert torch.equal(outputs(other), expected)
    assert (outputs(network) - expected).abs().max() > 1e-3


def tiny_model(architecture: str) -> ModelSpec:
    shape = TINY[architecture]
    return ModelSpec("tiny/network", shape.architecture.family, shape=shape)


@pytest.mark.filterwarnings("ignore:`past_key_value` is deprecated:FutureWarning")
@each_architecture
def test_the_librarys_folders_are_written_and_read_or_refused(architecture: str, tmp_path: Any) -> None:
    import adapters

    network, other = ready(architecture), ready(architecture)
    parameters = attached(network)
    shake(parameters.values())
    made_of = Composition((NamedModule("own", Module("module", METHOD, "sha256:abc", capture(parameters))),))
    if KNOWN[architecture].adapters_refused is not None:
        with pytest.raises(UserError, match=f"cannot be exported from here: .*{architecture}"):
            write_adapters(tiny_network(architecture), made_of, "tiny/network", tmp_path)
        config = {"config": asdict(adapters.SeqBnConfig(reduction_factor=4)), "hidden_size": 32}
        with pytest.raises(UserError, match=f"would not compute the same as .*{architecture}"):
            adapters_layout(config, {}, tiny_model(architecture))
        return
    write_adapters(tiny_network(architecture), made_of, "tiny/network", tmp_path)
    theirs = tiny_network(architecture)
    adapters.init(theirs)
    theirs.load_adapter(str(tmp_path), set_active=True)
    torch.testing.assert_close(outputs(theirs.eval()), outputs(network), atol=1e-4, rtol=1e-4)
    found = published(tmp_path, tiny_model(architecture))
    assert found.method == METHOD
    restore(attached(other), load_published(found, "sha256:abc", Sources()).tensors)
    assert torch.equal(outputs(other), outputs(network))


def library_network(architecture: str, modules: Iterable[Parameters]) -> Any:
    network = tiny_network(architecture)
    adapters_classes.prepare(network)
    for place, tensors in enumerate(modules):
        added = adapters_classes.add_adapter(network, METHOD.reduction_factor, METHOD.activation, f"adapter{place}")
        restore(added, capture(tensors))
    return network.eval()


# Its T5 passes on an argument by its old name.
@pytest.mark.filterwarnings("ignore:`past_key_value` is deprecated:FutureWarning")
@each_architecture
def test_the_librarys_own_classes_compute_the_same_or_are_refused(architecture: str) -> None:
    network = ready(architecture)
    modules = [attached(network, f"adapter{place}") for place in range(2)]
    shake(parameter for tensors in modules for parameter in tensors.values())
    refused = KNOWN[architecture].adapters_refused or ""
    if "has no class" in refused:
        with pytest.raises(ValueError, match="not pre-supported"):
            library_network(architecture, modules)
        return
    difference = (outputs(library_network(architecture, modules)) - outputs(network)).abs().max()
    assert difference > 1e-2 if refused else difference < 1e-4
