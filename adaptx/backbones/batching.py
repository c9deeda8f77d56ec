"""Token ids to batches: encoding, cutting by a token budget, padding.

Suffixes: B sequences, T tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Encoded:
    """Token ids (and, where the architecture has them, type ids) of each sequence, unpadded."""

    ids: list[list[int]]
    types: list[list[int]] | None
    pad: int
    truncated: int

    @property
    def lengths(self) -> list[int]:
        """Tokens of each sequence, special tokens included."""
        return [len(sequence) for sequence in self.ids]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class TokenBatch:
    """Padded ids and mask, both [B, T]; type ids where there are any."""

    ids_BT: Tensor
    mask_BT: Tensor
    types_BT: Tensor | None


def encode_texts(
    tokenizer: Any, texts: Sequence[str], pairs: Sequence[str] | None, prefix: str, max_length: int
) -> Encoded:
    """Tokenize texts or pairs of texts; `prefix` is put before each. Longer ones are cut to `max_length` tokens."""
    first = [prefix + text for text in texts]
    second = [prefix + text for text in pairs] if pairs is not None else None
    options = {"truncation": "longest_first", "max_length": max_length, "return_attention_mask": False}
    output: Any = tokenizer(first, second, **options) if second is not None else tokenizer(first, **options)
    cut = sum(bool(encoding.overflowing) for encoding in output.encodings)
    return Encoded(output["input_ids"], output.get("token_type_ids"), tokenizer.pad_token_id, cut)


def cut(lengths: Sequence[int], most_tokens: int | None, most_examples: int | None = None) -> list[list[int]]:
    """Indices sorted by length and cut into groups whose padded size stays within the budgets.

    A sequence that alone exceeds the token budget is a group of its own. Longest first, so that memory peaks at once.
    """
    order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    groups: list[list[int]] = []
    for index in order:
        group = groups[-1] if groups else None
        longest = lengths[group[0]] if group else 0
        if (
            group is None
            or (most_tokens is not None and longest * (len(group) + 1) > most_tokens)
            or (most_examples is not None and len(group) >= most_examples)
        ):
            groups.append([index])
        else:
            group.append(index)
    return groups


def collate(encoded: Encoded, indices: Sequence[int], device: torch.device) -> TokenBatch:
    """The sequences at `indices`, padded on the right to the longest of them."""
    width = max(len(encoded.ids[index]) for index in indices)
    ids_BT = torch.full((len(indices), width), encoded.pad, dtype=torch.long)
    mask_BT = torch.zeros((len(indices), width), dtype=torch.long)
    types_BT = torch.zeros_like(ids_BT) if encoded.types is not None else None
    for row, index in enumerate(indices):
        length = len(encoded.ids[index])
        ids_BT[row, :length] = torch.tensor(encoded.ids[index])
        mask_BT[row, :length] = 1
        if types_BT is not None and encoded.types is not None:
            types_BT[row, :length] = torch.tensor(encoded.types[index])
    types_BT = types_BT.to(device) if types_BT is not None else None
    return TokenBatch(ids_BT.to(device), mask_BT.to(device), types_BT)
