"""Gradients of one task's part of a batch, in micro-batches that fit the memory.

Losses that are sums over items are added up micro-batch by micro-batch. A loss over the whole batch (in-batch
negatives) is computed on vectors embedded without gradients; its gradient with respect to each vector is then carried
through the backbone micro-batch by micro-batch, under the same dropout masks (GradCache; Gao et al. 2021,
arXiv:2101.06983). Either way the gradient is that of the whole batch at once.

Suffixes: N sequences of a micro-batch, S of the whole batch, D hidden size.
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
    """Most tokens and most items in one forward pass; None: no bound."""

    tokens: int | None
    items: int | None


@dataclass(frozen=True)
class Setting:
    """Where and in what precision micro-batches are computed."""

    device: torch.device
    precision: str
    budget: Budget

    def forward_pass(self) -> AbstractContextManager[Any]:
        """Matrix products in bf16 under `bf16`, and a CPU's own kernels.

        Ours per stage, since accelerate's precision is one a process.
        """
        stack = ExitStack()
        stack.enter_context(arithmetic(self.device.type, self.precision))
        if self.device.type == "cpu":
            stack.enter_context(CpuKernels())
        return stack


def pieces(items: Items, setting: Setting) -> Iterator[Piece]:
    """The items cut into micro-batches, longest first; an item's sequences stay together."""
    # Of the drawn items alone: the lengths of a whole data set would be counted again at each step.
    tokens = [items.tokens(item) for item in range(len(items))]
    for group in cut(tokens, setting.budget.tokens, setting.budget.items):
        yield piece_of(items, group, setting.device)


def backward_sum(
    loss: SummedLoss, backbone: Backbone, head: nn.Module, drawn: Items, framing: Hidden, share: float, setting: Setting
) -> Tensor:
    """Add the gradient of share x (mean loss over units); returns that value, without gradient."""
    return _backward_pieces(lambda piece: loss.of(backbone, head, piece, framing), drawn, share, setting)


def backward_answers(loss: AnswerLoss, backbone: Backbone, drawn: Items, share: float, setting: Setting) -> Tensor:
    """The same for a loss over answers, without a head."""
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
    """The same for a loss over all vectors of the batch."""
    cut_up = list(pieces(drawn, setting))
    free: dict[int, list[int]] = {}
    for place, sequence in enumerate(s for members in drawn.members for s in members):
        free.setdefault(sequence, []).append(place)
    # Where two epochs meet, an item may be drawn twice: each of its copies has a place of its own.
    places = [[free[sequence].pop() for sequence in piece.sequences] for piece in cut_up]

    def value(vectors_SD: Tensor) -> Tensor:
        return loss.of(vectors_SD, drawn, task_format) / (sum(drawn.units) / share)

    def embed(piece: Piece) -> Tensor:
        with setting.forward_pass():
            return backbone.pooled(piece.batch, framing)

    if len(cut_up) == 1:
        # All fits at once: nothing needs to be computed twice.
        vectors_ND = embed(cut_up[0])
        whole = value(vectors_ND[_inverse(places[0], vectors_ND.device)])
        whole.backward()
        return whole.detach()
    states: list[RandomState] = []
    embedded: list[Tensor] = []
    with torch.no_grad():
        for piece in cut_up:
            states.append(random_state(setting.device))
            embedded.append(embed(piece))
    vectors_SD = torch.cat(embedded)[_inverse([p for each in places for p in each], setting.device)].requires_grad_()
    whole = value(vectors_SD)
    whole.backward()
    assert vectors_SD.grad is not None
    for piece, of_piece, state in zip(cut_up, places, states, strict=True):
        set_random_state(state, setting.device)
        embed(piece).backward(vectors_SD.grad[of_piece])
    return whole.detach()


def _inverse(places: list[int], device: torch.device) -> Tensor:
    """Where each of the places stands: vectors[_inverse(places)] are in the places' order."""
    return torch.tensor(places, device=device).argsort()
