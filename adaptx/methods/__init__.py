"""Methods: what is attached to a network, and the tensors by which it is known.

`behaviour` gives a method's record, which lies at the end of its file; what is known without tensors lies in
`adaptx.specs.methods`.
"""

import itertools
from collections.abc import Iterable

from torch import nn

from adaptx.methods import bottleneck, full, ia3, lora
from adaptx.methods.interface import Behaviour, Parameters
from adaptx.methods.module import Module, restore
from adaptx.specs import Bottleneck, Full, Ia3, Lora, Method
from adaptx.specs.sites import Sites

_BEHAVIOURS: dict[type, Behaviour] = {
    Full: full.BEHAVIOUR,
    Lora: lora.BEHAVIOUR,
    Bottleneck: bottleneck.BEHAVIOUR,
    Ia3: ia3.BEHAVIOUR,
}


def behaviour(method: Method) -> Behaviour:
    """Return what a method does to tensors."""
    return _BEHAVIOURS[type(method)]


def prepare(network: nn.Module, methods: Iterable[Method]) -> None:
    """Make room in a bare network for modules of these methods; its forward pass stays as it was."""
    for kind in dict.fromkeys(map(type, methods)):
        if (make_room := _BEHAVIOURS[kind].prepare) is not None:
            make_room(network)


def attach(network: nn.Module, sites: Sites, method: Method, name: str) -> Parameters:
    """Attach a new module of `method` under `name`; it leaves the forward pass as it was until it is trained.

    Initial values come from torch's global generator: seed it before.
    """
    return behaviour(method).attach(network, sites.placed(network), method, name)


def fold_in(network: nn.Module, sites: Sites, modules: Iterable[Module]) -> None:
    """Make finished modules, lowest first, part of the weights of a bare network: nothing else is left of them."""
    numbered = enumerate(modules)
    for _, alike in itertools.groupby(numbered, key=lambda pair: type(pair[1].method)):
        fold = None
        for number, module in alike:
            restore(attach(network, sites, module.method, f"folded{number}"), module.tensors)
            fold = behaviour(module.method).fold
        assert fold is not None, "refused before: it cannot become part of linear weights"
        fold(network)
