"""Attention over many sequences that are packed in one row, so that each sequence attends only to itself.

All other layers see one long row of T tokens (see `batching.py`). Attention over the whole row would mix sequences and
cost T^2. So the row is divided into groups of R neighbouring pieces of L tokens, and a group is computed as a batch of
R sequences, which costs R x L^2. If a piece holds several sequences, a mask keeps them apart.

Suffixes of tensor and array names, one letter per dimension: T tokens of the row, R pieces of a group, L tokens of a
piece, H heads, E size of a head.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode


class AttentionGroup(NamedTuple):
    """Neighbouring pieces of the row with `length` tokens each.

    together_RLL: True where two tokens of a piece belong to the same sequence and may attend to each other. None: each
    piece is one sequence, so all tokens of a piece may attend to each other.
    """

    pieces: int
    length: int
    together_RLL: Tensor | None = None

    @property
    def tokens(self) -> int:
        return self.pieces * self.length


class PackedAttention(TorchFunctionMode):
    """A context in which attention stays within each sequence. `groups` are all groups of the row, in order.

    bidirectional: let tokens of a causal layer attend to later tokens as well.
    """

    def __init__(self, groups: Sequence[AttentionGroup], bidirectional: bool = False) -> None:
        super().__init__()
        self.groups, self.bidirectional = groups, bidirectional

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        options = dict(kwargs or {})
        if func is functional.scaled_dot_product_attention:
            if self.bidirectional:
                options["is_causal"] = False
            return _attention_by_groups(self.groups, *args, **options)
        return func(*args, **options)


def _attention_by_groups(
    groups: Sequence[AttentionGroup],
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    # Query, key, value and result are [1, H, T, E]. The row is cut by `split`, because the backward pass of slicing
    # takes longer.
    if attn_mask is not None:
        raise ValueError(
            f"packed attention knows where sequences end, but the layer also passes a mask of shape {attn_mask.shape}"
        )
    sizes = [group.tokens for group in groups]
    parts = zip(groups, *(each[0].split(sizes, dim=1) for each in (query, key, value)), strict=True)
    outputs = [
        functional.scaled_dot_product_attention(
            _pieces_as_batch(query_HTE, group),
            _pieces_as_batch(key_HTE, group),
            _pieces_as_batch(value_HTE, group),
            attn_mask=_group_mask(group, is_causal),
            dropout_p=dropout_p,
            is_causal=is_causal and group.together_RLL is None,
            scale=scale,
            enable_gqa=enable_gqa,
        )
        for group, query_HTE, key_HTE, value_HTE in parts
    ]
    row_THE = torch.cat([output_RHLE.transpose(1, 2).flatten(0, 1) for output_RHLE in outputs])
    return row_THE.transpose(0, 1).unsqueeze(0)


def _pieces_as_batch(part_HTE: Tensor, group: AttentionGroup) -> Tensor:
    return part_HTE.unflatten(1, (group.pieces, group.length)).transpose(0, 1)


def _group_mask(group: AttentionGroup, is_causal: bool) -> Tensor | None:
    if group.together_RLL is None:
        return None
    return (group.together_RLL.tril() if is_causal else group.together_RLL).unsqueeze(1)
