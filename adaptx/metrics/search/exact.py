"""Exact search: every query's product with every candidate, block by block, of which the best are kept.

Suffixes: Q queries, N candidates, D dimensions, k neighbours kept; G, g queries of one group; C, n candidates of one
block, q queries of one product, whose scores are cut into t tiles of w; P excluded pairs.
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
# Large, since threads that idle between products spin for a while, beside the selection that follows.
MAX_QUERIES = 2_048
MAX_CANDIDATES = 16_384
# Scores per maximum, along rows and down columns: divisors of sides.TILE.
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
    """Scores [Q, k] and indices [Q, k] of the k candidates with the highest inner products; of equal ones, the first.

    Both sides are read by slices and turned into fp32 block by block; products are fp32 whatever precision is set for
    training. It runs where the candidates are, or where the queries are if only these are on an accelerator. On the
    CPU the result does not depend on `memory_bytes`; its threads are OMP_NUM_THREADS.

    centred: subtract each side's own mean vector first. unit: then divide each row by its norm (zero rows stay zero).
    exclude: for each query, the candidates that are not to be found.
    memory_bytes: for blocks and what is made of them, beside the two sides and 8 bytes for each neighbour kept.
    advance: is told how many queries are done, where those that have met some of the candidates count in part.
    Raises UserError for k outside 1 to N (less what is excluded), unequal dimensions, rows that are not finite or so
    long that fp32 may overflow, and a budget too small for the smallest blocks.
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
    """The k best candidates of each query, and the `candidates_k` (None: k) best queries of each candidate.

    The same as `top_k` both ways round, with the same options and errors, from one product instead of two.
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
        raise UserError(f"k={k}: there are {available} {side} to find; ask for 1 to that many")


@dataclass(frozen=True)
class _Blocks:
    """How many rows are worked on at once.

    group: queries kept in fp32 while all candidates pass by. queries, candidates: rows of one product.
    selected_bytes: for the values among which the best are selected.
    """

    group: int
    queries: int
    candidates: int
    selected_bytes: int

    @staticmethod
    def within(memory_bytes: int, num_queries: int, num_candidates: int, dimensions: int) -> "_Blocks":
        """A quarter of the budget each for a group of queries, a block of candidates, their scores and selection."""
        share = memory_bytes // 4
        rows = share // (4 * dimensions)
        group = min(rows, whole_tiles(num_queries)) // TILE * TILE
        candidates = min(rows, share // (4 * TILE), whole_tiles(MAX_CANDIDATES), whole_tiles(num_candidates))
        candidates = candidates // TILE * TILE
        if min(rows, share // (4 * TILE)) < TILE:
            needed = 4 * 4 * TILE * max(dimensions, TILE)
            raise UserError(f"memory_bytes={memory_bytes}: the smallest blocks need {needed}; give at least that")
        queries = min(share // (4 * max(candidates, 1)), whole_tiles(MAX_QUERIES), group) // TILE * TILE
        return _Blocks(group, queries, candidates, share)


@dataclass(frozen=True, kw_only=True)
class _Problem:
    """What is searched for in what, and in which blocks."""

    queries: SearchSide
    candidates: SearchSide
    blocks: _Blocks
    dimensions: int
    device: torch.device

    @staticmethod
    def of(queries: Vectors, candidates: Vectors, unit: bool, centred: bool, memory_bytes: int) -> "_Problem":
        shapes = tuple(queries.shape), tuple(candidates.shape)
        if len(shapes[0]) != 2 or len(shapes[1]) != 2 or shapes[0][1] != shapes[1][1] or not shapes[0][1]:
            raise UserError(
                f"queries of shape {shapes[0]} and candidates of shape {shapes[1]}: give [Q, D] and [N, D], D the same"
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
    """P pairs of a query and a candidate, by query; starts: where each query's pairs begin, and P."""

    starts: list[int]
    queries_P: Tensor
    candidates_P: Tensor

    @staticmethod
    def of(exclude: Sequence[Sequence[int]], problem: _Problem, k: int) -> "_Excluded":
        num_queries, num_candidates = len(problem.queries), len(problem.candidates)
        if len(exclude) != num_queries:
            raise UserError(f"exclude holds {len(exclude)} lists for {num_queries} queries; give each one, maybe empty")
        lists = [np.unique(np.asarray(some, dtype=np.int64)) for some in exclude]
        for query, some in enumerate(lists):
            if len(some) and not 0 <= some[0] <= some[-1] < num_candidates:
                raise UserError(
                    f"exclude[{query}] names {some[0]} to {some[-1]}, and candidates are 0 to {num_candidates - 1}: "
                    "give indices of candidates"
                )
            if num_candidates - len(some) < k:
                raise UserError(
                    f"k={k}: exclude[{query}] leaves {num_candidates - len(some)} of {num_candidates} candidates; "
                    "ask for fewer or exclude less"
                )
        counts = np.asarray([len(some) for some in lists], dtype=np.int64)
        return _Excluded(
            [0, *counts.cumsum().tolist()],
            torch.from_numpy(np.repeat(np.arange(num_queries), counts)).to(problem.device),
            torch.from_numpy(np.concatenate([np.empty(0, dtype=np.int64), *lists])).to(problem.device),
        )

    def hide(self, scores_qn: Tensor, query: int, candidate: int) -> None:
        """Set the excluded pairs' scores to -inf, in the scores of the queries and candidates from these two on."""
        pairs = slice(self.starts[query], self.starts[min(query + len(scores_qn), len(self.starts) - 1)])
        columns_P = self.candidates_P[pairs] - candidate
        here_P = (columns_P >= 0) & (columns_P < scores_qn.shape[1])
        scores_qn[self.queries_P[pairs][here_P] - query, columns_P[here_P]] = -torch.inf


@torch.no_grad()
def _search(
    problem: _Problem, best_Q: BestPairs, best_N: BestPairs | None, excluded: _Excluded | None, advance: Advance | None
) -> None:
    """Fill in the best of each query and, where asked for, of each candidate."""
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
    """Inner products in fp32, also where autocast, TF32 or bf16 is on for training."""
    # On the CPU too: oneDNN rounds to bf16 there where the processor has instructions for it. NumPy's OpenBLAS is 7 %
    # faster on some processors, but its last bit depends on where in its block a row lies; that of torch's does not.
    on_cpu = scores_qn.device.type == "cpu"
    backends: Any = torch.backends
    backend = backends.mkldnn.matmul if on_cpu else backends.cuda.matmul
    before = backend.fp32_precision
    backend.fp32_precision = "ieee"
    try:
        # Autocast leaves a product with `out` alone.
        torch.mm(queries_qD, candidates_nD.T, out=scores_qn)
    finally:
        backend.fp32_precision = before
