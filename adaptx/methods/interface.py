"""The functions that implement a method, as one `Behaviour` record at the end of the method's file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from adaptx.methods.module import Module
from adaptx.methods.peft_parts import PeftParts
from adaptx.specs.sites import Key, Sites

Parameters = dict[Key, nn.Parameter]
"""A module's parameters in the network by (layer, site, tensor). Loading, saving and freezing need nothing else."""


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """The functions of one method. A field is None if the method has no such function.

    attach: attaches a new module, which does not yet change the forward pass, and returns its parameters. Arguments:
    network, the network's sites, method, the module's name.
    prepare: prepares a bare network before anything is attached.
    fold: folds all modules of the method into the linear maps below them, and removes the modules' layers.
    unchanged: returns the values that a tensor has in a module without effect, such as ones for (IA)^3. If it returns
    None, these values are zeros. Arguments: the module's tensor; the backbone's tensor of the same key, or None.
    to_peft: returns the contents of a peft folder. Arguments: modules of one checkpoint, from the bottom up; sites.
    """

    attach: Callable[[Any, Sites, Any, str], Parameters]
    prepare: Callable[[Any], None] | None
    fold: Callable[[Any], None] | None
    unchanged: Callable[[Tensor, Tensor | None], Tensor | None]
    to_peft: Callable[[Sequence[Module], Sites], PeftParts] | None
