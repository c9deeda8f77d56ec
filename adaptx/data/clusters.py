"""Clusters: which rows of a set share a premise, a context or a passage.

Rows that share one are not independent. A row limit takes them together, and the report resamples them together.
"""

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any

from adaptx.specs import Rows, TaskFormat
from adaptx.specs.task import CLUSTER_ROLE

REGULAR_SHARE = 0.9


def shared_role(rows: Rows, task_format: TaskFormat) -> str | None:
    """The role by whose value the rows of a set are one cluster; None where they share nothing."""
    roles = (CLUSTER_ROLE, *task_format.shared_roles)
    return next((role for role in roles if rows.column(role) is not None), None)


def cluster_numbers(values: Sequence[Any], rows: Sequence[int], parallel: bool) -> list[int]:
    """Return a number for each row's cluster: that of its first row in the split.

    values: what rows may share. A blank one, or one that is no text, is shared with no other row.
    parallel: the set is one of several whose rows translate one another. Their clusters must agree, and two premises
    that differ in one language may read alike in another. So a cluster ends where the text changes, and equal texts
    that are not neighbours are two. If nearly all clusters are of one size, as three hypotheses for each premise, all
    are taken to be of that size, and it no longer matters that two neighbours read alike.
    """
    if parallel:
        return _neighbours(values, rows)
    first: dict[str, int] = {}
    return [
        first.setdefault(value, row) if isinstance(value, str) and value.strip() else row
        for value, row in zip(values, rows, strict=True)
    ]


def _neighbours(values: Sequence[Any], rows: Sequence[int]) -> list[int]:
    """Clusters of neighbouring rows: blocks of one size if nearly all are, else as far as texts are equal."""
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
