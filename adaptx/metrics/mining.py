"""Bitext mining by margin: pairs of sentences that are nearer to each other than to their other neighbours.

Artetxe and Schwenk 2019 (arXiv:1811.01136), sections 3.1 and 3.2: ratio margin, candidates of both directions ("max").
Only each sentence's nearest neighbours are needed, so the search may be done in blocks, elsewhere.

Shapes: S source and T target sentences, K neighbours of each, P pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adaptx.metrics.metric import Floats, Metric, check_lengths, f1

NEIGHBOURS = 4
_SOURCE = "xtreme utils_retrieve.py `mine_bitext` and evaluate.py `bucc_f1` (Zweigenbaum et al. 2018; Hu et al. 2020)"


@dataclass(frozen=True)
class Neighbours:
    """The K nearest sentences of the other language for every sentence of one: cosines [N, K] and indices [N, K]."""

    cosines: NDArray[np.floating]
    indices: NDArray[np.integer]


@dataclass(frozen=True)
class MinedPairs:
    """Pairs, best first: source indices [P], target indices [P], margins [P]. No sentence is in two of them."""

    sources: NDArray[np.int64]
    targets: NDArray[np.int64]
    margins: Floats


@dataclass(frozen=True)
class Threshold:
    """A least margin, halfway between two candidates; `at_last` where the best choice is to take all candidates.

    There is no next candidate then, and the value is the last one's margin. (The official code stops at that point.)
    """

    value: float
    at_last: bool = False


def ratio_margins(queries: Neighbours, pool: Neighbours) -> NDArray[np.floating]:
    """Margin [N, K] of every query and neighbour: their cosine over the mean of both's cosines to their neighbours.

    Args:
        queries: neighbours of the N queries in the pool.
        pool: neighbours of the pool's sentences among the queries.
    """
    query_mean_N1 = queries.cosines.mean(axis=1, keepdims=True)
    pool_mean_NK = pool.cosines.mean(axis=1)[queries.indices]
    with np.errstate(divide="ignore", invalid="ignore"):
        return queries.cosines / ((query_mean_N1 + pool_mean_NK) / 2)


def mine(source: Neighbours, target: Neighbours, least_margin: float = 0.0) -> MinedPairs:
    """One-to-one pairs with a margin above `least_margin`.

    Every sentence of either language proposes its best partner; proposals are accepted from the best on, if neither
    sentence is taken. A refused proposal is not replaced by the second best.

    Args:
        source: neighbours [S, K] of the source sentences among the target sentences.
        target: neighbours [T, K] of the target sentences among the source sentences.
        least_margin: pairs below it take their sentences away, but are not returned.

    Source: xtreme utils_retrieve.py `mine_bitext` with retrieval="max", margin="ratio".
    """
    if not len(source.cosines) or not len(target.cosines):
        nobody = np.empty(0, dtype=np.int64)
        return MinedPairs(nobody, nobody, np.empty(0))
    partner_of_source, forward = _best(source, ratio_margins(source, target))
    partner_of_target, backward = _best(target, ratio_margins(target, source))
    sources = np.concatenate([np.arange(len(forward)), partner_of_target])
    targets = np.concatenate([partner_of_source, np.arange(len(backward))])
    margins = np.concatenate([forward, backward])
    taken_source, taken_target = np.zeros(len(forward), dtype=bool), np.zeros(len(backward), dtype=bool)
    kept: list[int] = []
    for proposal in np.argsort(-margins, kind="stable"):
        left, right = sources[proposal], targets[proposal]
        if not taken_source[left] and not taken_target[right]:
            taken_source[left] = taken_target[right] = True
            if margins[proposal] > least_margin:
                kept.append(int(proposal))
    return MinedPairs(sources[kept], targets[kept], margins[kept])


def _best(neighbours: Neighbours, margins_NK: NDArray[np.floating]) -> tuple[NDArray[np.int64], Floats]:
    rows = np.arange(len(margins_NK))
    column = margins_NK.argmax(axis=1)
    return neighbours.indices[rows, column].astype(np.int64), margins_NK[rows, column].astype(np.float64)


def choose_threshold(margins: Sequence[float] | Floats, right: Sequence[bool], num_gold: int) -> Threshold:
    """The threshold with the best F1 on development pairs; 0 where no candidate is right.

    Args:
        margins: of the candidates [P], in any order; equal ones are taken in the order given.
        right: whether each candidate is a gold pair [P].
        num_gold: number of gold pairs.

    Source: xtreme utils_retrieve.py `bucc_optimize`.
    """
    ordered = np.argsort(-np.asarray(margins, dtype=np.float64), kind="stable")
    margins_P = np.asarray(margins, dtype=np.float64)[ordered]
    correct_P = np.asarray(right, dtype=np.float64)[ordered].cumsum()
    if not len(margins_P) or correct_P[-1] == 0:
        return Threshold(0.0)
    precision_P = correct_P / np.arange(1, len(margins_P) + 1)
    recall_P = correct_P / num_gold
    f1_P = 2 * precision_P * recall_P / np.where(correct_P > 0, precision_P + recall_P, 1.0)
    best = int(f1_P.argmax())
    if best + 1 == len(margins_P):
        return Threshold(float(margins_P[best]), at_last=True)
    return Threshold(float((margins_P[best] + margins_P[best + 1]) / 2))


def _counts(predictions: Sequence[int | None], golds: Sequence[Sequence[int]], _language: str) -> Floats:
    check_lengths(predictions, golds)
    counts = np.empty((len(golds), 3))
    for row, (mined, gold) in enumerate(zip(predictions, golds, strict=True)):
        counts[row] = mined is not None and mined in gold, mined is not None, len(set(gold))
    return counts


def _precision(sums: Floats) -> Floats:
    return sums[..., 0] / np.maximum(sums[..., 1], 1)


def _recall(sums: Floats) -> Floats:
    return sums[..., 0] / np.maximum(sums[..., 2], 1)


MINING_F1 = Metric(name="mining_f1", statistics=_counts, value=f1, source=_SOURCE)
MINING_PRECISION = Metric(name="mining_precision", statistics=_counts, value=_precision, source=_SOURCE)
MINING_RECALL = Metric(name="mining_recall", statistics=_counts, value=_recall, source=_SOURCE)
