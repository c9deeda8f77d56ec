"""The k best scores of each row, kept up to date while scores come block by block.

Suffixes: R rows that keep their best k; r, a some of them; t tiles of w scores each.
"""

from typing import NamedTuple

import torch
from torch import Tensor

LAST_INDEX = 2**32 - 1
# The key of the score -inf and the last index: no other is lower.
NOTHING = -0x7F800001 << 32


class Neighbours(NamedTuple):
    """The k best of each row, best first, on the CPU: scores [R, k] in fp32 and indices [R, k] in int64."""

    scores: Tensor
    indices: Tensor


class Best:
    """The k best pairs of score and index so far, for each of R rows.

    A pair is one int64 key, ordered by the score and, for equal scores, by the lower index: no two keys are equal, so
    selection leaves no tie open.
    """

    def __init__(self, rows: int, k: int, device: torch.device) -> None:
        self.keys_Rk = torch.full((rows, k), NOTHING, device=device)
        self.least_R = torch.full((rows,), -torch.inf, device=device)

    def update(self, row: int, index: int, tiles_rtw: Tensor, maxima_rt: Tensor, selected_bytes: int) -> None:
        """Take in the scores of the rows from `row` on with what is numbered from `index` on.

        tiles_rtw: the scores, in tiles; a view will do. maxima_rt: each tile's highest. selected_bytes: what selection may
        take beside them. Indices come in ascending order, so a tile with no score above the least kept has nothing to add.
        """
        k, width = self.keys_Rk.shape[1], tiles_rtw.shape[2]
        better_r = (maxima_rt > self.least_R[row : row + len(maxima_rt), None]).sum(1)
        tiles = min(k, int(better_r.max()))
        if not tiles:
            return
        numbers_t = torch.arange(maxima_rt.shape[1], device=maxima_rt.device)
        numbers_w = torch.arange(index, index + width, device=maxima_rt.device)
        # Score, index, key and what the key is made of: each value takes some 40 bytes for a moment.
        at_once = max(1, selected_bytes // (40 * (k + width * tiles)))
        for rows_a in better_r.nonzero().squeeze(1).split(at_once):
            # The k best are in the k tiles with the highest maxima, of equal ones the first: each has one such value.
            chosen_at = _indices(_keys(maxima_rt[rows_a], numbers_t).topk(tiles).values)
            scores_atw = tiles_rtw[rows_a[:, None], chosen_at]
            keys_atw = _keys(scores_atw, chosen_at[:, :, None] * width + numbers_w)
            keys_ak = torch.cat((self.keys_Rk[row + rows_a], keys_atw.flatten(1)), dim=1).topk(k).values
            self.keys_Rk[row + rows_a] = keys_ak
            self.least_R[row + rows_a] = _scores(keys_ak[:, -1])

    def found(self) -> Neighbours:
        keys_Rk = self.keys_Rk.cpu()
        return Neighbours(_scores(keys_Rk), _indices(keys_Rk))


def _keys(scores: Tensor, indices: Tensor) -> Tensor:
    # Adding zero makes -0.0 the equal of 0.0. An fp32's bits are ordered as its values, the negative ones backwards.
    bits = (scores + 0.0).view(torch.int32)
    return ((bits ^ ((bits >> 31) & 0x7FFFFFFF)).long() << 32) | (LAST_INDEX - indices)


def _scores(keys: Tensor) -> Tensor:
    bits = (keys >> 32).int()
    return (bits ^ ((bits >> 31) & 0x7FFFFFFF)).view(torch.float32)


def _indices(keys: Tensor) -> Tensor:
    return LAST_INDEX - (keys & LAST_INDEX)
