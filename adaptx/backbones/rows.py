"""Rows in which a network reads a batch: one packed row if attention can keep sequences apart, else padded rows.

Padding is on the right, so positions start at 0 in every row, however the network computes them. A decoder's tokens
attend only to earlier tokens, so they never see the padding.

Suffixes of tensor and array names, one letter per dimension: T tokens of the packed row, B rows, L tokens of a row, S
tokens in these rows without padding, D hidden size.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from adaptx.backbones.batching import TokenBatch
from adaptx.backbones.packed_attention import AttentionGroup

# Sequences share a forward pass if at most this share of its tokens is padding.
PADDING_SHARE = 1 / 4
# Number of padding tokens that is always accepted, because one more call of the network would take longer. These values
# are guesses and have not been measured.
LEAST_PADDING = {"cpu": 128}
ACCELERATOR_LEAST_PADDING = 1_024


@dataclass(frozen=True, kw_only=True)
class TokenRows:
    """Input tensors of one forward pass: either one packed row, or padded rows with one sequence per row.

    groups: the attention groups of a packed row; empty for padded rows. The following fields are None for a packed row.
    mask_BL: True for tokens, False for padding. at_S: the tokens' indices in the packed row. in_S: the tokens' indices
    in the padded rows, flattened. sequences: the index of each row's sequence.
    """

    ids_BL: Tensor
    types_BL: Tensor | None
    positions_BL: Tensor
    groups: tuple[AttentionGroup, ...] = ()
    mask_BL: Tensor | None = None
    at_S: Tensor | None = None
    in_S: Tensor | None = None
    sequences: list[int] | None = None


def packed(batch: TokenBatch) -> TokenRows:
    """Return the whole batch as one packed row."""
    types_1T = None if batch.types_T is None else batch.types_T.unsqueeze(0)
    return TokenRows(
        ids_BL=batch.ids_T.unsqueeze(0),
        types_BL=types_1T,
        positions_BL=batch.positions_T.unsqueeze(0),
        groups=batch.groups,
    )


def padded(batch: TokenBatch) -> Iterator[TokenRows]:
    """Yield the batch as padded rows with one sequence per row. Sequences of similar lengths share a forward pass."""
    lengths = batch.lengths
    device = batch.ids_T.device
    for numbers in alike(lengths, LEAST_PADDING.get(device.type, ACCELERATOR_LEAST_PADDING)):
        chosen = torch.tensor(numbers, device=device)
        place_L = torch.arange(lengths[numbers[0]], device=device)
        mask_BL = place_L < batch.lengths_N[chosen].unsqueeze(1)
        # Padding repeats the row's first token. It is never read, and this id is sure to be in the vocabulary.
        at_BL = batch.first_N[chosen].unsqueeze(1) + torch.where(mask_BL, place_L, 0)
        types_BL = None if batch.types_T is None else batch.types_T[at_BL]
        # Use the lengths rather than the mask, because the values of fake tensors (memory prediction) cannot be read.
        rows = (range(row * len(place_L), row * len(place_L) + lengths[number]) for row, number in enumerate(numbers))
        in_S = torch.tensor([place for row in rows for place in row], device=device)
        at_S = at_BL.flatten()[in_S]
        yield TokenRows(
            ids_BL=batch.ids_T[at_BL],
            types_BL=types_BL,
            positions_BL=place_L.expand_as(at_BL),
            groups=(),
            mask_BL=mask_BL,
            at_S=at_S,
            in_S=in_S,
            sequences=numbers,
        )


def alike(lengths: Sequence[int], least_padding: int) -> list[list[int]]:
    """Return groups of sequence indices, the longest sequences first. Each group shares one forward pass.

    A group's padding is at most `PADDING_SHARE` of its tokens, or at most `least_padding` tokens if that is more.
    """
    order = sorted(range(len(lengths)), key=lambda number: (-lengths[number], number))
    groups: list[list[int]] = []
    longest = padding = 0
    for number in order:
        more = longest - lengths[number]
        if not groups or padding + more > max(least_padding, PADDING_SHARE * longest * (len(groups[-1]) + 1)):
            groups.append([])
            longest, padding, more = lengths[number], 0, 0
        groups[-1].append(number)
        padding += more
    return groups


def to_row(states: Sequence[tuple[TokenRows, Tensor]], tokens: int) -> Tensor:
    """Put the states [B, L, D] of a batch's forward passes into the order of the packed row, and return them [T, D].

    The packed row may end with tokens of no sequence. The padded rows do not hold these, so their states are zero.
    """
    if states[0][0].mask_BL is None:
        ((_, states_1TD),) = states
        return states_1TD[0]
    at_S = torch.cat([rows.at_S for rows, _ in states if rows.at_S is not None])
    states_SD = torch.cat([states_BLD.flatten(0, 1)[rows.in_S] for rows, states_BLD in states])
    return states_SD.new_zeros(tokens, states_SD.shape[1]).index_copy(0, at_S, states_SD)
