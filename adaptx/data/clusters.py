"""Clusters: rows of a set that share a premise, a context or a passage.

Rows that share a text are not independent. A row limit draws whole clusters, and the report resamples whole clusters.
"""

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any

from adaptx.specs import Rows, TaskFormat
from adaptx.specs.task import CLUSTER_ROLE

# Share of rows that must agree with blocks of one size before a parallel set is cut into such blocks.
REGULAR_SHARE = 0.9


def shared_role(rows: Rows, task_format: TaskFormat) -> str | None:
    """Return the role, such as `premise`, by which a set's rows are clustered: rows with the same value form a cluster.
    None means that the set has no column for such a role, and so no clusters.
    """
    roles = (CLUSTER_ROLE, *task_format.shared_roles)
    return next((role for role in roles if rows.column(role) is not None), None)


def cluster_numbers(values: Sequence[Any], rows: Sequence[int], parallel: bool) -> list[int]:
    """Return, for each row, the number of its cluster: the row number of the cluster's first row in the split.

    values: each row's shared text, such as its premise. A row with a blank text, or with a value that is not a text, is
    a cluster of its own.
    rows: each row's number in the split, ascending.
    parallel: whether the set is one of several sets with translations of the same rows. The clusters of these sets have
    to agree, although two premises that differ in English may have the same translation in Thai. A cluster of a
    parallel set therefore consists of neighbouring rows only. If nearly all clusters have the same size, such as three
    hypotheses per premise, the set is cut into blocks of this size.
    """
    if parallel:
        return _neighbour_clusters(values, rows)
    first: dict[str, int] = {}
    return [
        first.setdefault(value, row) if isinstance(value, str) and value.strip() else row
        for value, row in zip(values, rows, strict=True)
    ]


def _neighbour_clusters(values: Sequence[Any], rows: Sequence[int]) -> list[int]:
    """Return each row's cluster, which consists of neighbouring rows with equal texts.

    If nearly all of these clusters have the same size, such as 3, all rows are cut into blocks of 3 instead.
    """
    starts = [True]
    for before, value in itertools.pairwise(values):
        starts.append(value != before or not isinstance(value, str) or not value.strip())
    begins = [row for row, begins in zip(rows, starts, strict=True) if begins]
    counts = Counter(after - before for before, after in itertools.pairwise(begins))
    size = min(counts, key=lambda length: (-counts[length], length), default=1)
    blocks = [row - row % size for row in rows]
    in_blocks = [True, *(after != before for before, after in itertools.pairwise(blocks))]
    agreeing = sum(one == other for one, other in zip(starts[1:], in_blocks[1:], strict=True))
    if agreeing >= REGULAR_SHARE * (len(rows) - 1):
        return blocks
    found: list[int] = []
    for row, begins_here in zip(rows, starts, strict=True):
        found.append(row if begins_here else found[-1])
    return found
