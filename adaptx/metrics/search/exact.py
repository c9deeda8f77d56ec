"""Exact search: compute the products of all queries and candidates block by block, and keep the best of each query.

A group of queries stays in memory in fp32 while all candidates are read, block by block. Each product covers a block of
candidates and some queries of the group. `BestPairs` keeps the best scores.

Suffixes of tensor and array names, one letter per dimension: Q queries, N candidates, D dimensions, k neighbours kept;
g queries of one group; n candidates of one block; q queries of one product, whose scores are cut into t tiles of w; G,
C rows of the buffers for queries and candidates; P excluded pairs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adaptx.errors import UserError
from adaptx.metrics.search.best import LAST_INDEX, BestMatches, BestPairs
from adaptx.metrics.search.sides import TILE, SearchSide, Vectors, common_device, whole_tiles

MEMORY_BYTES = 512 * 2**20
# Products are large because the BLAS threads of a finished product still spin for a while and slow down the selection
# that follows.
MAX_QUERIES = 2_048
MAX_CANDIDATES = 16_384
# Numbers of scores per tile, along rows (per query) and down columns (per candidate): divisors of sides.TILE.
ROW_TILE = 32
COLUMN_TILE = 16

Advance = Callable[[int], object]


def top_k(
    queries_QD: Vectors,
    candidates_ND: Vectors,
    k: int,
    *,
    unit: bool = False,
    centred: bool = False,
    exclude: Sequence[Sequence[int]] | None = None,
    memory_bytes: int = MEMORY_BYTES,
    advance: Advance | None = None,
) -> BestMatches:
    """Return, for each query, the scores [Q, k] and indices [Q, k] of the k candidates with the highest inner products.

    Among candidates with equal scores, the first wins. Products are computed in fp32, whatever precision is set for
    training. The search runs on the candidates' device, or on the queries' device if only the queries are on an
    accelerator. On the CPU the result does not depend on `memory_bytes`.

    Args:
        queries_QD: the queries.
        candidates_ND: the candidates.
        k: number of candidates per query.
        unit: whether each row is divided by its norm, after centring (zero rows stay zero).
        centred: whether each side's own mean vector is subtracted from its rows.
        exclude: for each query, the indices of candidates that must not be found.
        memory_bytes: memory for blocks and the values computed from them. The two sides, and 8 bytes for each kept
            neighbour, need memory in addition.
        advance: a function that is called with the number of queries finished so far. A query that has been compared
            with half of the candidates counts as half a query.

    Raises:
        UserError: k is not between 1 and N (less the excluded candidates), the dimensions differ, a row is not finite
            or so long that fp32 may overflow, or `memory_bytes` is too small for the smallest blocks.
    """
    problem = _Problem.of(queries_QD, candidates_ND, unit, centred, memory_bytes)
    _check(k, len(problem.candidates), "candidates")
    excluded = None if exclude is None else _Excluded.of(exclude, problem, k)
    queries = BestPairs(len(problem.queries), k, problem.device)
    _search(problem, queries, None, excluded, advance)
    return queries.found()


def top_k_both(
    queries_QD: Vectors,
    candidates_ND: Vectors,
    k: int,
    *,
    candidates_k: int | None = None,
    unit: bool = False,
    centred: bool = False,
    memory_bytes: int = MEMORY_BYTES,
    advance: Advance | None = None,
) -> tuple[BestMatches, BestMatches]:
    """Return the k best candidates of each query, and the `candidates_k` best queries of each candidate.

    `candidates_k` None means k. The results equal those of two calls of `top_k`, one per direction, but every product
    is computed once instead of twice. The other options and the errors are those of `top_k`.
    """
    problem = _Problem.of(queries_QD, candidates_ND, unit, centred, memory_bytes)
    candidates_k = k if candidates_k is None else candidates_k
    _check(k, len(problem.candidates), "candidates")
    _check(candidates_k, len(problem.queries), "queries")
    queries = BestPairs(len(problem.queries), k, problem.device)
    candidates = BestPairs(len(problem.candidates), candidates_k, problem.device)
    _search(problem, queries, candidates, None, advance)
    return queries.found(), candidates.found()


def _check(k: int, available: int, side: str) -> None:
    if not 1 <= k <= available:
        raise UserError(f"k={k} is impossible, because there are {available} {side}; give a k from 1 to that number")


@dataclass(frozen=True)
class _Blocks:
    """The sizes of the blocks of a search.

    group: the number of queries that stay in memory in fp32 while all candidates are read. queries, candidates: the
    numbers of queries and candidates in one product. selected_bytes: memory for the selection of the best scores.
    """

    group: int
    queries: int
    candidates: int
    selected_bytes: int

    @staticmethod
    def within(memory_bytes: int, num_queries: int, num_candidates: int, dimensions: int) -> "_Blocks":
        """Return the largest blocks that fit into `memory_bytes`.

        Raises:
            UserError: `memory_bytes` is too small for the smallest blocks.
        """
        share = memory_bytes // 4
        rows = share // (4 * dimensions)
        group = min(rows, whole_tiles(num_queries)) // TILE * TILE
        candidates = min(rows, share // (4 * TILE), whole_tiles(MAX_CANDIDATES), whole_tiles(num_candidates))
        candidates = candidates // TILE * TILE
        if min(rows, share // (4 * TILE)) < TILE:
            needed = 4 * 4 * TILE * max(dimensions, TILE)
            raise UserError(f"memory_bytes={memory_bytes}: the smallest blocks need {needed} bytes; give at least this")
        queries = min(share // (4 * max(candidates, 1)), whole_tiles(MAX_QUERIES), group) // TILE * TILE
        return _Blocks(group, queries, candidates, share)


@dataclass(frozen=True, kw_only=True)
class _Problem:
    """The two sides of a search, its device and its block sizes."""

    queries: SearchSide
    candidates: SearchSide
    blocks: _Blocks
    dimensions: int
    device: torch.device

    @staticmethod
    def of(queries: Vectors, candidates: Vectors, unit: bool, centred: bool, memory_bytes: int) -> "_Problem":
        """Check the shapes of the two sides, and choose the device and the block sizes.

        Raises:
            UserError: the shapes do not fit, or `memory_bytes` is too small.
        """
        shapes = tuple(queries.shape), tuple(candidates.shape)
        if len(shapes[0]) != 2 or len(shapes[1]) != 2 or shapes[0][1] != shapes[1][1] or not shapes[0][1]:
            raise UserError(
                f"queries of shape {shapes[0]} and candidates of shape {shapes[1]} cannot be compared; give [Q, D] and "
                "[N, D] with the same D"
            )
        (num_queries, dimensions), (num_candidates, _) = shapes
        assert max(num_queries, num_candidates) <= LAST_INDEX, "a key holds an index of 32 bits"
        blocks = _Blocks.within(memory_bytes, num_queries, num_candidates, dimensions)
        device = common_device(candidates, queries)
        sides = [
            SearchSide.of(name, vectors, unit, centred, device)
            for name, vectors in (("queries", queries), ("candidates", candidates))
        ]
        return _Problem(queries=sides[0], candidates=sides[1], blocks=blocks, dimensions=dimensions, device=device)


@dataclass(frozen=True)
class _Excluded:
    """P excluded pairs of a query and a candidate, in the order of the queries.

    starts: the position of each query's first pair, then P: [0, 2, 3] if query 0 has two pairs and query 1 has one.
    """

    starts: list[int]
    queries_P: Tensor
    candidates_P: Tensor

    @staticmethod
    def of(exclude: Sequence[Sequence[int]], problem: _Problem, k: int) -> "_Excluded":
        """Return the excluded pairs. `exclude` has a list of candidates for each query; repeated indices count once.

        Raises:
            UserError: there is not one list per query, an index is not that of a candidate, or a query keeps fewer than
                `k` candidates.
        """
        num_queries, num_candidates = len(problem.queries), len(problem.candidates)
        if len(exclude) != num_queries:
            raise UserError(
                f"exclude has {len(exclude)} lists for {num_queries} queries; give one list per query, "
                "empty if nothing is excluded"
            )
        lists = [np.unique(np.asarray(some, dtype=np.int64)) for some in exclude]
        for query, some in enumerate(lists):
            if len(some) and not 0 <= some[0] <= some[-1] < num_candidates:
                raise UserError(
                    f"exclude[{query}] has indices from {some[0]} to {some[-1]}, but candidates are numbered from 0 to "
                    f"{num_candidates - 1}; give indices of candidates"
                )
            if num_candidates - len(some) < k:
                raise UserError(
                    f"k={k}: exclude[{query}] leaves {num_candidates - len(some)} of {num_candidates} candidates; give "
                    "a smaller k, or exclude fewer"
                )
        counts = np.asarray([len(some) for some in lists], dtype=np.int64)
        return _Excluded(
            [0, *counts.cumsum().tolist()],
            torch.from_numpy(np.repeat(np.arange(num_queries), counts)).to(problem.device),
            torch.from_numpy(np.concatenate([np.empty(0, dtype=np.int64), *lists])).to(problem.device),
        )

    def hide(self, scores_qn: Tensor, query: int, candidate: int) -> None:
        """Set excluded pairs to -inf. `scores_qn[0, 0]` is the score of query `query` and candidate `candidate`."""
        pairs = slice(self.starts[query], self.starts[min(query + len(scores_qn), len(self.starts) - 1)])
        columns_P = self.candidates_P[pairs] - candidate
        here_P = (columns_P >= 0) & (columns_P < scores_qn.shape[1])
        scores_qn[self.queries_P[pairs][here_P] - query, columns_P[here_P]] = -torch.inf


@torch.no_grad()
def _search(
    problem: _Problem, best_Q: BestPairs, best_N: BestPairs | None, excluded: _Excluded | None, advance: Advance | None
) -> None:
    """Compute all products and update the best pairs of each query and, unless `best_N` is None, of each candidate."""
    blocks, num_queries, num_candidates = problem.blocks, len(problem.queries), len(problem.candidates)

    def room(*shape: int) -> Tensor:
        return torch.empty(shape, device=problem.device)

    group_GD, candidates_CD = room(blocks.group, problem.dimensions), room(blocks.candidates, problem.dimensions)
    scores = room(blocks.queries * blocks.candidates)
    for group in range(0, num_queries, max(blocks.group, 1)):
        group_gD = problem.queries.read(group, group_GD)
        for candidate in range(0, num_candidates, blocks.candidates):
            candidates_nD = problem.candidates.read(candidate, candidates_CD)
            for at in range(0, len(group_gD), blocks.queries):
                queries_qD, query = group_gD[at : at + blocks.queries], group + at
                scores_qn = scores[: len(queries_qD) * len(candidates_nD)].view(len(queries_qD), -1)
                _products(queries_qD, candidates_nD, scores_qn)
                scores_qn[num_queries - query :] = -torch.inf
                scores_qn[:, num_candidates - candidate :] = -torch.inf
                if excluded:
                    excluded.hide(scores_qn, query, candidate)
                tiles_qtw = scores_qn[: num_queries - query].unflatten(1, (-1, ROW_TILE))
                best_Q.update(query, candidate, tiles_qtw, tiles_qtw.amax(2), blocks.selected_bytes)
                if best_N:
                    tiles_twn = scores_qn[:, : num_candidates - candidate].unflatten(0, (-1, COLUMN_TILE))
                    tiles_ntw, maxima_nt = tiles_twn.permute(2, 0, 1), tiles_twn.amax(1).T
                    best_N.update(candidate, query, tiles_ntw, maxima_nt, blocks.selected_bytes)
            if advance:
                met = min(candidate + blocks.candidates, num_candidates) / num_candidates
                advance(group + int(met * min(blocks.group, num_queries - group)))


def _products(queries_qD: Tensor, candidates_nD: Tensor, scores_qn: Tensor) -> None:
    """Write the inner products to `scores_qn`, in full fp32 even if training uses autocast, TF32 or bf16."""
    # The precision is set on the CPU, too, because oneDNN may round to bf16 on processors with instructions for it.
    # NumPy's OpenBLAS is 7 % faster on some processors, but there the last bit of a product depends on the position of
    # its row in the block. With torch it does not.
    on_cpu = scores_qn.device.type == "cpu"
    backends: Any = torch.backends
    backend = backends.mkldnn.matmul if on_cpu else backends.cuda.matmul
    before = backend.fp32_precision
    backend.fp32_precision = "ieee"
    try:
        # Autocast does not change a product that is written to `out`.
        torch.mm(queries_qD, candidates_nD.T, out=scores_qn)
    finally:
        backend.fp32_precision = before
