"""Read and check all rows of a run before its first stage, so that bad input stops the run at once.

The contents of the rows are stored on the way, as 64 bits per row, so that leaks between sets can be found.
"""

import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from adaptx.data.contents import row_digests
from adaptx.data.examples import Examples
from adaptx.data.golds import right_candidates
from adaptx.errors import UserError
from adaptx.execution.workshop import Workshop
from adaptx.files.left_out import LeftOut
from adaptx.planning.identity import Identities, selection_pool
from adaptx.planning.plan import Node
from adaptx.planning.row_contents import (
    UsedRows,
    contents_file,
    scored_rows,
    stored_contents,
    training_rows,
    used_rows,
    write_contents,
)
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


def store_contents(stages: Iterable[Stage], shop: Workshop) -> None:
    """Store the contents of the rows that stages read, for sets that are local and whose contents are not stored yet.

    The stages of a store that another version of adaptx wrote have no contents.
    """
    reader = _RowChecker(shop)
    for used in used_rows(stages):
        if stored_contents(contents_file(used, shop.store, reader.identities)) is not None:
            continue
        # A stored stage does not need its data any more, so missing or changed data is no error here.
        with contextlib.suppress(UserError):
            if all(reader.identities.place(rows).path is not None for rows in used.sets):
                reader.keep_contents(used, _read(used, shop))


def _read(used: UsedRows, shop: Workshop) -> Examples:
    if used.language is None:
        return shop.rows.training(used.task, used.limit, used.seed or 0)
    return shop.rows.rows(used.sets[0], used.task.format, used.limit)


class _RowChecker:
    def __init__(self, shop: Workshop) -> None:
        self.shop, self.identities = shop, Identities(shop.sources)
        self.left_out: dict[LeftOut, None] = {}
        self._seen: set[object] = set()

    def rows(self, rows: Rows, task: Task, limit: int | None) -> None:
        self.once((rows, task.format, limit), lambda: self.shop.rows.rows(rows, task.format, limit))

    def pool(self, task: Task, limit: int | None) -> None:
        if task.pool and task.format.ranks_pool:
            self.once((task.pool, task.format, limit), lambda: self.shop.rows.pool(task, limit))

    def once(self, key: object, read: Callable[[], Examples], used: UsedRows | None = None) -> None:
        """Read rows unless rows with this key were read before. If `used` is given, store their contents."""
        if key not in self._seen:
            self._seen.add(key)
            examples = read()
            self.left_out.update(dict.fromkeys(examples.left_out))
            if used is not None:
                self.keep_contents(used, examples)

    def keep_contents(self, used: UsedRows, examples: Examples) -> None:
        file = contents_file(used, self.shop.store, self.identities)
        if stored_contents(file) is None:
            write_contents(file, row_digests(examples, used.task.format))


def _check_training(train: Train, reader: _RowChecker) -> None:
    for used in training_rows(train):
        task = used.task
        # With a limit, the rows that are drawn depend on the seed. Without one, all rows are read.
        key = (task.train, task.format, used.limit, used.seed)
        reader.once(key, lambda used=used: _read(used, reader.shop), used)
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
    used = scored_rows(evaluate)
    reader.once(("scored", used.sets, used.task.format, used.limit), lambda: _read(used, reader.shop), used)
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
