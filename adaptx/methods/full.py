"""Full fine-tuning: the module is the whole backbone."""

from torch import Tensor, nn

from adaptx.methods.interface import Behaviour, Parameters
from adaptx.specs import Full
from adaptx.specs.sites import Sites


def attach(network: nn.Module, sites: Sites, method: Full, name: str) -> Parameters:
    """Every parameter of the network, by key; nothing is added. LoRA modules must have been folded in before."""
    return {sites.key(parameter_name): parameter for parameter_name, parameter in network.named_parameters()}


def _fold(network: nn.Module) -> None:
    """Nothing is to do: the weights are the network's own."""


def _unchanged(tensor: Tensor, own: Tensor | None) -> Tensor:
    assert own is not None, "full fine-tuning is merged over its checkpoint"
    return own


BEHAVIOUR = Behaviour(attach=attach, prepare=None, fold=_fold, unchanged=_unchanged, to_peft=None)
