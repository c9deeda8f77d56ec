"""A batch as the rows that a network is given: one long row where attention keeps sequences apart, else padded ones.

Padding is on the right: a decoder's tokens, which see only what is before them, never see it, and positions count from
a sequence's own start whatever the network makes them of.

Suffixes: T tokens of the packed row, B rows, L tokens of a row, S tokens of the sequences in these rows, D hidden size.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from adaptx.backbones.batching import TokenBatch
from adaptx.backbones.packed_attention import AttentionGroup

PADDING_SHARE = 1 / 4
# Fewer tokens of padding than this take as long as one more call of the network: a guess, measured nowhere yet.
LEAST_PADDING = {"cpu": 128}
ACCELERATOR_LEAST_PADDING = 1_024


@dataclass(frozen=True, kw_only=True)
class TokenRows:
    """Tensors of one forward pass; `groups` keep apart what lies in one row, and are empty where padding does.

    mask_BL: which tokens are a sequence's; None: padding keeps to itself. at_S: where these lie in the packed row.
    in_S: where they lie in these rows, one after the other. sequences: numbers of the sequences, one a row; None:
    all, in one row.
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
    """The whole batch as the one row it is."""
    types_1T = None if batch.types_T is None else batch.types_T.unsqueeze(0)
    return TokenRows(
        ids_BL=batch.ids_T.unsqueeze(0),
        types_BL=types_1T,
        positions_BL=batch.positions_T.unsqueeze(0),
        groups=batch.groups,
    )


def padded(batch: TokenBatch) -> Iterator[TokenRows]:
    """The batch's sequences, one a row, those of like lengths together."""
    lengths = batch.lengths
    device = batch.ids_T.device
    for numbers in alike(lengths, LEAST_PADDING.get(device.type, ACCELERATOR_LEAST_PADDING)):
        chosen = torch.tensor(numbers, device=device)
        place_L = torch.arange(lengths[numbers[0]], device=device)
        mask_BL = place_L < batch.lengths_N[chosen].unsqueeze(1)
        # Padding repeats the row's first token: it is never read, and any token is in the vocabulary.
        at_BL = batch.first_N[chosen].unsqueeze(1) + torch.where(mask_BL, place_L, 0)
        types_BL = None if batch.types_T is None else batch.types_T[at_BL]
        # From the lengths, not from the mask: a fake tensor does not tell how many it holds.
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
    """Numbers of sequences in groups, longest first: each padded by at most a quarter, or by so many tokens."""
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
    """States [B, L, D] of all rows of a batch -> [T, D] as it lies in one row; what belongs to no sequence is zero."""
    if states[0][0].mask_BL is None:
        ((_, states_1TD),) = states
        return states_1TD[0]
    at_S = torch.cat([rows.at_S for rows, _ in states if rows.at_S is not None])
    states_SD = torch.cat([states_BLD.flatten(0, 1)[rows.in_S] for rows, states_BLD in states])
    return states_SD.new_zeros(tokens, states_SD.shape[1]).index_copy(0, at_S, states_SD)
