"""Bottleneck adapters in Pfeiffer placement (Pfeiffer et al. 2021, arXiv:2005.00247)."""

from torch import nn

from adaptx.methods import adapters_backend
from adaptx.specs import Bottleneck
from adaptx.specs.sites import Key, Sites


def attach(network: nn.Module, sites: Sites, method: Bottleneck, name: str) -> dict[Key, nn.Parameter]:
    """Add an adapter on top of those already active; the network must have been through `adapters_backend.prepare`."""
    return adapters_backend.add_adapter(network, method.reduction_factor, method.activation, name)
