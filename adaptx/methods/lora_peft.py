"""Conversion of LoRA modules over one checkpoint to one peft folder.

Several modules become one without loss: their A matrices are concatenated, and so are their B matrices, each multiplied
by its module's scale. Trained biases are written as differences, with peft's `lora_bias` (0.14 and later).
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
    """Return the contents of a peft folder with one module that equals the sum of these LoRA modules.

    modules: in their order in the stack, the bottom module first.
    """
    places = places_of(key for module in modules for key in module.tensors)
    joined = {place: _summed_at(modules, place) for place in places}
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
class _SummedModules:
    down: Tensor
    up: Tensor
    bias: Tensor | None
    rank: int
    alpha: float

    @property
    def scale(self) -> float:
        return self.alpha / self.rank


def _summed_at(modules: Sequence[Module], place: Place) -> _SummedModules:
    found: list[tuple[Tensor, Tensor, Lora]] = []
    for module in modules:
        assert isinstance(module.method, Lora)
        if (down := module.tensors.get((*place, DOWN))) is not None:
            found.append((down.float(), module.tensors[*place, UP].float(), module.method))
    added = [module.tensors[*place, BIAS].float() for module in modules if (*place, BIAS) in module.tensors]
    bias = torch.stack(added).sum(dim=0) if added else None
    if len(found) == 1:
        down, up, method = found[0]
        return _SummedModules(
            down=down, up=up, bias=bias, rank=method.rank_at(place[1]), alpha=method.alpha_at(place[1])
        )
    downs = torch.cat([down for down, _, _ in found])
    ups = torch.cat([up * method.scale_at(place[1]) for _, up, method in found], dim=1)
    return _SummedModules(down=downs, up=ups, bias=bias, rank=len(downs), alpha=float(len(downs)))


def _number(value: float) -> float | int:
    return int(value) if float(value).is_integer() else value
