"""Mixing layers: trained layers that weigh and sum the outputs of frozen modules, token by token, at one site.

A mixing layer computes a score for each token and module. The softmax of a token's scores gives its weights. The
weighted sum of the modules' outputs then goes through the value map.

Bottleneck adapters pass their outputs [T, A, D]. For LoRA modules these would need A x D numbers per token, so LoRA
modules pass two factors instead: inner vectors [T, A, R], and rows [E, D], which are the same for all tokens. A
module's output is its inner vector times its R rows. The maps of a mixing layer are linear, so they are applied to the
rows.

Suffixes of tensor and array names, one letter per dimension: T tokens (any number of dimensions), A modules, I input
size, D output size, K size of queries and keys, R rank of a module, E inner size of all modules, A x R.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from adaptx.specs import Attention, Gate, MixingRule
from adaptx.specs.sites import Key

INITIAL_DEVIATION = 0.02
Place = tuple[int, str]
"""The position of a mixing layer: (layer, site)."""


class Mixing(nn.Module):
    """A mixing layer (the interface).

    value: the map that is applied to the mixed output. watch: a function that is called with the weights [T, A] of each
    forward pass, or None.
    """

    def __init__(self, place: Place, value: nn.Module) -> None:
        super().__init__()
        self.place = place
        self.value = value
        self.watch: Callable[[Tensor], None] | None = None

    def scores(self, hidden_TI: Tensor, outputs_TAD: Tensor) -> Tensor:
        """Return a score for each token and module, [T, A] in fp32, from the modules' outputs."""
        raise NotImplementedError

    def low_rank_scores(self, hidden_TI: Tensor, inner_TAR: Tensor, rows_ED: Tensor) -> Tensor:
        """Return a score for each token and module, [T, A] in fp32, from two factors of the modules' outputs.

        inner_TAR: the modules' inner vectors. rows_ED: R rows per module, in the modules' order. A module's output is
        the product of its inner vector and its rows.
        """
        raise NotImplementedError

    def weights(self, scores_TA: Tensor) -> Tensor:
        """Return each token's weights for the modules, [T, A] in fp32. A token's weights sum to one."""
        weights_TA = scores_TA.softmax(dim=-1)
        if self.watch is not None:
            self.watch(weights_TA.detach())
        return weights_TA

    @property
    def keyed(self) -> dict[Key, nn.Parameter]:
        """The layer's parameters by (layer, site, tensor), such as (0, "query", "value.weight")."""
        return {(*self.place, name): parameter for name, parameter in self.named_parameters()}


class AttentionMixing(Mixing):
    """Mixing by each token's attention over the modules' outputs (Pfeiffer et al. 2021, arXiv:2005.00247, section 3.2).

    The value map starts as the identity, so at first the outputs are mixed unchanged.

    rank: size of queries and keys, and rank of the value map's difference from the identity (None: full D x D maps).
    key_bias: add a bias to keys, as the adapters library does. The bias has no effect on the weights, because it adds
    the same number to all scores of a token.
    """

    def __init__(self, place: Place, input_size: int, output_size: int, rank: int | None, key_bias: bool) -> None:
        inner = output_size if rank is None else rank
        query, key = nn.Linear(input_size, inner), nn.Linear(output_size, inner, bias=key_bias)
        super().__init__(
            place,
            nn.Linear(output_size, output_size, bias=False)
            if rank is None
            else _IdentityPlusLowRank(output_size, rank),
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
        # The products over the few modules are written as sums, because matrix products of this shape in bf16 are
        # several times slower on a CPU.
        query_TK = self.query(hidden_TI)
        # q . (K o) = (K' q) . o: mapping the query once replaces mapping the output of every module.
        direction_TD = query_TK @ self.key.weight
        scores_TA = (direction_TD.unsqueeze(-2) * outputs_TAD).sum(dim=-1, dtype=torch.float32)
        return scores_TA + (query_TK @ self.key.bias).float().unsqueeze(-1) if self.key_bias else scores_TA

    def low_rank_scores(self, hidden_TI: Tensor, inner_TAR: Tensor, rows_ED: Tensor) -> Tensor:
        # The score is s_a = q . K o_a with the query q = Q x + b, and o_a = sum over the module's rows r_e of i_e r_e.
        # So s_a = sum over e of i_e (q . K r_e) = sum over e of i_e (x . Q' K r_e + b . K r_e). Neither Q' K r_e nor
        # b . K r_e depends on the token: together they are one linear map from x to E numbers.
        keys_EK = functional.linear(rows_ED, self.key.weight)
        asked_TE = functional.linear(hidden_TI, keys_EK @ self.query.weight, keys_EK @ self.query.bias)
        return (asked_TE.view(inner_TAR.shape) * inner_TAR).sum(dim=-1, dtype=torch.float32)


class GateMixing(Mixing):
    """Mixing by a gate that reads only the hidden state (X-LoRA; Buehler and Buehler 2024, arXiv:2402.07148).

    The outputs are mixed unchanged. X-LoRA's gate reads the hidden states of a first forward pass without modules. Here
    the gate at each site reads the input of that site, so one pass is enough. All weights are equal at first.

    width: size of the gate's hidden layer (None: no hidden layer).
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


class _IdentityPlusLowRank(nn.Module):
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
    """Return a new mixing layer for a rule. Its initial values come from torch's global random generator."""
    match rule:
        case Attention(rank=rank):
            return AttentionMixing(place, input_size, output_size, rank, key_bias and rank is None)
        case Gate(width=width):
            return GateMixing(place, input_size, width, modules)


def mixing_layers(network: nn.Module) -> list[Mixing]:
    """Return the mixing layers of a network, in order."""
    return [module for module in network.modules() if isinstance(module, Mixing)]


def value_regularisation(parameters: dict[Key, nn.Parameter], weight: float) -> Tensor:
    """Return a scalar penalty: `weight` x the sum of the squared distances of all value maps from the identity.

    With weight 0.01 it equals the adapters library's `get_fusion_regularization_loss`.
    """
    terms: list[Tensor] = []
    for (layer, site, tensor), parameter in parameters.items():
        if tensor == "value.weight":
            identity = torch.eye(parameter.shape[0], device=parameter.device, dtype=parameter.dtype)
            terms.append((identity - parameter).pow(2).sum())
        elif tensor == "value.up.weight":
            # The squared norm |U D|^2 = sum((U'U) * (D D')) for up U and down D, without the large product U D.
            down = parameters[layer, site, "value.down.weight"]
            terms.append(((parameter.T @ parameter) * (down @ down.T)).sum())
    return weight * torch.stack(terms).sum()
