"""Bitext mining by margin: find pairs of sentences that are nearer to each other than to their other neighbours.

Artetxe and Schwenk 2019 (arXiv:1811.01136), sections 3.1 and 3.2: ratio margin, with candidates of both directions
("max"). Some sentences are near to many others, so their cosines are high even without a translation. The margin
corrects for that: it divides the cosine of a pair by the mean cosine of both sentences to their nearest neighbours.

Suffixes of tensor and array names, one letter per dimension: S source and T target sentences, K neighbours of each, P
pairs.
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
    """For each of N sentences, its K nearest sentences in the other language: cosines [N, K] and indices [N, K]."""

    cosines: NDArray[np.floating]
    indices: NDArray[np.integer]


@dataclass(frozen=True)
class MinedPairs:
    """Mined pairs, best first: source indices [P], target indices [P], margins [P]. No sentence is in two pairs."""

    sources: NDArray[np.int64]
    targets: NDArray[np.int64]
    margins: Floats


@dataclass(frozen=True)
class Threshold:
    """The lowest accepted margin, such as 1.05 if the last accepted candidate has 1.1 and the first refused one 1.0.

    value: this margin; 0 if no candidate is a gold pair. at_last: whether it is best to accept all candidates. `value`
    is then the margin of the last candidate. (The official code stops with an error in this case.)
    """

    value: float
    at_last: bool = False


def ratio_margins(queries: Neighbours, pool: Neighbours) -> NDArray[np.floating]:
    """Return the margin of each query and each of its neighbours [N, K].

    The margin is the cosine of the two, divided by the mean of two numbers: the query's mean cosine to its neighbours,
    and the neighbour's mean cosine to its own neighbours.

    Args:
        queries: for each of the N queries, its neighbours in the pool.
        pool: for each sentence of the pool, its neighbours among the queries.
    """
    query_mean_N1 = queries.cosines.mean(axis=1, keepdims=True)
    pool_mean_NK = pool.cosines.mean(axis=1)[queries.indices]
    with np.errstate(divide="ignore", invalid="ignore"):
        return queries.cosines / ((query_mean_N1 + pool_mean_NK) / 2)


def mine(source: Neighbours, target: Neighbours, least_margin: float = 0.0) -> MinedPairs:
    """Return one-to-one pairs with a margin above `least_margin`.

    Every sentence of either language proposes a pair with its neighbour of the highest margin. The proposals are
    visited from the highest margin to the lowest, and a proposal is accepted if neither of its sentences is in an
    accepted pair. A sentence whose proposal is refused does not propose its second-best neighbour.

    Args:
        source: neighbours [S, K] of the source sentences among the target sentences.
        target: neighbours [T, K] of the target sentences among the source sentences.
        least_margin: the margin that a returned pair must exceed. Other accepted pairs are not returned, but
            their sentences still count as taken.

    Source: xtreme utils_retrieve.py `mine_bitext` with retrieval="max", margin="ratio".
    """
    if not len(source.cosines) or not len(target.cosines):
        nobody = np.empty(0, dtype=np.int64)
        return MinedPairs(nobody, nobody, np.empty(0))
    partner_of_source, forward = _best_neighbours(source, ratio_margins(source, target))
    partner_of_target, backward = _best_neighbours(target, ratio_margins(target, source))
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


def _best_neighbours(neighbours: Neighbours, margins_NK: NDArray[np.floating]) -> tuple[NDArray[np.int64], Floats]:
    """Return, for each of N sentences, the index of its neighbour with the highest margin [N], and that margin [N]."""
    rows = np.arange(len(margins_NK))
    column = margins_NK.argmax(axis=1)
    return neighbours.indices[rows, column].astype(np.int64), margins_NK[rows, column].astype(np.float64)


def choose_threshold(margins: Sequence[float] | Floats, right: Sequence[bool], num_gold: int) -> Threshold:
    """Return the threshold with the best F1 on development pairs. If no candidate is a gold pair, return 0.

    Args:
        margins: margins of the candidates [P], in any order. Candidates with equal margins are accepted in their order.
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


def _pair_counts(predictions: Sequence[int | None], golds: Sequence[Sequence[int]], _language: str) -> Floats:
    """Return the numbers of correct, predicted and gold pairs per source sentence.

    A prediction is the index of a target sentence, or None.
    """
    check_lengths(predictions, golds)
    counts = np.empty((len(golds), 3))
    for row, (mined, gold) in enumerate(zip(predictions, golds, strict=True)):
        counts[row] = mined is not None and mined in gold, mined is not None, len(set(gold))
    return counts


def _precision(sums: Floats) -> Floats:
    return sums[..., 0] / np.maximum(sums[..., 1], 1)


def _recall(sums: Floats) -> Floats:
    return sums[..., 0] / np.maximum(sums[..., 2], 1)


MINING_F1 = Metric(name="mining_f1", statistics=_pair_counts, value=f1, source=_SOURCE)
MINING_PRECISION = Metric(name="mining_precision", statistics=_pair_counts, value=_precision, source=_SOURCE)
MINING_RECALL = Metric(name="mining_recall", statistics=_pair_counts, value=_recall, source=_SOURCE)
