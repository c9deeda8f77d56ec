"""AdapterFusion (Pfeiffer et al. 2021, arXiv:2005.00247): attention over the outputs of frozen adapters.

Suffixes: B sequences, T tokens, A adapters, D hidden size.
"""

import torch
from torch import Tensor, nn

from adaptx.backbones.sites import Key
from adaptx.methods import adapters_backend


class Mixing(nn.Module):
    """One layer's mixing: each token attends over its adapters' outputs (section 3.2 of the paper).

    Values start at the identity, so that adapters are mixed as they are before anything is learned. The products
    over the few adapters are written as sums: as matrix products in bf16 they are several times slower on a CPU.
    """

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.query = nn.Linear(hidden_size, hidden_size)
        self.key = nn.Linear(hidden_size, hidden_size)
        self.value = nn.Linear(hidden_size, hidden_size, bias=False)
        for layer in (self.query, self.key):
            nn.init.normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)
        nn.init.eye_(self.value.weight)

    def forward(
        self, query_BTD: Tensor, key_BTAD: Tensor, value_BTAD: Tensor, residual_BTD: Tensor, output_attentions: bool
    ) -> Tensor | tuple[Tensor, Tensor]:
        """The mixed outputs with the residual added, [B, T, D]; on request also the weights, [B, T, A]."""
        # The library hands over permuted views; a linear map of such a view becomes a product per token, each with its
        # own copy of the weights, wherever no gradient is wanted.
        key_BTAD, value_BTAD = key_BTAD.contiguous(), value_BTAD.contiguous()
        query_BT1D = self.query(query_BTD).unsqueeze(2)
        weights_BTA = (query_BT1D * self.key(key_BTAD)).sum(dim=-1, dtype=torch.float32).softmax(dim=-1)
        mixed_BTD = (weights_BTA.unsqueeze(-1) * self.value(value_BTAD)).sum(dim=2).to(residual_BTD.dtype)
        mixed_BTD = mixed_BTD + residual_BTD
        return (mixed_BTD, weights_BTA.detach().cpu()) if output_attentions else mixed_BTD


def attach_fusion(network: nn.Module, names: list[str], below: list[str]) -> dict[Key, nn.Parameter]:
    """New mixing layers over the attached adapters `names`, above the frozen ones in `below`."""
    return adapters_backend.add_fusion(network, names, below, Mixing)


def value_regularisation(parameters: dict[Key, nn.Parameter], weight: float) -> Tensor:
    """Weight x sum over layers of the squared distance of the value matrix from the identity (scalar).

    Equals the adapters library's `get_fusion_regularization_loss` at its fixed weight of 0.01.
    """
    terms: list[Tensor] = []
    for (_, _, tensor), parameter in parameters.items():
        if tensor == "value.weight":
            identity = torch.eye(parameter.shape[0], device=parameter.device, dtype=parameter.dtype)
            terms.append((identity - parameter).pow(2).sum())
    return weight * torch.stack(terms).sum()
