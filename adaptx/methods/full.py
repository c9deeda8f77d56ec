"""Full fine-tuning: the module is the whole backbone."""

from torch import Tensor, nn

from adaptx.methods.interface import Behaviour, Parameters
from adaptx.specs import Full
from adaptx.specs.sites import Sites


def attach(network: nn.Module, sites: Sites, method: Full, name: str) -> Parameters:
    """Return every parameter of the network by key. LoRA modules must have been folded into the network before."""
    return {sites.key(parameter_name): parameter for parameter_name, parameter in network.named_parameters()}


def _fold(network: nn.Module) -> None:
    """Do nothing, because the module's tensors are already the network's weights."""


def _unchanged(tensor: Tensor, own: Tensor | None) -> Tensor:
    assert own is not None, "merging of full fine-tuning needs the checkpoint's tensors"
    return own


BEHAVIOUR = Behaviour(attach=attach, prepare=None, fold=_fold, unchanged=_unchanged, to_peft=None)
