"""Read the rows of a task: from a local mirror, the user's own files, or the hub."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from adaptx.data.checking import check, trainable_answers
from adaptx.data.examples import Examples, joined
from adaptx.data.file_tables import file_table
from adaptx.data.passages import answering_sentences, has_passages, sentence_pool
from adaptx.data.selecting import Kept, kept_rows, select
from adaptx.data.tables import Table, hub_table, parquet_table
from adaptx.errors import UserError
from adaptx.sources import Sources
from adaptx.specs import BitextMining, QuestionAnswering, Retrieval, Rows, Task, TaskFormat


def read_rows(rows: Rows, task_format: TaskFormat, sources: Sources, limit: int | None = None) -> Examples:
    """One set's examples, checked against the format.

    Raises:
        UserError: a missing file or column, an empty set, or a row that does not fit the format.
    """
    table = open_table(rows, task_format, sources)
    return _read(_Set(rows, table, kept_rows(rows, task_format, table, limit)), task_format, limit)


def read_all(sets: tuple[Rows, ...], task_format: TaskFormat, sources: Sources, limit: int | None) -> Examples:
    """Several sets one after the other; the limit holds for each."""
    return joined([read_rows(rows, task_format, sources, limit) for rows in sets])


def read_training(task: Task, sources: Sources, limit: int | None = None) -> Examples:
    """A task's training examples, at most `limit`: of several sets, each gives its leading rows in proportion to size.

    Rows whose answer does not stand where they say are recorded in `left_out`.

    Raises:
        UserError: as `read_rows`; the task has no training rows; sets of different roles.
    """
    if not task.train:
        raise UserError(f"task {task.name} has no training rows; it is evaluated, not trained on")
    tables = [open_table(rows, task.format, sources) for rows in task.train]
    # One set alone need not be counted to know how much of it is read.
    most = limit if len(tables) == 1 else None
    kept = [kept_rows(rows, task.format, table, most) for rows, table in zip(task.train, tables, strict=True)]
    shares = quotas([len(each.rows) for each in kept], limit)
    parts = [
        _Set(rows, table, replace(each, rows=each.rows[:share]))
        for rows, table, each, share in zip(task.train, tables, kept, shares, strict=True)
        if share
    ]
    read: list[Examples] = []
    for part in parts:
        examples = _read(part, task.format, None)
        if isinstance(task.format, QuestionAnswering):
            examples = trainable_answers(examples, part.table.where)
        read.append(examples)
    examples = joined(read)
    if not len(examples):
        causes = "; ".join(str(each) for each in examples.left_out)
        raise UserError(f"task {task.name} has no rows to train on. {causes}. Correct them, or name another file")
    return examples


def quotas(sizes: Sequence[int], limit: int | None) -> list[int]:
    """How many rows each set gives: all, or shares of `limit` in proportion to size, by largest remainder.

    Each gives at least one where the limit allows it.
    """
    total = sum(sizes)
    if limit is None or total <= limit:
        return list(sizes)
    shares = [limit * size // total for size in sizes]
    by_remainder = sorted(range(len(sizes)), key=lambda place: (-(limit * sizes[place] % total), place))
    for place in by_remainder[: limit - sum(shares)]:
        shares[place] += 1
    if limit >= sum(size > 0 for size in sizes):
        for place, size in enumerate(sizes):
            if size and not shares[place]:
                shares[shares.index(max(shares))] -= 1
                shares[place] = 1
    return shares


def read_pool(task: Task, sources: Sources, limit: int | None = None, wanted_ids: Collection[str] = ()) -> Examples:
    """The candidates of a retrieval task: `id`, `answers` (the ids it is right for), `candidate`, `candidate_context`.

    limit: the leading rows of each set, and those whose id is in `wanted_ids`.

    Raises:
        UserError: as `read_rows`; there is no pool; two candidates of one id.
    """
    if not task.pool:
        raise UserError(f"task {task.name} has no candidates to rank: give Task(pool=...)")
    pool = joined([_read_pool_set(rows, task.format, sources, limit, frozenset(wanted_ids)) for rows in task.pool])
    seen: set[str] = set()
    for row, name in zip(pool.rows, pool.columns["id"], strict=True):
        if name in seen:
            raise UserError(
                f"the candidates of task {task.name} have the id {name!r} twice (again in row {row}); give each its own"
            )
        seen.add(name)
    return pool


def _read_pool_set(
    rows: Rows, task_format: TaskFormat, sources: Sources, limit: int | None, wanted_ids: frozenset[str]
) -> Examples:
    table = open_table(rows, task_format, sources)
    kept = kept_rows(rows, task_format, table)
    id_column = rows.column("id")
    if not isinstance(id_column, str):
        raise UserError(f"{table.where}: candidates need an id: name its column in Rows(columns=...)")
    if limit is not None:
        ids = table.column(id_column, kept.rows)
        wanted = [place < limit or str(name) in wanted_ids for place, name in enumerate(ids)]
        kept = replace(kept, rows=[row for row, is_wanted in zip(kept.rows, wanted, strict=True) if is_wanted])
    examples = select(rows, task_format, table, kept)
    if has_passages(examples):
        return sentence_pool(examples, rows.language, table.where)
    ids = [None if name is None else str(name) for name in examples.columns["id"]]
    columns = {**examples.columns, "id": ids, "answers": [[name] for name in ids]}
    examples = Examples(examples.rows, columns, examples.left_out)
    check(examples, task_format, table.where)
    return examples


def open_table(rows: Rows, task_format: TaskFormat, sources: Sources) -> Table:
    """The set's table, of which nothing is read yet.

    Raises:
        UserError: it is not there, or cannot be read.
    """
    place = sources.rows(rows)
    if place.files:
        names = [name for _, column in rows.columns for name in ((column,) if isinstance(column, str) else column)]
        return file_table(place.files, task_format, names)
    return hub_table(rows, place.commit) if place.path is None else parquet_table(str(place.path))


@dataclass(frozen=True)
class _Set:
    rows: Rows
    table: Table
    kept: Kept


def _read(part: _Set, task_format: TaskFormat, limit: int | None) -> Examples:
    examples, where = select(part.rows, task_format, part.table, part.kept), part.table.where
    if isinstance(task_format, Retrieval) and has_passages(examples):
        examples = answering_sentences(examples, where)
    check(examples, task_format, where)
    if isinstance(task_format, BitextMining) and limit is not None:
        return _fewer_sentences(examples, limit)
    return examples


def _fewer_sentences(examples: Examples, limit: int) -> Examples:
    """Mining within the leading `limit` gold pairs and, on each side, the leading `limit` other sentences."""
    columns: dict[str, list[list[object]]] = {"source": [], "target": [], "gold": []}
    for source, target, gold in zip(*(examples.columns[role] for role in columns), strict=True):
        numbers: list[dict[int, int]] = []
        for side, sentences in enumerate((source, target)):
            paired = {pair[side] for pair in gold}
            others = [number for number in range(1, len(sentences) + 1) if number not in paired][:limit]
            chosen = sorted({*(pair[side] for pair in gold[:limit]), *others})
            numbers.append({old: new for new, old in enumerate(chosen, 1)})
            columns["source" if side == 0 else "target"].append([sentences[number - 1] for number in chosen])
        columns["gold"].append([[numbers[0][one], numbers[1][two]] for one, two in gold[:limit]])
    return replace(examples, columns=columns)
