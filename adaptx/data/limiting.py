"""Row limits: if a set has more rows than the limit allows, draw the rows that are read."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from zlib import crc32

from adaptx.data.clusters import cluster_numbers, shared_role
from adaptx.data.drawing import EVALUATION_SEED, draw, in_proportion
from adaptx.data.selecting import KeptRows, select
from adaptx.data.tables import RowTable
from adaptx.specs import QuestionAnswering, Rows, TaskFormat


@dataclass(frozen=True)
class LimitedRows:
    """The rows that are read, and the number of each row's cluster. `clusters` is empty if the set has no clusters."""

    kept: KeptRows
    clusters: tuple[int, ...] = ()


def all_rows(rows: Rows, task_format: TaskFormat, table: RowTable, kept: KeptRows) -> LimitedRows:
    """Return every row of a set with its cluster."""
    role = shared_role(rows, task_format)
    if role is None:
        return LimitedRows(kept)
    shared = _columns(rows, task_format, table, kept, (role,))[role]
    return LimitedRows(kept, tuple(cluster_numbers(shared, kept.rows, rows.parallel_group is not None)))


def limited_rows(
    rows: Rows, task_format: TaskFormat, table: RowTable, kept: KeptRows, limit: int | None, seed: int = EVALUATION_SEED
) -> LimitedRows:
    """Draw at most `limit` rows of a set by the seed: whole clusters, with labels in the proportions of all rows.

    In a parallel group, the same row numbers are drawn in every language, because translations have the same labels and
    clusters.
    """
    whole = all_rows(rows, task_format, table, kept)
    if limit is None or len(kept.rows) <= limit:
        return whole
    labels = _labels(rows, task_format, table, kept)
    places = draw(kept.rows, whole.clusters or kept.rows, labels, limit, seed)
    chosen = replace(kept, rows=[kept.rows[place] for place in places])
    return LimitedRows(chosen, tuple(whole.clusters[place] for place in places) if whole.clusters else ())


def training_seed(rows: Rows, seed: int) -> int:
    """Return the seed with which a training draws rows from one of its sets. Sets of a parallel group get the same
    seed, so the same rows are drawn from them. Other sets get a seed that depends on their language, so that a training
    on several translations of one set sees more distinct texts.
    """
    return (seed << 32) + (crc32(rows.language.encode()) if rows.parallel_group is None else 0)


def shares(sizes: Sequence[int], limit: int | None) -> list[int]:
    """Return how many rows are read from each of several sets if a limit applies to their sum.

    All rows are read if the limit allows it. Otherwise rows are read in proportion to the sets' sizes, and, if the
    limit is large enough, at least one from each set that is not empty. `limit` None means all rows.
    """
    if limit is None or sum(sizes) <= limit:
        return list(sizes)
    found = in_proportion(sizes, limit)
    if limit >= sum(size > 0 for size in sizes):
        for place, size in enumerate(sizes):
            if size and not found[place]:
                found[found.index(max(found))] -= 1
                found[place] = 1
    return found


def _labels(rows: Rows, task_format: TaskFormat, table: RowTable, kept: KeptRows) -> list[str]:
    """Return each row's label; for questions "True" or "False", whether there is an answer; otherwise ""."""
    if rows.column("label") is not None:
        return [str(label) for label in _columns(rows, task_format, table, kept, ("label",))["label"]]
    if isinstance(task_format, QuestionAnswering) and task_format.unanswerable and rows.column("answers") is not None:
        return [str(bool(answers)) for answers in _columns(rows, task_format, table, kept, ("answers",))["answers"]]
    return [""] * len(kept.rows)


def _columns(
    rows: Rows, task_format: TaskFormat, table: RowTable, kept: KeptRows, roles: tuple[str, ...]
) -> dict[str, list[Any]]:
    few = replace(rows, columns=tuple(pair for pair in rows.columns if pair[0] in roles))
    return select(few, task_format, table, kept).columns
