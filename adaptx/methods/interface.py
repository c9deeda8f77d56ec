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
    """The functions of one method. None means that the method does not have or need this function.

    attach: (network, its placed sites, method, name) -> a new module's parameters. A new module does not change the
    forward pass.
    prepare: prepares a bare network before anything is attached.
    fold: adds all modules of the method to the linear weights below them and removes their layers, so that the network
    is a plain transformers network again.
    unchanged: (a module's tensor, the backbone's tensor at that key or None) -> the values with which the module would
    have no effect; None stands for zeros. Merging works on differences from these values.
    to_peft: (modules over one checkpoint, the lowest first, and the sites) -> the contents of a peft folder.
    """

    attach: Callable[[Any, Sites, Any, str], Parameters]
    prepare: Callable[[Any], None] | None
    fold: Callable[[Any], None] | None
    unchanged: Callable[[Tensor, Tensor | None], Tensor | None]
    to_peft: Callable[[Sequence[Module], Sites], PeftParts] | None
