"""Attention over many sequences that lie in one row, each attending to itself alone.

The layers before and after attention see one long row; here it is taken apart into groups of pieces of equal length,
each group a batch. A function mode covers every attention that runs inside it, whichever library wrote the layer.

Suffixes: T tokens of the row, R pieces of a group, L tokens of each, H heads, E size of a head.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode


class AttentionGroup(NamedTuple):
    """Neighbouring pieces of the row, of so many tokens each.

    together_RLL: which tokens of a piece attend to which; None: all, as each piece is one sequence.
    """

    pieces: int
    length: int
    together_RLL: Tensor | None = None

    @property
    def tokens(self) -> int:
        return self.pieces * self.length


class PackedAttention(TorchFunctionMode):
    """Within the block, attention over the row that these groups make up, in order, stays inside sequences."""

    def __init__(self, groups: Sequence[AttentionGroup], bidirectional: bool = False) -> None:
        """bidirectional: a causal layer's tokens see those after them too."""
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
            return _attention(self.groups, *args, **options)
        return func(*args, **options)


def _attention(
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
    """query, key, value [1, H, T, E]; returns [1, H, T, E]. Splitting, unlike slicing, has a cheap backward pass."""
    if attn_mask is not None:
        raise ValueError(f"packed attention knows where sequences end; the layer has a mask of {attn_mask.shape}")
    sizes = [group.tokens for group in groups]
    parts = zip(groups, *(each[0].split(sizes, dim=1) for each in (query, key, value)), strict=True)
    outputs = [
        functional.scaled_dot_product_attention(
            _apart(query_HTE, group),
            _apart(key_HTE, group),
            _apart(value_HTE, group),
            attn_mask=_mask(group, is_causal),
            dropout_p=dropout_p,
            is_causal=is_causal and group.together_RLL is None,
            scale=scale,
            enable_gqa=enable_gqa,
        )
        for group, query_HTE, key_HTE, value_HTE in parts
    ]
    row_THE = torch.cat([output_RHLE.transpose(1, 2).flatten(0, 1) for output_RHLE in outputs])
    return row_THE.transpose(0, 1).unsqueeze(0)


def _apart(part_HTE: Tensor, group: AttentionGroup) -> Tensor:
    """A group's part of the row as a batch, [R, H, L, E]."""
    return part_HTE.unflatten(1, (group.pieces, group.length)).transpose(0, 1)


def _mask(group: AttentionGroup, is_causal: bool) -> Tensor | None:
    """[R, 1, L, L]"""
    if group.together_RLL is None:
        return None
    return (group.together_RLL.tril() if is_causal else group.together_RLL).unsqueeze(1)
