"""What a method does to tensors: one record of plain functions per method, `Behaviour`, at the end of its file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from adaptx.methods.module import Module
from adaptx.methods.peft_parts import PeftParts
from adaptx.specs.sites import Key, Sites

Parameters = dict[Key, nn.Parameter]
"""Live parameters of a module by (layer, site, tensor): loading, saving and freezing follow from that mapping alone."""


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """Every method gives all of it; None says that it has no such thing.

    attach: (network, its placed sites, method, name) -> a new module's parameters, which leave the forward pass as it
    was. prepare: makes room in a bare network before anything is attached. fold: makes all modules of the method part
    of the linear weights below them, so that the network is transformers' own again. unchanged: (a module's tensor,
    the backbone's own at that key or None) -> the tensor by which a module would change nothing, to which merged
    updates are differences; None: zeros. to_peft: modules over one checkpoint, lowest first, as a peft folder has them.
    """

    attach: Callable[[Any, Sites, Any, str], Parameters]
    prepare: Callable[[Any], None] | None
    fold: Callable[[Any], None] | None
    unchanged: Callable[[Tensor, Tensor | None], Tensor | None]
    to_peft: Callable[[Sequence[Module], Sites], PeftParts] | None
