"""Full fine-tuning: the module is the whole backbone."""

from torch import nn

from adaptx.specs import Full
from adaptx.specs.sites import Key, Sites


def attach(network: nn.Module, sites: Sites, method: Full, name: str) -> dict[Key, nn.Parameter]:
    """Every parameter of the network, by key; nothing is added. LoRA modules must have been folded in before."""
    return {sites.key(parameter_name): parameter for parameter_name, parameter in network.named_parameters()}
