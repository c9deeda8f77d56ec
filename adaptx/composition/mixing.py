"""Mixing layers: how each token weighs and sums the outputs of frozen modules, at one place of the network.

Outputs are given as they are (a bottleneck adapter's), or as what they are made of (LoRA's: inner vectors, and the rows
whose sums they are). Of the latter no output is ever written out: all maps are linear, so they are applied to the few
rows instead of to every token. The value map is linear too, and so is applied once, to the sum.

Suffixes: T tokens (in as many dimensions as there are), A modules, I input and D output size, K size of queries and
keys, R rank of a module, E inner size of all modules, A x R.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from adaptx.specs import Attention, Gate, MixingRule
from adaptx.specs.sites import Key

INITIAL_DEVIATION = 0.02
Place = tuple[int, str]
"""(layer, site)."""


class Mixing(nn.Module):
    """The interface of a mixing layer. watch: is told the weights [T, A] of each forward pass.

    value: the map that is applied to what was mixed.
    """

    def __init__(self, place: Place, value: nn.Module) -> None:
        super().__init__()
        self.place = place
        self.value = value
        self.watch: Callable[[Tensor], None] | None = None

    def scores(self, hidden_TI: Tensor, outputs_TAD: Tensor) -> Tensor:
        """A score for each token and module, [T, A], fp32."""
        raise NotImplementedError

    def low_rank_scores(self, hidden_TI: Tensor, inner_TAR: Tensor, rows_ED: Tensor) -> Tensor:
        """The same where a module's output is the sum of its rows, each times its element of the inner vector."""
        raise NotImplementedError

    def weights(self, scores_TA: Tensor) -> Tensor:
        """Each token's weights, which sum to one, [T, A], fp32."""
        weights_TA = scores_TA.softmax(dim=-1)
        if self.watch is not None:
            self.watch(weights_TA.detach())
        return weights_TA

    @property
    def keyed(self) -> dict[Key, nn.Parameter]:
        """Its parameters by (layer, site, tensor)."""
        return {(*self.place, name): parameter for name, parameter in self.named_parameters()}


class AttentionMixing(Mixing):
    """Each token attends over its modules' outputs (Pfeiffer et al. 2021, arXiv:2005.00247, section 3.2).

    Values start at the identity, so that modules are mixed as they are before anything is learned. key_bias: as the
    adapters library has it; it adds the same to all of a token's scores, and so changes no weight.
    """

    def __init__(self, place: Place, input_size: int, output_size: int, rank: int | None, key_bias: bool) -> None:
        inner = output_size if rank is None else rank
        query, key = nn.Linear(input_size, inner), nn.Linear(output_size, inner, bias=key_bias)
        super().__init__(
            place, nn.Linear(output_size, output_size, bias=False) if rank is None else _NearIdentity(output_size, rank)
        )
        self.query, self.key, self.key_bias = query, key, key_bias
        for linear in (query, key):
            nn.init.normal_(linear.weight, std=INITIAL_DEVIATION)
        nn.init.zeros_(query.bias)
        if key_bias:
            nn.init.zeros_(key.bias)
        if isinstance(self.value, nn.Linear):
            nn.init.eye_(self.value.weight)

    def scores(self, hidden_TI: Tensor, outputs_TAD: Tensor) -> Tensor:
        """The products over the few modules are written as sums: as matrix products in bf16 they are several times
        slower on a CPU.
        """
        query_TK = self.query(hidden_TI)
        # A query times a mapped output is the query, mapped back, times that output: one map instead of one a module.
        direction_TD = query_TK @ self.key.weight
        scores_TA = (direction_TD.unsqueeze(-2) * outputs_TAD).sum(dim=-1, dtype=torch.float32)
        return scores_TA + (query_TK @ self.key.bias).float().unsqueeze(-1) if self.key_bias else scores_TA

    def low_rank_scores(self, hidden_TI: Tensor, inner_TAR: Tensor, rows_ED: Tensor) -> Tensor:
        keys_EK = functional.linear(rows_ED, self.key.weight)
        asked_TE = functional.linear(hidden_TI, keys_EK @ self.query.weight, keys_EK @ self.query.bias)
        return (asked_TE.view(inner_TAR.shape) * inner_TAR).sum(dim=-1, dtype=torch.float32)


class GateMixing(Mixing):
    """The hidden state alone decides, and outputs stay as they are (X-LoRA; Buehler, Buehler 2024, arXiv:2402.07148).

    X-LoRA reads the hidden states of a first pass without modules; here each place reads its own input, in one pass.
    All weights are equal before anything is learned.
    """

    def __init__(self, place: Place, input_size: int, width: int | None, modules: int) -> None:
        super().__init__(place, nn.Identity())
        self.hidden = None if width is None else nn.Linear(input_size, width)
        self.gate = nn.Linear(width or input_size, modules)
        nn.init.zeros_(self.gate.weight)
        nn.init.zeros_(self.gate.bias)

    def scores(self, hidden_TI: Tensor, outputs_TAD: Tensor) -> Tensor:  # noqa: ARG002
        return self._scores(hidden_TI)

    def low_rank_scores(self, hidden_TI: Tensor, inner_TAR: Tensor, rows_ED: Tensor) -> Tensor:  # noqa: ARG002
        return self._scores(hidden_TI)

    def _scores(self, hidden_TI: Tensor) -> Tensor:
        inner = hidden_TI if self.hidden is None else functional.relu(self.hidden(hidden_TI))
        return self.gate(inner).float()


class _NearIdentity(nn.Module):
    """x + up(down(x)); `up` starts at zero."""

    def __init__(self, size: int, rank: int) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(size, rank, bias=False), nn.Linear(rank, size, bias=False)
        nn.init.normal_(self.down.weight, std=INITIAL_DEVIATION)
        nn.init.zeros_(self.up.weight)

    def forward(self, mixed_TD: Tensor) -> Tensor:
        return mixed_TD + self.up(self.down(mixed_TD)).to(mixed_TD.dtype)


def make_mixing(
    rule: MixingRule, place: Place, input_size: int, output_size: int, modules: int, key_bias: bool = False
) -> Mixing:
    """A new mixing layer of a rule; initial values come from torch's global generator."""
    match rule:
        case Attention(rank=rank):
            return AttentionMixing(place, input_size, output_size, rank, key_bias and rank is None)
        case Gate(width=width):
            return GateMixing(place, input_size, width, modules)


def mixing_layers(network: nn.Module) -> list[Mixing]:
    """Those of a network, in its order."""
    return [module for module in network.modules() if isinstance(module, Mixing)]


def value_regularisation(parameters: dict[Key, nn.Parameter], weight: float) -> Tensor:
    """Weight x sum over mixing layers of the squared distance of the value map from the identity (scalar).

    Equals the adapters library's `get_fusion_regularization_loss` at its fixed weight of 0.01.
    """
    terms: list[Tensor] = []
    for (layer, site, tensor), parameter in parameters.items():
        if tensor == "value.weight":
            identity = torch.eye(parameter.shape[0], device=parameter.device, dtype=parameter.dtype)
            terms.append((identity - parameter).pow(2).sum())
        elif tensor == "value.up.weight":
            # |U V|^2 without the product: the sum of (U'U) * (V V').
            down = parameters[layer, site, "value.down.weight"]
            terms.append(((parameter.T @ parameter) * (down @ down.T)).sum())
    return weight * torch.stack(terms).sum()
