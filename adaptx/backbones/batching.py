"""Token ids to batches: encoding, micro-batches by a token budget, sequences side by side.

The sequences of a micro-batch lie in one long row with hardly any padding; attention is kept inside each
(`packed_attention.py`), and positions count from its own start, so the result is that of one sequence a row (packing
as in Krell et al. 2021, arXiv:2107.02027).

Suffixes: T tokens of the row, N sequences, R pieces of a group, L tokens of each.
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

# Kernels are prepared once for each shape they meet: few lengths of rows cost a little padding and save much of that.
ROW_STEP = 32
# What a further group costs (some calls a layer), in tokens of padding that take as long: measured with e5-small in
# bf16 on a CPU, where it is 25 in training and 10 in evaluation; of accelerators assumed.
GROUP_TOKENS = {"cpu": 25}
ACCELERATOR_GROUP_TOKENS = 1_024
# Attention's work for a token and one token beside it, in units of all other work for a token: measured likewise (at
# hidden size 384; less for wider models).
ATTENTION_SHARE = 1 / 1_000
PIECES = (64, 96, 128, 192, 256)


@dataclass(frozen=True)
class Encoding:
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


@dataclass(frozen=True, kw_only=True)
class TokenBatch:
    """One row of sequences; `groups` keep them apart. `positions_T` counts within a sequence.

    `first_N` is the place of a sequence's first token, `lengths_N` its number of tokens, in the order in which the
    sequences were given; `lengths` are the same as plain numbers. What belongs to no sequence is padding.
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
        """Which tokens are which sequence's, [N, T]."""
        place_T = torch.arange(len(self.ids_T), device=self.ids_T.device)
        first_N1, length_N1 = self.first_N.unsqueeze(1), self.lengths_N.unsqueeze(1)
        return (place_T >= first_N1) & (place_T < first_N1 + length_N1)


def padding_id(tokenizer: Any) -> int:
    """A token for places that belong to no sequence, which are never read: any will do where there is none for it."""
    chosen = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    return 0 if chosen is None else chosen


def empty_id(tokenizer: Any) -> int:
    """The token that an empty text is read as: what begins a text, or else ends one."""
    begins = (tokenizer.bos_token_id, tokenizer.eos_token_id)
    return next((token for token in begins if token is not None), padding_id(tokenizer))


def encode_texts(
    tokenizer: Any, texts: Sequence[str], pairs: Sequence[str] | None, prefix: str, max_length: int
) -> Encoding:
    """Tokenize texts or pairs of texts; `prefix` is put before each. Longer ones are cut to `max_length` tokens."""
    first = [prefix + text for text in texts]
    second = [prefix + text for text in pairs] if pairs is not None else None
    options = {"truncation": "longest_first", "max_length": max_length, "return_attention_mask": False}
    output: Any = tokenizer(first, second, **options) if second is not None else tokenizer(first, **options)
    if tokenizer.is_fast:
        cut = sum(bool(encoding.overflowing) for encoding in output.encodings)
    else:
        # ByT5's does not say what it left out.
        whole: Any = tokenizer(first, second, verbose=False) if second is not None else tokenizer(first, verbose=False)
        cut = sum(len(ids) > max_length for ids in whole["input_ids"])
    ids, types = output["input_ids"], output.get("token_type_ids")
    if not all(ids):
        # Decoders' tokenizers may make nothing of an empty text, and a sequence of no tokens has no state to read.
        ids = [each or [empty_id(tokenizer)] for each in ids]
        types = None if types is None else [each or [0] for each in types]
    return Encoding(ids, types, padding_id(tokenizer), cut)


def cut(tokens: Sequence[int], most_tokens: int | None, most_items: int | None) -> list[list[int]]:
    """Groups of indices of items of so many `tokens` each, longest first, so that memory peaks at once.

    A group holds at most `most_tokens` tokens and `most_items` items (None: no bound), but at least one item.
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
    """These sequences as one row; N runs in the given order, whatever their places."""
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
        groups=tuple(_groups(layout, numbers_T, device)),
        first_N=torch.tensor(firsts, device=device),
        lengths_N=torch.tensor(lengths, device=device),
        lengths=tuple(lengths),
    )


@dataclass(frozen=True)
class RowPieces:
    """Pieces of the row, of so many tokens each. members: the numbers of the sequences in each piece."""

    length: int
    members: list[list[int]]


def lay_out(lengths: Sequence[int], group_tokens: int) -> list[RowPieces]:
    """The cheapest of some layouts; tokens are a multiple of `ROW_STEP`.

    Either each sequence is a piece, those of equal length in one group: no padding, but many groups where lengths
    differ. Or all pieces are of one length and hold several sequences: one group, with padding at their ends, and
    attention across neighbours is computed and masked. `group_tokens`: what a group costs.
    """
    order = sorted(range(len(lengths)), key=lambda number: (-lengths[number], number))
    alike = itertools.groupby(order, key=lengths.__getitem__)
    best = [RowPieces(length, [[number] for number in members]) for length, members in alike]
    cost = _work(best) + len(best) * group_tokens
    # At its best, the other way has no padding and one group.
    shortest = _up(lengths[order[0]], ROW_STEP)
    for length in (shortest, *(each for each in PIECES if each > shortest)):
        if cost <= sum(lengths) * (1 + length * ATTENTION_SHARE) + group_tokens:
            break
        shared = [RowPieces(length, pack(order, lengths, length))]
        if _work(shared) + group_tokens < cost:
            best, cost = shared, _work(shared) + group_tokens
    if rest := -sum(pieces.length * len(pieces.members) for pieces in best) % ROW_STEP:
        best.append(RowPieces(rest, [[]]))
    return best


def pack(order: Sequence[int], lengths: Sequence[int], room: int) -> list[list[int]]:
    """Pieces of at most `room` tokens, by first fit in the given order."""
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


def _work(layout: Sequence[RowPieces]) -> float:
    """In tokens of all work but attention's."""
    return sum(len(pieces.members) * pieces.length * (1 + pieces.length * ATTENTION_SHARE) for pieces in layout)


def _groups(
    layout: Sequence[RowPieces], numbers_T: NDArray[np.int64], device: torch.device
) -> Iterator[AttentionGroup]:
    """Padding attends to padding, so that no row of the attention is empty."""
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
