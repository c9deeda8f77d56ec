"""Layers computed again in the backward pass leave loss and gradients as they were, dropout included."""

import pytest
import tiny
import torch

from adaptx.backbones.encoder import Encoder
from adaptx.backbones.fast_dropout import FastDropout
from adaptx.backbones.recomputing import recompute_layers
from adaptx.specs import Hidden


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_gradients_stay_as_they_were(world, architecture, dropout) -> None:
    batch = tiny.token_batch(world, architecture)

    def gradients(recompute: bool) -> dict[str, torch.Tensor]:
        network = tiny.bare(world, architecture, dropout).train()
        backbone = Encoder(network)
        runs = [0]
        # (Hooks of a layer itself are outside of what is computed again, under transformers 5.)
        network.encoder.layer[0].output.register_forward_pre_hook(lambda *_: runs.__setitem__(0, runs[0] + 1))
        if recompute:
            recompute_layers(network, lambda: [FastDropout(), backbone.attention()])
        torch.manual_seed(3)
        with FastDropout():
            loss = backbone.pooled(batch, Hidden()).square().sum()
        loss.backward()
        assert runs[0] == 1 + recompute
        return {name: p.grad for name, p in network.named_parameters() if p.grad is not None}

    plain, again = gradients(recompute=False), gradients(recompute=True)
    assert plain.keys() == again.keys()
    assert len(plain) > 10
    for name, gradient in plain.items():
        torch.testing.assert_close(again[name], gradient, atol=1e-6, rtol=1e-5, msg=name)
