"""Seeded draws of rows: whole clusters, with labels in the proportions of the full set.

A draw depends only on row numbers, labels, clusters and the seed, and is the same on every machine and in every version
of Python and NumPy. A larger draw holds nearly all rows of a smaller one, and removing one row from the set changes
little else in the draw.

Suffixes of tensor and array names, one letter per dimension: R rows.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]

EVALUATION_SEED = 0
"""The seed of every draw of evaluation rows: models trained with different seeds are scored on the same rows."""
_MASK = (1 << 64) - 1
_STEP = 0x9E3779B97F4A7C15


def draw(rows: Sequence[int], clusters: Sequence[int], labels: Sequence[str], most: int, seed: int) -> list[int]:
    """Draw at most `most` of the rows, with labels in the proportions of all rows. Return their positions, ascending.

    Every label has a quota. Clusters are visited in an order that the seed decides. A cluster is drawn whole if its
    rows fit into what is left of the quotas, and skipped otherwise. There are two exceptions, in which rows are drawn
    one by one: those of a cluster that has more rows of a label than the label's whole quota, and those of all skipped
    clusters if whole clusters fill less than half of `most`.

    rows: row numbers in the split, ascending. clusters: the number of each row's cluster, at least 0. labels: the label
    of each row; for rows without labels, the same value for all.
    """
    if len(rows) <= most:
        return list(range(len(rows)))
    names = sorted(set(labels))
    place = {name: number for number, name in enumerate(names)}
    label_R = np.fromiter((place[label] for label in labels), np.int64, len(labels))
    room = in_proportion(np.bincount(label_R).tolist(), most)
    alone_R = -1 - np.asarray(rows, dtype=np.int64)
    cluster_R = np.asarray(clusters, dtype=np.int64)
    cluster_R = np.where(_in_too_large_cluster(cluster_R, label_R, room), alone_R, cluster_R)
    taken_R = _drawn_in_clusters(cluster_R, label_R, room, seed)
    if 2 * int(taken_R.sum()) < most:
        left_R = np.flatnonzero(~taken_R)
        taken_R[left_R] = _drawn_in_clusters(alone_R[left_R], label_R[left_R], room, seed)
    return np.flatnonzero(taken_R).tolist()


def in_proportion(sizes: Sequence[int], total: int) -> list[int]:
    """Split `total` into whole numbers in proportion to sizes, by the largest-remainder method.

    The numbers add up to `total`. Each differs from its exact share by less than one.
    """
    whole = sum(sizes)
    shares = [total * size // whole for size in sizes]
    by_remainder = sorted(range(len(sizes)), key=lambda place: (-(total * sizes[place] % whole), place))
    for place in by_remainder[: total - sum(shares)]:
        shares[place] += 1
    return shares


def lowest(numbers: Sequence[int], most: int, seed: int) -> list[int]:
    """Draw at most `most` of the numbers by the seed, and return them in ascending order."""
    if len(numbers) <= most:
        return list(numbers)
    order = np.argsort(_pseudo_random(np.asarray(numbers, dtype=np.int64), seed), kind="stable")
    return sorted(numbers[place] for place in order[:most])


def permutation(count: int, seed: int) -> list[int]:
    """Return the numbers from 0 to `count` - 1 in an order that the seed decides."""
    return np.argsort(_pseudo_random(np.arange(count, dtype=np.int64), seed), kind="stable").tolist()


def _in_too_large_cluster(cluster_R: Numbers, label_R: Numbers, room: Sequence[int]) -> NDArray[np.bool_]:
    """Return, for each row, whether its cluster has more rows of some label than the label's quota in `room`."""
    pairs, counts = np.unique(cluster_R * len(room) + label_R, return_counts=True)
    over = pairs[counts > np.asarray(room)[pairs % len(room)]] // len(room)
    return np.isin(cluster_R, over)


def _drawn_in_clusters(cluster_R: Numbers, label_R: Numbers, room: list[int], seed: int) -> NDArray[np.bool_]:
    """Draw whole clusters, in an order that the seed decides. Return for each row whether it is drawn.

    room: the quota left for each label, from which the drawn rows are subtracted in place.
    """
    numbers, cluster_R = np.unique(cluster_R, return_inverse=True)
    rank_of_cluster = np.empty(len(numbers), dtype=np.int64)
    rank_of_cluster[np.argsort(_pseudo_random(numbers, seed), kind="stable")] = np.arange(len(numbers))
    order_R = np.argsort(rank_of_cluster[cluster_R], kind="stable")
    labels = label_R[order_R].tolist()
    sizes = np.bincount(cluster_R)[np.argsort(rank_of_cluster)]
    ends = [0, *np.cumsum(sizes).tolist()]
    left, smallest = sum(room), int(sizes.min(initial=1))
    taken_R = np.zeros(len(order_R), dtype=np.bool_)
    for begin, end in pairwise(ends):
        if left < smallest:
            break
        wanted = labels[begin:end]
        if len(wanted) > left:
            continue
        for label in wanted:
            room[label] -= 1
        if min(room[label] for label in wanted) < 0:
            for label in wanted:
                room[label] += 1
            continue
        left -= len(wanted)
        taken_R[order_R[begin:end]] = True
    return taken_R


def _pseudo_random(numbers: Numbers, seed: int) -> NDArray[np.uint64]:
    """Return a pseudo-random number for each of `numbers`. It also depends on the seed.

    Source: the finaliser of SplitMix64 (Steele et al. 2014, section 3).
    """
    # Integer arithmetic gives the same result on every machine and in every version of NumPy.
    start = np.uint64(_splitmix64_finalised((seed * _STEP + _STEP) & _MASK))
    mixed = numbers.astype(np.int64).view(np.uint64) ^ start
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def _splitmix64_finalised(number: int) -> int:
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & _MASK
    return number ^ (number >> 31)
