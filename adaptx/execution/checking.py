"""Read and check all rows of a run before its first stage, so that bad input stops the run at once."""

from collections.abc import Callable, Sequence
from typing import Any

from adaptx.data.examples import Examples
from adaptx.data.golds import right_candidates
from adaptx.execution.workshop import Workshop
from adaptx.files.left_out import LeftOut
from adaptx.planning.identity import selection_pool
from adaptx.planning.plan import Node
from adaptx.sources.sources import is_local
from adaptx.specs import Best, Evaluate, Merge, Rows, Stage, Task, Train


def check_rows(nodes: Sequence[Node], shop: Workshop) -> list[LeftOut]:
    """Read and check all rows that the stages will read. Return what was left out of them, without repeats.

    Raises:
        UserError: rows or columns are missing or wrong.
    """
    reader = _RowChecker(shop)
    for node in nodes:
        CHECK[type(node.stage)](node.stage, reader)
    return list(reader.left_out)


class _RowChecker:
    def __init__(self, shop: Workshop) -> None:
        self.shop = shop
        self.left_out: dict[LeftOut, None] = {}
        self._seen: set[object] = set()

    def rows(self, rows: Rows, task: Task, limit: int | None) -> None:
        self.once((rows, task.format, limit), lambda: self.shop.rows.rows(rows, task.format, limit))

    def pool(self, task: Task, limit: int | None) -> None:
        if task.pool and task.format.ranks_pool:
            self.once((task.pool, task.format, limit), lambda: self.shop.rows.pool(task, limit))

    def once(self, key: object, read: Callable[[], Examples]) -> None:
        if key not in self._seen:
            self._seen.add(key)
            self.left_out.update(dict.fromkeys(read().left_out))


def _check_training(train: Train, reader: _RowChecker) -> None:
    for task in train.tasks:
        # With a limit, the rows that are drawn depend on the seed. Without one, all rows are read.
        drawn = (train.limit, train.draw_seed) if train.limit is not None else None
        reader.once(
            (task.train, task.format, drawn),
            lambda task=task: reader.shop.rows.training(task, train.limit, train.draw_seed),
        )
        if isinstance(train.config.selection, Best):
            _check_development(task, None, reader)


def _check_merge(merge: Merge, reader: _RowChecker) -> None:
    if (search := merge.rule.search) is not None:
        _check_development(search.task, search.limit, reader)


def _check_development(task: Task, limit: int | None, reader: _RowChecker) -> None:
    for rows in task.development:
        reader.rows(rows, task, limit)
    if selection_pool(task):
        reader.pool(task, limit)


def _check_evaluation(evaluate: Evaluate, reader: _RowChecker) -> None:
    reader.rows(evaluate.task.rows_in(evaluate.language), evaluate.task, evaluate.limit)
    reader.pool(evaluate.task, evaluate.limit)
    _check_golds(evaluate, reader.shop)


def _check_golds(stage: Evaluate, shop: Workshop) -> None:
    """If all rows come from the user's own files, check that the pool has a right candidate for each query."""
    task, rows = stage.task, stage.task.rows_in(stage.language)
    if not task.pool or not all(is_local(each) for each in (rows, *task.pool)):
        return
    queries = shop.rows.rows(rows, task.format, stage.limit)
    if "gold" in queries.columns:
        golds: list[list[str]] = queries.columns["gold"]
        wanted = {key for each in golds for key in each}
        right_candidates(queries, golds, shop.rows.pool(task, stage.limit, wanted), task.name)


CHECK: dict[type[Stage], Callable[[Any, _RowChecker], None]] = {
    Train: _check_training,
    Merge: _check_merge,
    Evaluate: _check_evaluation,
}
