"""Keep the k best scores of each row while scores arrive block by block.

Most scores of a block cannot be among the best. To skip them cheaply, the scores of a row are cut into tiles, and only
tiles whose maximum may be among the best are searched.

Suffixes of tensor and array names, one letter per dimension: R all rows; r rows of a block, of which a may improve; t
tiles of w scores each, of which p are searched; s selected scores; m keys to merge per row; k keys kept per row.
"""

from typing import NamedTuple

import torch
from torch import Tensor

LAST_INDEX = 2**32 - 1
# The key of the score -inf at the last index, the lowest key of all. It fills places without a score.
NOTHING = -0x7F800001 << 32


class BestMatches(NamedTuple):
    """The k best scores of each row, best first, on the CPU: scores [R, k] in fp32 and indices [R, k] in int64."""

    scores: Tensor
    indices: Tensor


class BestPairs:
    """For each of R rows, the k best pairs of score and index so far.

    A pair is stored as one int64 key. The better pair has the larger key: it has the higher score or, if the scores are
    equal, the lower index. No two pairs of a row have equal keys, so the k best pairs are always the same.
    """

    def __init__(self, rows: int, k: int, device: torch.device) -> None:
        self.k = k
        self.keys_Rk = torch.full((rows, k), NOTHING, device=device)
        self.least_R = torch.full((rows,), -torch.inf, device=device)

    def update(self, row: int, index: int, tiles_rtw: Tensor, maxima_rt: Tensor, selected_bytes: int) -> None:
        """Merge a block of scores into the best pairs of its rows.

        row: the index of the block's first row. index: the index, within a row, of the block's first score. The blocks
        of a row must arrive by ascending index. tiles_rtw: the scores cut into tiles, in any memory layout. maxima_rt:
        the highest score of each tile. selected_bytes: memory for the selection, in addition to these tensors.
        """
        _, tiles, width = tiles_rtw.shape
        some_r = (maxima_rt.amax(1) > self.least_R[row : row + len(maxima_rt)]).nonzero().squeeze(1)
        # In the worst case every score is selected. A selected score, its position, its key and the parts of the key
        # take about 40 bytes.
        at_once = max(1, selected_bytes // (40 * (self.k + tiles * width)))
        for rows_a in some_r.split(at_once):
            self._merge(row + rows_a, *self._selected(row, index, rows_a, tiles_rtw, maxima_rt[rows_a]))

    def _selected(
        self, row: int, index: int, rows_a: Tensor, tiles_rtw: Tensor, maxima_at: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Select the keys [s] that may be among the k best.

        Return the keys, and the position in `rows_a` of the row that each key belongs to. These positions ascend.
        """
        # A score is selected only if it exceeds the lowest kept one (with an equal score, the earlier index wins) and
        # is at least the k-th highest tile maximum: k scores are at least that high.
        least_a1 = self.least_R[row + rows_a, None]
        tiles, width = tiles_rtw.shape[1:]
        floor_a1 = maxima_at.topk(self.k).values[:, -1:] if self.k <= tiles else torch.full_like(least_a1, -torch.inf)
        row_p, tile_p = ((maxima_at > least_a1) & (maxima_at >= floor_a1)).nonzero().unbind(1)
        scores_pw = tiles_rtw[rows_a[row_p], tile_p]
        at_s, column_s = ((scores_pw > least_a1[row_p]) & (scores_pw >= floor_a1[row_p])).nonzero().unbind(1)
        keys_s = _keys(scores_pw[at_s, column_s], tile_p[at_s] * width + column_s + index)
        return keys_s, row_p[at_s]

    def _merge(self, rows_a: Tensor, keys_s: Tensor, row_s: Tensor) -> None:
        """Merge the keys that `_selected` returned into the kept keys of their rows."""
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
        """Return the best pairs of all scores that have arrived so far, best first."""
        keys_Rk = self.keys_Rk.cpu()
        return BestMatches(_scores(keys_Rk), _indices(keys_Rk))


def _keys(scores: Tensor, indices: Tensor) -> Tensor:
    """Return one int64 key per pair: the score in the upper 32 bits, and LAST_INDEX - index in the lower."""
    # Adding zero turns -0.0 into 0.0. The bits of positive fp32 numbers, read as integers, are in the order of the
    # numbers. Those of negative numbers are in reverse order, so all their bits except the sign are flipped.
    bits = (scores + 0.0).view(torch.int32)
    return ((bits ^ ((bits >> 31) & 0x7FFFFFFF)).long() << 32) | (LAST_INDEX - indices)


def _scores(keys: Tensor) -> Tensor:
    bits = (keys >> 32).int()
    return (bits ^ ((bits >> 31) & 0x7FFFFFFF)).view(torch.float32)


def _indices(keys: Tensor) -> Tensor:
    return LAST_INDEX - (keys & LAST_INDEX)
