"""From texts to batches: tokenize, cut a batch into micro-batches by a token budget, pack sequences into one row.

Packing (Krell et al. 2021, arXiv:2107.02027) puts all sequences of a micro-batch one after another in a single long
row, so hardly any padding is needed. The positions of each sequence start at 0, and attention stays within each
sequence (`packed_attention.py`). Results are the same as with one sequence per row.

For attention, the row is divided into groups, and each group into R pieces of equal length, which are computed as one
batch. A piece holds either exactly one sequence, or several sequences that a mask keeps apart.

Suffixes of tensor and array names, one letter per dimension: T tokens of the row, N sequences, R pieces of a group, L
tokens of a piece.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from adaptx.backbones.packed_attention import AttentionGroup

# Row lengths are multiples of this. Kernels are prepared once per shape, so fewer distinct lengths save more time than
# the extra padding costs.
ROW_STEP = 32
# Cost of one more group (a few more calls per layer), as the number of padding tokens that take as long. Measured with
# e5-small in bf16 on a CPU: 25 in training, 10 in evaluation. The value for accelerators is assumed.
GROUP_TOKENS = {"cpu": 25}
ACCELERATOR_GROUP_TOKENS = 1_024
# Attention's work per pair of tokens, as a share of all other work per token. Measured in the same way (at hidden size
# 384; the share is less for wider models).
ATTENTION_SHARE = 1 / 1_000
# Lengths that are tried for pieces that hold several sequences, in tokens.
PIECES = (64, 96, 128, 192, 256)


@dataclass(frozen=True)
class Encoding:
    """Token ids of each sequence, unpadded, with token type ids if the tokenizer makes any.

    pad: the token id used for padding. truncated: number of sequences that were cut to the maximum length.
    """

    ids: list[list[int]]
    types: list[list[int]] | None
    pad: int
    truncated: int

    @property
    def lengths(self) -> list[int]:
        """Number of tokens of each sequence, including special tokens."""
        return [len(sequence) for sequence in self.ids]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, kw_only=True)
class TokenBatch:
    """Sequences packed into one row. Tokens that belong to no sequence are padding.

    positions_T: each token's position within its own sequence. groups: the parts into which attention divides the row,
    in order. first_N: index of each sequence's first token in the row. lengths_N: each sequence's number of tokens;
    `lengths` holds the same numbers as integers. Tensors with the suffix N list the sequences in the order in which
    `collate` got them, not in their order in the row.
    """

    ids_T: Tensor
    types_T: Tensor | None
    positions_T: Tensor
    groups: tuple[AttentionGroup, ...]
    first_N: Tensor
    lengths_N: Tensor
    lengths: tuple[int, ...]

    @property
    def members(self) -> Tensor:
        """Boolean mask [N, T]: True where the token belongs to the sequence."""
        place_T = torch.arange(len(self.ids_T), device=self.ids_T.device)
        first_N1, length_N1 = self.first_N.unsqueeze(1), self.lengths_N.unsqueeze(1)
        return (place_T >= first_N1) & (place_T < first_N1 + length_N1)


def padding_id(tokenizer: Any) -> int:
    """Return the tokenizer's padding token id, or else its end-of-text id, or else 0."""
    chosen = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    return 0 if chosen is None else chosen


def empty_id(tokenizer: Any) -> int:
    """Return the token id that stands for an empty text: beginning-of-text, or else end-of-text, or else padding."""
    begins = (tokenizer.bos_token_id, tokenizer.eos_token_id)
    return next((token for token in begins if token is not None), padding_id(tokenizer))


def encode_texts(
    tokenizer: Any, texts: Sequence[str], pairs: Sequence[str] | None, prefix: str, max_length: int
) -> Encoding:
    """Tokenize texts, or pairs of texts, with `prefix` before every text. Sequences are cut to `max_length` tokens."""
    first = [prefix + text for text in texts]
    second = [prefix + text for text in pairs] if pairs is not None else None
    options = {"truncation": "longest_first", "max_length": max_length, "return_attention_mask": False}
    output: Any = tokenizer(first, second, **options) if second is not None else tokenizer(first, **options)
    if tokenizer.is_fast:
        cut = sum(bool(encoding.overflowing) for encoding in output.encodings)
    else:
        # ByT5's tokenizer, which is not a fast one, does not report what it cut, so count by tokenizing in full.
        whole: Any = tokenizer(first, second, verbose=False) if second is not None else tokenizer(first, verbose=False)
        cut = sum(len(ids) > max_length for ids in whole["input_ids"])
    ids, types = output["input_ids"], output.get("token_type_ids")
    if not all(ids):
        # A decoder's tokenizer may return no token for an empty text, and then there is no hidden state to read.
        ids = [each or [empty_id(tokenizer)] for each in ids]
        types = None if types is None else [each or [0] for each in types]
    return Encoding(ids, types, padding_id(tokenizer), cut)


def cut(tokens: Sequence[int], most_tokens: int | None, most_items: int | None) -> list[list[int]]:
    """Divide items into groups and return the indices of each group's items, such as [[2], [0, 1]].

    tokens: number of tokens per item. A group holds at most `most_tokens` tokens and `most_items` items (None: no
    limit), but always at least one item. The longest items come first, so that memory reaches its peak in the first
    group.
    """
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


