"""Fusion of LoRA modules: AdapterFusion's idea, applied at each linear map that the fused modules update.

For an input x of the map W, module a has the output o_a = (alpha / rank) B_a A_a x. Its inner vector is (alpha / rank)
A_a x, with R elements. o_a is the sum of B_a's columns, each multiplied by its element of the inner vector. A
trained bias is one more such column, whose element is always 1. The layer's output is

    y = W x + V sum_a w_a o_a,    w = softmax(s)

where V is the value map, and the weights w differ for each token. With attention (Pfeiffer et al. 2021,
arXiv:2005.00247), s_a = (Q x + b) . K o_a. With a gate (Buehler and Buehler 2024, arXiv:2402.07148), s = G x + c, and
there is no value map (V is the identity).

No o_a is ever computed as a vector of size D. Scores and values are computed from the small inner vectors. To get
these, x is multiplied once by the A matrices of all modules, stacked (see `mixing.py`).

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

    lora_A [A x rank, I] holds the modules' A matrices, stacked. lora_B [E, D] holds their transposed B matrices,
    stacked; each is followed by the module's bias if it has one. There is no LoRA dropout, because the modules are not
    trained.
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
        """Return a module's `lora_A`, `lora_B` and `bias` (if any). They are views, so writing changes this layer."""
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
