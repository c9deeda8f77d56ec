"""Fine-tuning methods, such as LoRA: how a method's modules are attached to a network, and which tensors they hold.

A module is the set of weights that one training with a method has trained. Each method has a file, such as `lora.py`,
which ends with a `Behaviour`: a record of the functions that implement the method. Facts about methods that need no
tensors are in `adaptx.specs.methods`.
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
    """Return the functions that implement a method."""
    return _BEHAVIOURS[type(method)]


def prepare(network: nn.Module, methods: Iterable[Method]) -> None:
    """Prepare a bare network for modules of these methods. Its forward pass does not change."""
    for kind in dict.fromkeys(map(type, methods)):
        if (make_room := _BEHAVIOURS[kind].prepare) is not None:
            make_room(network)


def attach(network: nn.Module, sites: Sites, method: Method, name: str) -> Parameters:
    """Attach a new module of `method` under `name`. The forward pass does not change until the module is trained.

    Initial values come from torch's global random generator, so seed it first.
    """
    return behaviour(method).attach(network, sites.placed(network), method, name)


def fold_in(network: nn.Module, sites: Sites, modules: Iterable[Module]) -> None:
    """Fold trained modules into a bare network's weights, in the order of the modules. No layers are added."""
    numbered = enumerate(modules)
    for _, alike in itertools.groupby(numbered, key=lambda pair: type(pair[1].method)):
        fold = None
        for number, module in alike:
            restore(attach(network, sites, module.method, f"folded{number}"), module.tensors)
            fold = behaviour(module.method).fold
        assert fold is not None, "planning refuses modules that cannot be folded into linear weights"
        fold(network)
