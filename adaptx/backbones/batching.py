"""Token ids to batches: encoding, micro-batches by a token budget, sequences side by side.

Sequences lie one after the other in one row, longest first, without padding between them; attention is kept inside
each (`packed_attention.py`), and positions count from its own start, so the result is that of one sequence a row
(packing without padding, as in Krell et al. 2021, arXiv:2107.02027).

Suffixes: T tokens of the row, N sequences.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adaptx.backbones.packed_attention import Group

# Kernels are prepared once for each shape they meet: few lengths of rows cost a little padding and save much of that.
ROW_STEP = 64
# On an accelerator each group of sequences is a launch a layer: sequences padded to steps make few groups.
LENGTH_STEPS = {"cpu": 1}
ACCELERATOR_LENGTH_STEP = 16


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
    """One row of sequences; `groups` bound them. `positions_T` counts within a sequence; N runs in the row's order.

    `first_N` is the place of a sequence's first token, `lengths_N` its number of tokens; what lies between a
    sequence's end and the next one, or behind the last, is padding.
    """

    ids_T: Tensor
    types_T: Tensor | None
    positions_T: Tensor
    groups: tuple[Group, ...]
    first_N: Tensor
    lengths_N: Tensor


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


def collate(encoded: Encoded, sequences: Sequence[int], device: torch.device) -> TokenBatch:
    """These sequences as one row, in the given order; neighbours of equal length share a group."""
    step = LENGTH_STEPS.get(device.type, ACCELERATOR_LENGTH_STEP)
    lengths = [len(encoded.ids[index]) for index in sequences]
    rooms = [_up(length, step) for length in lengths]
    firsts = [0, *itertools.accumulate(rooms)]
    size = _up(firsts[-1], ROW_STEP)
    ids_T = np.full(size, encoded.pad, dtype=np.int64)
    types_T = np.zeros(size, dtype=np.int64) if encoded.types is not None else None
    positions_T = np.zeros(size, dtype=np.int64)
    for index, first, length in zip(sequences, firsts, lengths, strict=False):
        ids_T[first : first + length] = encoded.ids[index]
        positions_T[first : first + length] = np.arange(length)
        if types_T is not None and encoded.types is not None:
            types_T[first : first + length] = encoded.types[index]
    return TokenBatch(
        torch.from_numpy(ids_T).to(device),
        torch.from_numpy(types_T).to(device) if types_T is not None else None,
        torch.from_numpy(positions_T).to(device),
        tuple(_groups(rooms, lengths, size - firsts[-1], device)),
        torch.tensor(firsts[:-1], device=device),
        torch.tensor(lengths, device=device),
    )


def _groups(rooms: list[int], lengths: list[int], rest: int, device: torch.device) -> Iterator[Group]:
    """Sequences by the room they take; the padding behind the last is a group that nothing reads."""
    for room, members in itertools.groupby(zip(rooms, lengths, strict=True), key=lambda pair: pair[0]):
        inside = [length for _, length in members]
        if min(inside) == room:
            yield Group(len(inside), room)
        else:
            ends_G1 = torch.tensor(inside, device=device).unsqueeze(1)
            yield Group(len(inside), room, torch.arange(room, device=device) < ends_G1)
    if rest:
        yield Group(1, rest)


def _up(count: int, step: int) -> int:
    return -(-count // step) * step
