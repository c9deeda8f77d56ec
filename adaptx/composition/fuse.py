"""Fusion of frozen modules by trained mixing layers (AdapterFusion; Pfeiffer et al. 2021, arXiv:2005.00247).

The fused modules run side by side at the same sites. At each site a mixing layer computes a weight for each token and
module, and sums the modules' outputs with these weights. Only the mixing layers (and the task's head) are trained.
There is one function per method whose modules can be fused.

Suffixes of tensor and array names, one letter per dimension: B sequences, T tokens, A adapters, D hidden size.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from adaptx.composition.fuse_lora import attach_lora_fusion
from adaptx.composition.mixing import Mixing, make_mixing
from adaptx.methods import adapters_backend, attach
from adaptx.methods.module import restore
from adaptx.specs import Attention, Bottleneck, Lora, Method, MixingRule
from adaptx.specs.sites import Key, sites_of

Tensors = Mapping[Key, Tensor]
Fused = tuple[dict[Key, nn.Parameter], list[nn.Parameter]]
"""The trained parameters of the mixing layers by key, and the parameters of the frozen modules."""


def fuse(network: Any, method: Method, modules: Sequence[Tensors], rule: MixingRule) -> Fused:
    """Attach frozen modules of one method and new mixing layers, on top of the modules that the network already has."""
    return _FUSE[type(method)](network, method, modules, rule)


class FusedAdapters(nn.Module):
    """A fusion layer over the adapters of one layer. It computes the same values as the adapters library's layer."""

    def __init__(self, mixing: Mixing) -> None:
        super().__init__()
        self.mixing = mixing

    def forward(self, query_BTD: Tensor, outputs_BTAD: Tensor, residual_BTD: Tensor) -> Tensor:
        """Return the mixed outputs plus the residual, [B, T, D]."""
        weights_BTA = self.mixing.weights(self.mixing.scores(query_BTD, outputs_BTAD))
        mixed_BTD = self.mixing.value((weights_BTA.unsqueeze(-1) * outputs_BTAD).sum(dim=2))
        return mixed_BTD.to(residual_BTD.dtype) + residual_BTD


def attach_fusion(
    network: Any, names: list[str], below: list[str], rule: MixingRule | None = None
) -> dict[Key, nn.Parameter]:
    """Add new mixing layers over the attached adapters `names`, above the frozen adapters `below`.

    rule: how to mix; None: by attention. Returns the parameters of the mixing layers by key.
    """
    size = network.config.hidden_size

    def make(layer: int) -> FusedAdapters:
        place = (layer, adapters_backend.FUSION_SITE)
        return FusedAdapters(make_mixing(rule or Attention(), place, size, size, len(names), key_bias=True))

    placed = adapters_backend.add_fusion(network, names, below, make)
    return {key: parameter for fused in placed for key, parameter in fused.mixing.keyed.items()}


def _fuse_adapters(network: Any, method: Bottleneck, modules: Sequence[Tensors], rule: MixingRule) -> Fused:
    below = adapters_backend.adapter_names(network)
    names: list[str] = []
    frozen: list[nn.Parameter] = []
    for index, tensors in enumerate(modules):
        names.append(f"fused{index}")
        parameters = attach(network, sites_of(network), method, names[-1])
        restore(parameters, tensors)
        frozen += parameters.values()
    return attach_fusion(network, names, below, rule), frozen


_FUSE: dict[type, Callable[[Any, Any, Sequence[Tensors], MixingRule], Fused]] = {
    Bottleneck: _fuse_adapters,
    Lora: attach_lora_fusion,
}
