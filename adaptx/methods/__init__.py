"""Methods: what is attached to a network, and the tensors by which it is known.

Every method is one function, `attach(network, sites, method, name) -> Parameters`: live parameters keyed by
(layer, site, tensor). Loading, saving and freezing follow from that mapping alone and are the same for all.
"""

from collections.abc import Callable
from typing import Any

from torch import nn

from adaptx.methods import bottleneck, full, lora
from adaptx.specs import Bottleneck, Full, Lora, Method
from adaptx.specs.sites import Key, Sites

Parameters = dict[Key, nn.Parameter]

_ATTACH: dict[type, Callable[[Any, Sites, Any, str], Parameters]] = {
    Full: full.attach,
    Lora: lora.attach,
    Bottleneck: bottleneck.attach,
}


def attach(network: nn.Module, sites: Sites, method: Method, name: str) -> Parameters:
    """Attach a new module of `method` under `name`; it leaves the forward pass as it was until it is trained.

    Initial values come from torch's global generator: seed it before.
    """
    return _ATTACH[type(method)](network, sites.placed(network), method, name)
