"""Bottleneck adapters in Pfeiffer placement (Pfeiffer et al. 2021, arXiv:2005.00247)."""

from torch import Tensor, nn

from adaptx.methods import adapters_backend
from adaptx.methods.interface import Behaviour, Parameters
from adaptx.specs import Bottleneck
from adaptx.specs.sites import Sites


def attach(network: nn.Module, sites: Sites, method: Bottleneck, name: str) -> Parameters:
    """Add an adapter on top of the active ones. The network must have been prepared by `adapters_backend.prepare`."""
    return adapters_backend.add_adapter(network, method.reduction_factor, method.activation, name)


def _unchanged(tensor: Tensor, own: Tensor | None) -> None:
    """Return None for zeros, because an adapter whose tensors are all zero has no effect."""


BEHAVIOUR = Behaviour(attach=attach, prepare=adapters_backend.prepare, fold=None, unchanged=_unchanged, to_peft=None)
