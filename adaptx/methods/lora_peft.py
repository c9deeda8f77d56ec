"""Conversion of LoRA modules over one checkpoint to one peft folder.

Several modules become one by concatenating their ranks, which is exact: sum_i s_i B_i A_i = [s_1 B_1, ...] [A_1; ...].
Trained biases are written as differences, with peft's `lora_bias` (0.14 and later). peft's `bias="lora_only"` would
change the network's biases, and with them all other modules that are loaded into the same network.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from adaptx.methods.module import Module
from adaptx.methods.peft_parts import PeftParts, Place, places_of
from adaptx.specs import Lora
from adaptx.specs.sites import Sites

DOWN, UP, BIAS = "lora_A", "lora_B", "bias"
"""Names of a module's tensors at a linear map. B A is added to the map's weight, and a trained `bias` to its bias."""


def to_peft(modules: Sequence[Module], sites: Sites) -> PeftParts:
    """Return the contents of a peft folder whose single module equals the sum of these LoRA modules.

    modules: in their order in the stack, the bottom module first.
    """
    places = places_of(key for module in modules for key in module.tensors)
    joined = {place: _joined(modules, place) for place in places}
    has_bias = any(one.bias is not None for one in joined.values())
    rank = max(one.rank for one in joined.values())
    alpha = max(one.alpha for one in joined.values() if one.rank == rank)
    tensors: dict[str, Tensor] = {}
    rank_pattern: dict[str, int] = {}
    alpha_pattern: dict[str, float] = {}
    for place, one in joined.items():
        path = sites.module(*place)
        tensors[f"{path}.lora_A.weight"] = one.down.contiguous()
        tensors[f"{path}.lora_B.weight"] = one.up.contiguous()
        if has_bias:
            bias = torch.zeros(one.up.shape[0]) if one.bias is None else one.bias / one.scale
            tensors[f"{path}.lora_B.bias"] = bias.contiguous()
        if one.rank != rank:
            rank_pattern[path] = one.rank
        if one.alpha != alpha:
            alpha_pattern[path] = _number(one.alpha)
    config = {
        "peft_type": "LORA",
        "r": rank,
        "lora_alpha": _number(alpha),
        "lora_dropout": 0.0,
        "rank_pattern": rank_pattern,
        "alpha_pattern": alpha_pattern,
        "bias": "none",
        "lora_bias": has_bias,
        "use_rslora": False,
        "use_dora": False,
    }
    return PeftParts(places, config, tensors)


@dataclass(frozen=True, kw_only=True)
class _JoinedModules:
    """The sum of all modules at one linear map. The map's weight gets scale x up @ down, and its bias gets `bias`.

    bias: None if no module has one.
    """

    down: Tensor
    up: Tensor
    bias: Tensor | None
    rank: int
    alpha: float

    @property
    def scale(self) -> float:
        return self.alpha / self.rank


def _joined(modules: Sequence[Module], place: Place) -> _JoinedModules:
    """Return the sum of the modules at a linear map.

    A single module keeps its tensors and its scale. With several modules, each B is multiplied by its module's scale.
    """
    found: list[tuple[Tensor, Tensor, Lora]] = []
    for module in modules:
        assert isinstance(module.method, Lora)
        if (down := module.tensors.get((*place, DOWN))) is not None:
            found.append((down.float(), module.tensors[*place, UP].float(), module.method))
    added = [module.tensors[*place, BIAS].float() for module in modules if (*place, BIAS) in module.tensors]
    bias = torch.stack(added).sum(dim=0) if added else None
    if len(found) == 1:
        down, up, method = found[0]
        return _JoinedModules(
            down=down, up=up, bias=bias, rank=method.rank_at(place[1]), alpha=method.alpha_at(place[1])
        )
    downs = torch.cat([down for down, _, _ in found])
    ups = torch.cat([up * method.scale_at(place[1]) for _, up, method in found], dim=1)
    return _JoinedModules(down=downs, up=ups, bias=bias, rank=len(downs), alpha=float(len(downs)))


def _number(value: float) -> float | int:
    return int(value) if float(value).is_integer() else value
