"""Fusion of LoRA modules: AdapterFusion's idea, applied at each linear map that the fused modules update.

For an input x, a linear map with the weight W and with LoRA modules 1, 2, ... returns

    y = W x + V (w_1 o_1 + w_2 o_2 + ...)

Here o_1 is the output of module 1. The weight w_1 and the value map V come from a mixing layer (see `mixing.py`). The
weights differ between tokens.

Module 1 multiplies x by its matrix A and by alpha / rank. The result is its inner vector, of size R. The output o_1 is
the inner vector multiplied by the module's matrix B. No o_1 is ever computed, because it has size D. Scores and y are
computed from the inner vectors. A trained bias is one more column of B, and the element of the inner vector for it is
1.

Suffixes of tensor and array names, one letter per dimension: T tokens (any number of dimensions), A modules, I input
size, D output size, R rank (plus one if there is a bias), E inner size of all modules, A x R.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from adaptx.composition.mixing import Mixing, make_mixing
from adaptx.methods.lora_peft import BIAS
from adaptx.methods.module import restore
from adaptx.specs import Lora, MixingRule
from adaptx.specs.sites import Key, sites_of


class FusedLora(nn.Module):
    """A frozen linear map (with any modules already attached to it) plus frozen LoRA modules, mixed token by token.

    lora_A [A x rank, I] holds the modules' A matrices. lora_B [E, D] holds, for each module, its transposed B matrix
    and then its bias if it has one. There is no LoRA dropout, because the modules are not trained.
    """

    def __init__(self, base: Any, method: Lora, mixing: Mixing, modules: int) -> None:
        super().__init__()
        _, site = mixing.place
        self.base, self.mixing, self.num_modules = base, mixing, modules
        self.rank, self.scaling = method.rank_at(site), method.scale_at(site)
        self.has_bias = method.bias and base.bias is not None
        self.lora_A = nn.Parameter(torch.empty(modules * self.rank, base.in_features))
        self.lora_B = nn.Parameter(torch.empty(modules * (self.rank + self.has_bias), base.out_features))

    def module(self, index: int) -> dict[str, Tensor]:
        """Return `lora_A`, `lora_B` and `bias` (if any) of one module, as views of this layer's parameters."""
        down_RI = self.lora_A.unflatten(0, (self.num_modules, -1))[index]
        rows_RD = self.lora_B.unflatten(0, (self.num_modules, -1))[index]
        tensors = {"lora_A": down_RI, "lora_B": rows_RD[: self.rank].T}
        return {**tensors, BIAS: rows_RD[self.rank]} if self.has_bias else tensors

    def forward(self, hidden_TI: Tensor) -> Tensor:
        """Return the map's output plus the mixed outputs of the modules, [T, D], for the map's input [T, I]."""
        result_TD = self.base(hidden_TI)
        inner_TE = functional.linear(hidden_TI, self.lora_A) * self.scaling
        inner_TAR = inner_TE.unflatten(-1, (self.num_modules, self.rank))
        if self.has_bias:
            inner_TAR = functional.pad(inner_TAR, (0, 1), value=1.0)
        weights_TA = self.mixing.weights(self.mixing.low_rank_scores(hidden_TI, inner_TAR, self.lora_B))
        weighted_TE = (weights_TA.to(inner_TAR.dtype).unsqueeze(-1) * inner_TAR).flatten(-2)
        return result_TD + (weighted_TE @ self.mixing.value(self.lora_B)).to(result_TD.dtype)


def attach_lora_fusion(
    network: Any, method: Lora, modules: Sequence[Mapping[Key, Tensor]], rule: MixingRule
) -> tuple[dict[Key, nn.Parameter], list[nn.Parameter]]:
    """Attach frozen LoRA modules and new mixing layers at the method's sites.

    Returns the mixing layers' parameters by key, and the frozen modules' parameters.

    Raises:
        UserError: a module's keys or shapes do not match the method on this network.
    """
    own: dict[Key, nn.Parameter] = {}
    frozen: list[nn.Parameter] = []
    places: list[dict[Key, Tensor]] = [{} for _ in modules]
    for path, place in sites_of(network).modules(method.sites).items():
        base: Any = network.get_submodule(path)
        mixing = make_mixing(rule, place, base.in_features, base.out_features, modules=len(modules))
        fused = FusedLora(base, method, mixing, len(modules))
        parent, _, child = path.rpartition(".")
        setattr(network.get_submodule(parent), child, fused)
        own |= mixing.keyed
        frozen += [fused.lora_A, fused.lora_B]
        for index, live in enumerate(places):
            live |= {(*place, tensor): view for tensor, view in fused.module(index).items()}
    for live, tensors in zip(places, modules, strict=True):
        restore(live, tensors)
    return own, frozen
