"""Layers computed again in the backward pass leave losses, gradients and weights as they were, dropout included."""

from pathlib import Path

import pytest
import torch
from support import format_bench, needs, small_world, tiny
from support.pipeline import COMBINATIONS

from adaptx.backbones.cpu_kernels import CpuKernels
from adaptx.backbones.encoder import Encoder
from adaptx.backbones.recomputing import recompute_layers
from adaptx.methods.module import capture
from adaptx.specs import Evaluate, Hidden, Resources, Retrieval, Train
from adaptx.training.progress import Silent

NAMES = ("full", "lora", "bottleneck", "lora-after-bottleneck", "bottleneck-stack", "bottleneck-fuse")


def target(name: str, model: tiny.ModelSpec, precision: str = "fp32") -> Train:
    """A training with dropout in the network and in the method."""
    method, start = COMBINATIONS[name]
    begins = {} if start is None else {"start": start(model)}
    return tiny.train(model, tiny.NLI, method, setting=tiny.config(dropout=0.2, precision=precision), **begins)


TARGETS = {name: target(name, tiny.ModelSpec("tiny/bert")) for name in NAMES}


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    """What trainings start from, kept for all cases."""
    return tmp_path_factory.mktemp("store")


def first_layers_runs(network) -> list[int]:
    """A list of one number: how often the first layer has been computed."""
    runs = [0]
    # (Hooks of a layer itself are outside of what is computed again, under transformers 5.)
    network.encoder.layer[0].output.register_forward_pre_hook(lambda *_: runs.__setitem__(0, runs[0] + 1))
    return runs


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_gradients_stay_as_they_were(world, architecture, dropout) -> None:
    batch = tiny.token_batch(world, architecture)

    def gradients(recompute: bool) -> dict[str, torch.Tensor]:
        network = tiny.bare(world, architecture, dropout).train()
        backbone = Encoder(network)
        runs = first_layers_runs(network)
        if recompute:
            recompute_layers(network, backbone)
        torch.manual_seed(3)
        with CpuKernels():
            loss = backbone.pooled(batch, Hidden()).square().sum()
        loss.backward()
        assert runs[0] == 1 + recompute
        return {name: p.grad for name, p in network.named_parameters() if p.grad is not None}

    plain, again = gradients(recompute=False), gradients(recompute=True)
    assert plain.keys() == again.keys()
    assert len(plain) > 10
    for name, gradient in plain.items():
        torch.testing.assert_close(again[name], gradient, atol=1e-6, rtol=1e-5, msg=name)


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", needs.each(TARGETS, names=True))
def test_a_training_ends_with_the_very_weights(world, store, name, architecture, precision) -> None:
    train = target(name, world.models[architecture], precision)
    before = tuple(Evaluate(stage, tiny.TATOEBA, "xa") for stage in train.inputs)
    if before:
        _, _, summary = tiny.execute(world, store, before, keep=True)
        assert summary.complete, summary.failed

    def ended(gradient_checkpointing: bool):
        resources = Resources("cpu", micro_batch_size=3, gradient_checkpointing=gradient_checkpointing)
        training, fresh = tiny.begin(world, train, store, resources)
        runs = first_layers_runs(fresh.backbone.network)
        losses = [entry.loss for entry in training.run(Silent()).history.steps]
        head = dict(training.model.heads.named_parameters())
        return losses, {**capture(training.own), **head}, runs[0]

    losses, weights, runs = ended(gradient_checkpointing=False)
    losses_again, weights_again, runs_again = ended(gradient_checkpointing=True)
    assert runs_again == 2 * runs > 0
    assert losses_again == losses
    assert weights_again.keys() == weights.keys()
    for key, value in weights.items():
        assert torch.equal(weights_again[key], value), key


@pytest.mark.parametrize("budget", [format_bench.WHOLE, format_bench.FEW_TOKENS], ids=["whole", "cut"])
def test_gradients_over_the_whole_batch_stay_as_they_were(tmp_path, budget) -> None:
    models = small_world.make_models(tmp_path)
    queries, candidates = list(small_world.WORDS[:6]), [" ".join(small_world.WORDS[n:]) for n in range(6)]

    def gradients(recompute: bool):
        bench = format_bench.make(models, "bert", dropout=0.2)
        drawn = format_bench.drawn_items(bench, format_bench.examples(query=queries, candidate=candidates), Retrieval())
        if recompute:
            recompute_layers(bench.network, bench.encoder)
        torch.manual_seed(3)
        return format_bench.loss_and_gradients(bench, drawn, Retrieval(), budget, training=True)

    (loss, plain), (loss_again, again) = gradients(recompute=False), gradients(recompute=True)
    assert loss_again == loss
    format_bench.close(again, plain)
