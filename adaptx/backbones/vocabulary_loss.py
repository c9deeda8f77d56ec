"""Losses and log-probabilities over a large vocabulary, computed chunk by chunk to save memory.

The scores [M, V] over 250,000 tokens can need more memory than the whole network, so they are never stored all at once.
For one chunk of states at a time, scores are computed, reduced to log-probabilities and discarded.

For a loss, the forward pass also computes the gradients, while a chunk's scores exist (as in Hsu et al. 2024,
arXiv:2410.10989). For log-probabilities, the gradient depends on how the caller uses them, so the backward pass
computes the scores again (as in Wijmans et al. 2024, arXiv:2411.09009).

Suffixes of tensor and array names, one letter per dimension: M states, C states of a chunk, V vocabulary, D hidden
size.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from adaptx.backbones.bf16_products import emulating
from adaptx.backbones.finite import check_finite

CHUNK_BYTES = 2**27
"""Size of a chunk's scores in fp32, in bytes. For a vocabulary of 250,000, a chunk has 134 states. This is small
compared with the activations that layers save, and large enough for fast matrix products."""

WEIGHT_ROWS = 2**14
"""Number of rows of the weight, or of its gradient, that are converted from bf16 to fp32 at a time."""


@dataclass(frozen=True)
class OutputMatrix:
    """The map from states [M, D] to scores [M, V]: (scale x states) @ weight.T + bias, then the soft cap.

    softcap: replaces a score s by softcap x tanh(s / softcap), as in Gemma 2 (arXiv:2408.00118, section 2); None: no
    cap. Weight and bias may be trainable, and the weight may be shared with the embeddings.
    """

    weight_VD: Tensor
    bias_V: Tensor | None = None
    scale: float = 1.0
    softcap: float | None = None


def summed_cross_entropy(
    states_MD: Tensor, output: OutputMatrix, gold_M: Tensor, weights_M: Tensor | None = None
) -> Tensor:
    """Return the sum over states of -log p(gold token) x weight, in fp32.

    weights_M: one weight per state, which gets no gradient; None: all weights are 1. The backward pass can run only
    once. Matrix products are computed in autocast's dtype if autocast is on, else in the dtype of the output matrix.
    """
    factors_M = -torch.ones_like(gold_M, dtype=torch.float32) if weights_M is None else -weights_M.detach().float()
    setting = _LossSetting.of(states_MD, output)
    if not torch.is_grad_enabled():
        return (_by_chunks(states_MD, output.weight_VD, output.bias_V, gold_M, setting)[0] * factors_M).sum()
    return _Loss.apply(states_MD, output.weight_VD, output.bias_V, gold_M, factors_M, setting)  # pyright: ignore[reportReturnType]


def log_probabilities(states_MD: Tensor, output: OutputMatrix, tokens_M: Tensor) -> Tensor:
    """Return log p(token) [M] in fp32, for one token per state."""
    setting = _LossSetting.of(states_MD, output)
    if not torch.is_grad_enabled():
        return _by_chunks(states_MD, output.weight_VD, output.bias_V, tokens_M, setting)[0]
    return _LogProbabilities.apply(states_MD, output.weight_VD, output.bias_V, tokens_M, setting)  # pyright: ignore[reportReturnType]


@torch.no_grad()
def scores(states_MD: Tensor, output: OutputMatrix) -> Iterator[Tensor]:
    """Yield the scores [C, V] of each chunk of states, in fp32 and without gradients.

    The caller may change a yielded tensor in place.
    """
    setting = _LossSetting.of(states_MD, output)
    factor_VD = setting.rounded(output.weight_VD)
    for chunk_CD in states_MD.split(_rows(factor_VD)):
        yield setting.scores(setting.scaled(chunk_CD), factor_VD, output.bias_V)


def likeliest(states_MD: Tensor, output: OutputMatrix) -> Tensor:
    """Return the id of the token with the highest score for each state, [M].

    Raises:
        NotFinite: the highest score of a state is NaN or infinite.
    """
    found = [chunk_CV.max(dim=-1) for chunk_CV in scores(states_MD, output)]
    if not found:
        return torch.zeros(0, dtype=torch.long, device=states_MD.device)
    check_finite(torch.cat([chunk.values for chunk in found]), "highest scores over the vocabulary")
    return torch.cat([chunk.indices for chunk in found])


@dataclass(frozen=True)
class _LossSetting:
    """How scores are scaled and capped, and how matrices are multiplied.

    dtype: the dtype to which matrices are rounded before they are multiplied. emulated: whether bf16 matrices are
    multiplied in fp32, because the processor has no bf16 instructions (`bf16_products.py`).
    """

    scale: float
    softcap: float | None
    dtype: torch.dtype
    emulated: bool

    @staticmethod
    def of(states_MD: Tensor, output: OutputMatrix) -> "_LossSetting":
        device = states_MD.device.type
        automatic = torch.is_autocast_enabled(device)
        dtype = torch.get_autocast_dtype(device) if automatic else output.weight_VD.dtype
        # `Bf16Products` would round the whole weight again for every chunk, so the emulation is done here.
        return _LossSetting(output.scale, output.softcap, dtype, dtype is torch.bfloat16 and emulating())

    def rounded(self, factor: Tensor) -> Tensor:
        return factor.to(self.dtype)

    def product(self, first: Tensor, second: Tensor) -> Tensor:
        """Multiply two matrices that are already rounded to `dtype`, and return their product in `dtype`."""
        with torch.autocast(first.device.type, enabled=False):
            return (first.float() @ second.float()).to(self.dtype) if self.emulated else first @ second

    def scaled(self, states_CD: Tensor) -> Tensor:
        return self.rounded(states_CD if self.scale == 1 else states_CD * self.scale)

    def scores(self, states_CD: Tensor, factor_VD: Tensor, bias_V: Tensor | None) -> Tensor:
        if self.emulated:
            scores_CV = torch.empty(len(states_CD), len(factor_VD), device=states_CD.device)
            for part in _parts(factor_VD):
                scores_CV[:, part] = self.product(states_CD, factor_VD[part].T)
        else:
            scores_CV = self.product(states_CD, factor_VD.T).float()
        if bias_V is not None:
            scores_CV += bias_V
        return scores_CV if self.softcap is None else scores_CV.div_(self.softcap).tanh_().mul_(self.softcap)

    def of_states(self, gradient_CV: Tensor, factor_VD: Tensor) -> Tensor:
        """Turn a gradient with respect to the scores [C, V] into one with respect to the scaled states [C, D]."""
        if not self.emulated:
            return self.product(gradient_CV, factor_VD)
        total_CD = torch.zeros(len(gradient_CV), factor_VD.shape[1], device=gradient_CV.device)
        with torch.autocast(gradient_CV.device.type, enabled=False):
            for part in _parts(factor_VD):
                total_CD.addmm_(gradient_CV[:, part].float(), factor_VD[part].float())
        return self.rounded(total_CD)

    def add_of_weight(self, sum_VD: Tensor, gradient_CV: Tensor, states_CD: Tensor) -> None:
        """Add a chunk's gradient with respect to the weight to `sum_VD`. The sum over chunks is in fp32."""
        if gradient_CV.dtype is torch.float32:
            with torch.autocast(sum_VD.device.type, enabled=False):
                sum_VD.addmm_(gradient_CV.T, states_CD)
            return
        for part in _parts(sum_VD):
            sum_VD[part] += self.product(gradient_CV[:, part].T, states_CD)

    def chunk(
        self, states_CD: Tensor, factor_VD: Tensor, bias_V: Tensor | None, tokens_C: Tensor, factors_C: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Return log p(token) [C], and the gradient [C, V] of their sum weighted by `factors_C` (None: no gradient).

        The gradient is with respect to the scores before the soft cap.
        """
        tokens_C1 = tokens_C.unsqueeze(1)
        scores_CV = self.scores(states_CD, factor_VD, bias_V)
        chosen_C1 = scores_CV.gather(1, tokens_C1)
        slope_CV = None
        if self.softcap is not None and factors_C is not None:
            # The soft cap's derivative: with y = c tanh(s / c), dy/ds = 1 - (y / c)^2.
            slope_CV = 1 - (scores_CV / self.softcap).square_()
        # From here on all steps are in place: scores, probabilities and gradient use the same buffer.
        highest_C1 = scores_CV.amax(dim=1, keepdim=True)
        shares_CV = scores_CV.sub_(highest_C1).exp_()
        total_C1 = shares_CV.sum(dim=1, keepdim=True)
        log_C = (chosen_C1 - highest_C1 - total_C1.log()).squeeze(1)
        if factors_C is None:
            return log_C, None
        # The gradient of log p(token) with respect to the scores is one-hot(token) - softmax(scores).
        factors_C1 = factors_C.unsqueeze(1)
        gradient_CV = shares_CV.mul_(-factors_C1 / total_C1)
        gradient_CV.scatter_(1, tokens_C1, gradient_CV.gather(1, tokens_C1) + factors_C1)
        return log_C, gradient_CV if slope_CV is None else gradient_CV.mul_(slope_CV)


Gradients = tuple[Tensor | None, Tensor | None, Tensor | None]
"""Gradients with respect to states, weight and bias. None: not needed."""


def _rows(weight_VD: Tensor) -> int:
    return max(1, CHUNK_BYTES // (4 * len(weight_VD)))


def _parts(weight_VD: Tensor) -> Iterator[slice]:
    return (slice(start, start + WEIGHT_ROWS) for start in range(0, len(weight_VD), WEIGHT_ROWS))


@torch.no_grad()
def _by_chunks(
    states_MD: Tensor,
    weight_VD: Tensor,
    bias_V: Tensor | None,
    tokens_M: Tensor,
    setting: _LossSetting,
    factors_M: Tensor | None = None,
    needed: Sequence[bool] = (False, False, False),
) -> tuple[Tensor, Gradients]:
    """Return log p(token) [M], and gradients of their sum weighted by `factors_M`.

    needed: whether to compute the gradients with respect to states, weight and bias, in this order.
    """
    device = states_MD.device
    log_M = torch.empty(len(states_MD), device=device)
    of_states = torch.empty_like(states_MD) if needed[0] else None
    of_weight = torch.zeros(weight_VD.shape, device=device) if needed[1] else None
    of_bias = torch.zeros(len(weight_VD), device=device) if needed[2] else None
    factor_VD, rows = setting.rounded(weight_VD), _rows(weight_VD)
    for start in range(0, len(states_MD), rows):
        part = slice(start, start + rows)
        states_CD = setting.scaled(states_MD[part])
        factors_C = None if factors_M is None else factors_M[part]
        log_M[part], gradient_CV = setting.chunk(states_CD, factor_VD, bias_V, tokens_M[part], factors_C)
        if gradient_CV is None:
            continue
        if of_bias is not None:
            of_bias += gradient_CV.sum(dim=0)
        gradient_CV = setting.rounded(gradient_CV)
        if of_states is not None:
            of_states[part] = setting.of_states(gradient_CV, factor_VD) * setting.scale
        if of_weight is not None:
            setting.add_of_weight(of_weight, gradient_CV, states_CD)
        # Free the buffer before the next chunk allocates one of the same size.
        del gradient_CV
    return log_M, (
        of_states,
        None if of_weight is None else of_weight.to(weight_VD.dtype),
        None if of_bias is None or bias_V is None else of_bias.to(bias_V.dtype),
    )


class _Loss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        states_MD: Tensor,
        weight_VD: Tensor,
        bias_V: Tensor | None,
        gold_M: Tensor,
        factors_M: Tensor,
        setting: _LossSetting,
    ) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        needed = ctx.needs_input_grad[:3]
        log_M, gradients = _by_chunks(states_MD, weight_VD, bias_V, gold_M, setting, factors_M, needed)
        ctx.gradients = gradients
        return (log_M * factors_M).sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        # Scale the gradients in place and hand them over: a copy of the weight's gradient is as large as the weight.
        gradients, ctx.gradients = ctx.gradients, None
        if gradients is None:
            raise RuntimeError("the backward pass of a vocabulary loss can run only once: compute the loss again")
        return (*(each if each is None else each.mul_(gradient) for each in gradients), None, None, None)


class _LogProbabilities(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, states_MD: Tensor, weight_VD: Tensor, bias_V: Tensor | None, tokens_M: Tensor, setting: _LossSetting
    ) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.save_for_backward(states_MD, weight_VD, bias_V, tokens_M)
        ctx.setting = setting
        return _by_chunks(states_MD, weight_VD, bias_V, tokens_M, setting)[0]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_M: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        states_MD, weight_VD, bias_V, tokens_M = ctx.saved_tensors
        needed = ctx.needs_input_grad[:3]
        _, gradients = _by_chunks(states_MD, weight_VD, bias_V, tokens_M, ctx.setting, gradient_M.contiguous(), needed)
        return (*gradients, None, None)
