"""Gradients of one task's part of a batch, in micro-batches that fit in memory.

Summed losses (`backward_sum`, `backward_answers`). The loss is a sum over items, so its gradient is the sum of the
micro-batches' gradients. Every micro-batch's loss is divided by the number of loss units (examples or tokens) in the
whole batch, not in the micro-batch, so the result does not depend on how the batch was cut.

Joint losses (`backward_joint`). With in-batch negatives, each query is compared with the candidates of the whole batch,
so the loss is not a sum over micro-batches. GradCache (Gao et al. 2021, arXiv:2101.06983) computes its gradient without
holding the whole batch's activations:

1. Embed all micro-batches without gradients. Keep only their vectors [S, D], and the random state before each
   micro-batch.
2. Compute the loss from all vectors, and its gradient with respect to each vector. The backbone takes no part in this.
3. Embed each micro-batch again, now with gradients and from the same random state (so dropout masks are the same).
   Backpropagate from the gradients of its vectors to the parameters.

By the chain rule, the sum over micro-batches is the gradient of the whole batch. The price is a second forward pass.

Suffixes of tensor and array names, one letter per dimension: N sequences of a micro-batch, S sequences of the whole
batch, D hidden size.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from adaptx.backbones.backbone import Backbone
from adaptx.backbones.batching import cut
from adaptx.backbones.bf16_products import arithmetic
from adaptx.backbones.cpu_kernels import CpuKernels
from adaptx.formats.interface import AnswerLoss, Items, JointLoss, Piece, SummedLoss, piece_of
from adaptx.specs import Hidden, TaskFormat
from adaptx.training.random_state import RandomState, random_state, set_random_state


@dataclass(frozen=True)
class Budget:
    """Maximum numbers of tokens and items in one forward pass. None: no limit."""

    tokens: int | None
    items: int | None


@dataclass(frozen=True)
class Setting:
    """Device and precision (`fp32` or `bf16`) of micro-batches, and their maximum size."""

    device: torch.device
    precision: str
    budget: Budget

    def forward_pass(self) -> AbstractContextManager[Any]:
        """Return the context of a forward pass: autocast under `bf16`, and faster kernels on a CPU.

        accelerate's autocast is not used, because it sets one precision per process, and stages may differ.
        """
        stack = ExitStack()
        stack.enter_context(arithmetic(self.device.type, self.precision))
        if self.device.type == "cpu":
            stack.enter_context(CpuKernels())
        return stack


def pieces(items: Items, setting: Setting) -> Iterator[Piece]:
    """Yield the items in micro-batches, the longest items first. All sequences of an item stay together."""
    # Count tokens of these items only: counting a whole data set at each step would be slow.
    tokens = [items.tokens(item) for item in range(len(items))]
    for group in cut(tokens, setting.budget.tokens, setting.budget.items):
        yield piece_of(items, group, setting.device)


def backward_sum(
    loss: SummedLoss, backbone: Backbone, head: nn.Module, drawn: Items, framing: Hidden, share: float, setting: Setting
) -> Tensor:
    """Add the gradient of a task's loss to the parameters' gradients, and return the loss.

    The loss is share x the mean over loss units (examples or tokens). share: the share of the batch's items that belong
    to this task. The losses of a mixture's tasks thus add up to the loss of one batch.
    """
    return _backward_pieces(lambda piece: loss.of(backbone, head, piece, framing), drawn, share, setting)


def backward_answers(loss: AnswerLoss, backbone: Backbone, drawn: Items, share: float, setting: Setting) -> Tensor:
    """Do the same as `backward_sum` for a loss over the tokens of answers. Such a loss needs no head."""
    return _backward_pieces(lambda piece: loss.of(backbone, piece), drawn, share, setting)


def _backward_pieces(summed: Callable[[Piece], Tensor], drawn: Items, share: float, setting: Setting) -> Tensor:
    total = torch.zeros((), device=setting.device)
    units = sum(drawn.units)
    if not units:
        return total
    for piece in pieces(drawn, setting):
        with setting.forward_pass():
            whole = summed(piece)
        part = whole / (units / share)
        part.backward()
        total += part.detach()
    return total


def backward_joint(
    loss: JointLoss,
    backbone: Backbone,
    drawn: Items,
    task_format: TaskFormat,
    framing: Hidden,
    share: float,
    setting: Setting,
) -> Tensor:
    """Do the same as `backward_sum` for a loss over all vectors of the batch, with GradCache."""
    cut_up = list(pieces(drawn, setting))
    free: dict[int, list[int]] = {}
    for place, sequence in enumerate(s for members in drawn.members for s in members):
        free.setdefault(sequence, []).append(place)
    # A batch that spans the end of an epoch may contain an item twice. Each copy has its own index among the vectors.
    places = [[free[sequence].pop() for sequence in piece.sequences] for piece in cut_up]

    def value(vectors_SD: Tensor) -> Tensor:
        return loss.of(vectors_SD, drawn, task_format) / (sum(drawn.units) / share)

    def embed(piece: Piece) -> Tensor:
        with setting.forward_pass():
            return backbone.pooled(piece.batch, framing)

    if len(cut_up) == 1:
        # The whole batch fits in one micro-batch, so plain backpropagation works and nothing is computed twice.
        vectors_ND = embed(cut_up[0])
        whole = value(vectors_ND[_inverse_permutation(places[0], vectors_ND.device)])
        whole.backward()
        return whole.detach()
    states: list[RandomState] = []
    embedded: list[Tensor] = []
    with torch.no_grad():
        for piece in cut_up:
            states.append(random_state(setting.device))
            embedded.append(embed(piece))
    vectors_SD = torch.cat(embedded)[
        _inverse_permutation([p for each in places for p in each], setting.device)
    ].requires_grad_()
    whole = value(vectors_SD)
    whole.backward()
    assert vectors_SD.grad is not None
    for piece, of_piece, state in zip(cut_up, places, states, strict=True):
        set_random_state(state, setting.device)
        embed(piece).backward(vectors_SD.grad[of_piece])
    return whole.detach()


def _inverse_permutation(places: list[int], device: torch.device) -> Tensor:
    return torch.tensor(places, device=device).argsort()
