"""The k best scores of each row, kept up to date while scores come block by block.

Suffixes: R rows that keep their best k; r, a some of them; t tiles of w scores each, of which p are looked into and s
scores selected; m keys to merge.
"""

from typing import NamedTuple

import torch
from torch import Tensor

LAST_INDEX = 2**32 - 1
# The key of the score -inf and the last index: no other is lower.
NOTHING = -0x7F800001 << 32


class BestMatches(NamedTuple):
    """The k best of each row, best first, on the CPU: scores [R, k] in fp32 and indices [R, k] in int64."""

    scores: Tensor
    indices: Tensor


class BestPairs:
    """The k best pairs of score and index so far, for each of R rows.

    A pair is one int64 key, ordered by the score and, for equal scores, by the lower index: no two keys are equal, so
    selection leaves no tie open.
    """

    def __init__(self, rows: int, k: int, device: torch.device) -> None:
        self.k = k
        self.keys_Rk = torch.full((rows, k), NOTHING, device=device)
        self.least_R = torch.full((rows,), -torch.inf, device=device)

    def update(self, row: int, index: int, tiles_rtw: Tensor, maxima_rt: Tensor, selected_bytes: int) -> None:
        """Take in the scores of the rows from `row` on with what is numbered from `index` on, which must ascend.

        tiles_rtw: the scores cut into tiles, in any layout. maxima_rt: each tile's highest score. selected_bytes: what
        selection may take beside them.
        """
        _, tiles, width = tiles_rtw.shape
        some_r = (maxima_rt.amax(1) > self.least_R[row : row + len(maxima_rt)]).nonzero().squeeze(1)
        # Were every score selected: it, its place, its key and what the key is made of take some 40 bytes.
        at_once = max(1, selected_bytes // (40 * (self.k + tiles * width)))
        for rows_a in some_r.split(at_once):
            self._merge(row + rows_a, *self._selected(row, index, rows_a, tiles_rtw, maxima_rt[rows_a]))

    def _selected(
        self, row: int, index: int, rows_a: Tensor, tiles_rtw: Tensor, maxima_at: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Keys [selected] that may be among the k best, and which of the rows each belongs to, in ascending order."""
        # A later score must exceed the least kept. And k tiles have a maximum of at least `floor`.
        least_a1 = self.least_R[row + rows_a, None]
        tiles, width = tiles_rtw.shape[1:]
        floor_a1 = maxima_at.topk(self.k).values[:, -1:] if self.k <= tiles else torch.full_like(least_a1, -torch.inf)
        row_p, tile_p = ((maxima_at > least_a1) & (maxima_at >= floor_a1)).nonzero().unbind(1)
        scores_pw = tiles_rtw[rows_a[row_p], tile_p]
        at_s, column_s = ((scores_pw > least_a1[row_p]) & (scores_pw >= floor_a1[row_p])).nonzero().unbind(1)
        keys_s = _keys(scores_pw[at_s, column_s], tile_p[at_s] * width + column_s + index)
        return keys_s, row_p[at_s]

    def _merge(self, rows_a: Tensor, keys_s: Tensor, row_s: Tensor) -> None:
        if not len(rows_a):
            return
        counts_a = row_s.bincount(minlength=len(rows_a))
        place_s = torch.arange(len(row_s), device=row_s.device) - (counts_a.cumsum(0) - counts_a)[row_s]
        keys_am = torch.full((len(rows_a), self.k + int(counts_a.max())), NOTHING, device=row_s.device)
        keys_am[:, : self.k] = self.keys_Rk[rows_a]
        keys_am[row_s, self.k + place_s] = keys_s
        keys_ak = keys_am.topk(self.k).values
        self.keys_Rk[rows_a] = keys_ak
        self.least_R[rows_a] = _scores(keys_ak[:, -1])

    def found(self) -> BestMatches:
        keys_Rk = self.keys_Rk.cpu()
        return BestMatches(_scores(keys_Rk), _indices(keys_Rk))


def _keys(scores: Tensor, indices: Tensor) -> Tensor:
    # Adding zero makes -0.0 the equal of 0.0. An fp32's bits are ordered as its values, the negative ones backwards.
    bits = (scores + 0.0).view(torch.int32)
    return ((bits ^ ((bits >> 31) & 0x7FFFFFFF)).long() << 32) | (LAST_INDEX - indices)


def _scores(keys: Tensor) -> Tensor:
    bits = (keys >> 32).int()
    return (bits ^ ((bits >> 31) & 0x7FFFFFFF)).view(torch.float32)


def _indices(keys: Tensor) -> Tensor:
    return LAST_INDEX - (keys & LAST_INDEX)