def collate(encoded: Encoding, sequences: Sequence[int], device: torch.device) -> TokenBatch:
    """Pack the sequences at these indices of `encoded` into one row. Tensors with the suffix N keep their order."""
    lengths = [len(encoded.ids[index]) for index in sequences]
    layout = lay_out(lengths, GROUP_TOKENS.get(device.type, ACCELERATOR_GROUP_TOKENS))
    size = sum(pieces.length * len(pieces.members) for pieces in layout)
    ids_T = np.full(size, encoded.pad, dtype=np.int64)
    types_T = np.zeros(size, dtype=np.int64) if encoded.types is not None else None
    positions_T = np.zeros(size, dtype=np.int64)
    numbers_T = np.full(size, -1, dtype=np.int64)
    firsts = [0] * len(lengths)
    begin = 0
    for pieces in layout:
        for members in pieces.members:
            first = begin
            for number in members:
                last = first + lengths[number]
                ids_T[first:last] = encoded.ids[sequences[number]]
                positions_T[first:last] = np.arange(last - first)
                numbers_T[first:last] = number
                if types_T is not None and encoded.types is not None:
                    types_T[first:last] = encoded.types[sequences[number]]
                firsts[number] = first
                first = last
            begin += pieces.length
    return TokenBatch(
        ids_T=torch.from_numpy(ids_T).to(device),
        types_T=torch.from_numpy(types_T).to(device) if types_T is not None else None,
        positions_T=torch.from_numpy(positions_T).to(device),
        groups=tuple(_attention_groups(layout, numbers_T, device)),
        first_N=torch.tensor(firsts, device=device),
        lengths_N=torch.tensor(lengths, device=device),
        lengths=tuple(lengths),
    )


@dataclass(frozen=True)
class RowPieces:
    """Neighbouring pieces of the row, `length` tokens each. members: the indices of the sequences in each piece."""

    length: int
    members: list[list[int]]


def lay_out(lengths: Sequence[int], group_tokens: int) -> list[RowPieces]:
    """Return the layout of the row with the least estimated time. The row's length is a multiple of `ROW_STEP`.

    Two kinds of layout are compared. In the first, each piece is one sequence. It needs no masks, but one group for
    each length. In the second, all pieces have the same length and hold several sequences. It needs only one group, but
    also padding and a mask.

    lengths: tokens per sequence. group_tokens: the fixed cost of a group. For example, 25 means that one more group
    takes as much time as 25 more tokens.
    """
    order = sorted(range(len(lengths)), key=lambda number: (-lengths[number], number))
    alike = itertools.groupby(order, key=lengths.__getitem__)
    best = [RowPieces(length, [[number] for number in members]) for length, members in alike]
    cost = _estimated_work(best) + len(best) * group_tokens
    # Stop when the second kind could not win even without padding: longer pieces only add attention work.
    shortest = _up(lengths[order[0]], ROW_STEP)
    for length in (shortest, *(each for each in PIECES if each > shortest)):
        if cost <= sum(lengths) * (1 + length * ATTENTION_SHARE) + group_tokens:
            break
        shared = [RowPieces(length, pack(order, lengths, length))]
        if _estimated_work(shared) + group_tokens < cost:
            best, cost = shared, _estimated_work(shared) + group_tokens
    if rest := -sum(pieces.length * len(pieces.members) for pieces in best) % ROW_STEP:
        best.append(RowPieces(rest, [[]]))
    return best


def pack(order: Sequence[int], lengths: Sequence[int], room: int) -> list[list[int]]:
    """Distribute sequences over pieces of at most `room` tokens, and return the indices of each piece's sequences.

    The sequences are taken in the given order. Each goes into the first piece that has room for it.
    """
    pieces: list[list[int]] = []
    free: list[int] = []
    for number in order:
        piece = next((piece for piece, left in enumerate(free) if left >= lengths[number]), None)
        if piece is None:
            pieces.append([number])
            free.append(room - lengths[number])
        else:
            pieces[piece].append(number)
            free[piece] -= lengths[number]
    return pieces


def _estimated_work(layout: Sequence[RowPieces]) -> float:
    # The unit is the work outside attention for one token.
    return sum(len(pieces.members) * pieces.length * (1 + pieces.length * ATTENTION_SHARE) for pieces in layout)


def _attention_groups(
    layout: Sequence[RowPieces], numbers_T: NDArray[np.int64], device: torch.device
) -> Iterator[AttentionGroup]:
    # `numbers_T` holds each token's sequence, or -1 for padding. Padding tokens attend to each other, because softmax
    # returns NaN for a token that attends to nothing.
    begin = 0
    for pieces in layout:
        end = begin + pieces.length * len(pieces.members)
        numbers_RL = numbers_T[begin:end].reshape(-1, pieces.length)
        begin = end
        if (numbers_RL == numbers_RL[:, :1]).all():
            yield AttentionGroup(*numbers_RL.shape)
        else:
            tensor_RL = torch.from_numpy(numbers_RL).to(device)
            yield AttentionGroup(*numbers_RL.shape, tensor_RL.unsqueeze(2) == tensor_RL.unsqueeze(1))


def _up(count: int, step: int) -> int:
    return -(-count // step) * step
