"""Average several heads that were trained for the same labels."""

from collections.abc import Callable, Sequence

import torch
from torch import nn

from adaptx.formats.heads import for_labels
from adaptx.formats.interface import TrainedHead
from adaptx.specs import TaskFormat


def aligned(heads: Sequence[TrainedHead]) -> list[TrainedHead]:
    """Put the outputs of all heads, in place, into the order of the first head's labels, and return the heads. Planning
    has checked that all heads have the same labels.
    """
    first = heads[0].format
    return [TrainedHead(for_labels(head, first), first) for head in heads]


def averaged(
    heads: Sequence[TrainedHead], weights: Sequence[float] | None, new: Callable[[TaskFormat], nn.Module]
) -> TrainedHead:
    """Return the weighted average of heads that `aligned` returned.

    weights: one number per head, at least 0; the numbers are divided by their sum. None means equal weights. new: a
    function that makes an untrained head for a task format.
    """
    given = weights or [1.0] * len(heads)
    shares = [weight / sum(given) for weight in given]
    states = [head.module.state_dict() for head in heads]
    merged: dict[str, torch.Tensor] = {}
    for name, tensor in states[0].items():
        parts = [share * state[name].float() for share, state in zip(shares, states, strict=True)]
        merged[name] = torch.stack(parts).sum(dim=0).to(tensor.dtype)
    module = new(heads[0].format)
    module.load_state_dict(merged)
    return TrainedHead(module, heads[0].format)
