"""Token ids to batches: encoding, micro-batches by a token budget, packing.

Several short sequences share one row; attention is kept inside each, and positions count from its own start, so the
result is that of one sequence a row, without the padding (as in Krell et al. 2021, arXiv:2107.02027).

Suffixes: B rows, T tokens, N sequences.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

# Kernels are prepared once for each shape they meet: few widths cost a little padding and save much of that.
WIDTH_STEP = 32


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
    """Packed rows. `slots_BT` numbers the sequences of each row from 0 and is -1 on padding; `positions_BT` counts
    within a sequence. `row_N`, `slot_N` and `first_N` (the first token) say where each sequence lies.
    """

    ids_BT: Tensor
    types_BT: Tensor | None
    positions_BT: Tensor
    slots_BT: Tensor
    row_N: Tensor
    slot_N: Tensor
    first_N: Tensor

    @property
    def mask(self) -> Tensor:
        """Which tokens attend to which: [B, T] where every row holds one sequence, else [B, T, T].

        Padding attends to padding, so that no row of the attention is empty.
        """
        if len(self.row_N) == len(self.ids_BT):
            return (self.slots_BT >= 0).long()
        return (self.slots_BT.unsqueeze(2) == self.slots_BT.unsqueeze(1)).long()


def first_tokens(batch: TokenBatch) -> Tensor:
    """Place of each sequence's first token among all tokens of the batch, rows one after the other: [N]."""
    return batch.row_N * batch.ids_BT.shape[1] + batch.first_N


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


def micro_batches(
    lengths: Sequence[int], most_tokens: int | None, most_examples: int | None, row_tokens: int
) -> list[list[list[int]]]:
    """Micro-batches, each a list of rows, each a list of indices of sequences; longest first, so memory peaks at once.

    A micro-batch holds at most `most_tokens` tokens and `most_examples` sequences (None: no bound), but at least one
    sequence. Rows hold `row_tokens` tokens, or the longest sequence where that is longer.
    """
    return [pack(batch, lengths.__getitem__, row_tokens) for batch in cut(lengths, most_tokens, most_examples)]


def cut(tokens: Sequence[int], most_tokens: int | None, most_items: int | None) -> list[list[int]]:
    """Groups of items of so many `tokens` each, longest first, within the bounds of `micro_batches`."""
    order = sorted(range(len(tokens)), key=lambda index: (-tokens[index], index))
    groups: list[list[int]] = []
    total = 0
    for index in order:
        over = most_tokens is not None and total + tokens[index] > most_tokens
        if not groups or over or (most_items is not None and len(groups[-1]) >= most_items):
            groups.append([])
            total = 0
        groups[-1].append(index)
        total += tokens[index]
    return groups


def pack(indices: Sequence[int], length_of: Callable[[int], int], row_tokens: int) -> list[list[int]]:
    """Rows of sequences by first fit, longest first."""
    indices = sorted(indices, key=lambda index: -length_of(index))
    width = max(row_tokens, length_of(indices[0]))
    rows: list[list[int]] = []
    free: list[int] = []
    for index in indices:
        row = next((row for row, room in enumerate(free) if room >= length_of(index)), None)
        if row is None:
            rows.append([index])
            free.append(width - length_of(index))
        else:
            rows[row].append(index)
            free[row] -= length_of(index)
    return rows


def collate(encoded: Encoded, rows: Sequence[Sequence[int]], device: torch.device) -> TokenBatch:
    """The sequences of `rows` as tensors, padded on the right to the fullest row; N runs through the rows in order.

    Widths are multiples of `WIDTH_STEP`.
    """
    fullest = max(sum(len(encoded.ids[index]) for index in row) for row in rows)
    width = -(-fullest // WIDTH_STEP) * WIDTH_STEP
    shape = (len(rows), width)
    ids = np.full(shape, encoded.pad, dtype=np.int64)
    types = np.zeros(shape, dtype=np.int64) if encoded.types is not None else None
    positions = np.zeros(shape, dtype=np.int64)
    slots = np.full(shape, -1, dtype=np.int64)
    places: list[tuple[int, int, int]] = []
    for row, members in enumerate(rows):
        first = 0
        for slot, index in enumerate(members):
            last = first + len(encoded.ids[index])
            ids[row, first:last] = encoded.ids[index]
            positions[row, first:last] = np.arange(last - first)
            slots[row, first:last] = slot
            if types is not None and encoded.types is not None:
                types[row, first:last] = encoded.types[index]
            places.append((row, slot, first))
            first = last
    row_N, slot_N, first_N = torch.tensor(places, device=device).T
    return TokenBatch(
        torch.from_numpy(ids).to(device),
        torch.from_numpy(types).to(device) if types is not None else None,
        torch.from_numpy(positions).to(device),
        torch.from_numpy(slots).to(device),
        row_N,
        slot_N,
        first_N,
    )
