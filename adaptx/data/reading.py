"""Read the rows of a task: from a local mirror, the user's own files, or the hub."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from adaptx.data.checking import check, trainable_answers
from adaptx.data.drawing import EVALUATION_SEED, lowest
from adaptx.data.examples import Examples, joined
from adaptx.data.file_tables import file_table
from adaptx.data.labels import id_text
from adaptx.data.limiting import limited_rows, shares, training_seed
from adaptx.data.passages import answering_sentences, has_passages, sentence_pool
from adaptx.data.selecting import Kept, kept_rows, select
from adaptx.data.tables import RowTable, hub_table, parquet_table
from adaptx.errors import UserError
from adaptx.sources.sources import Sources
from adaptx.specs import BitextMining, QuestionAnswering, Retrieval, Rows, Task, TaskFormat


def read_rows(rows: Rows, task_format: TaskFormat, sources: Sources, limit: int | None = None) -> Examples:
    """One set's examples with their clusters, checked against the format.

    limit: at most so many rows, drawn by a fixed seed (`adaptx.data.limiting`), so that every model reads the same.

    Raises:
        UserError: a missing file or column, an empty set, or a row that does not fit the format.
    """
    table = open_table(rows, task_format, sources)
    drawn = limited_rows(rows, task_format, table, kept_rows(rows, task_format, table), limit)
    examples = _read(_Set(rows, table, drawn.kept), task_format, limit)
    cluster_of = dict(zip(drawn.kept.rows, drawn.clusters, strict=False))
    return replace(examples, clusters=tuple(cluster_of[row] for row in examples.rows) if cluster_of else ())


def read_all(sets: tuple[Rows, ...], task_format: TaskFormat, sources: Sources, limit: int | None) -> Examples:
    """Several sets one after the other; the limit holds for each."""
    return joined([read_rows(rows, task_format, sources, limit) for rows in sets])


def read_training(task: Task, sources: Sources, limit: int | None = None, seed: int = 0) -> Examples:
    """A task's training examples, at most `limit`, drawn by the seed; several sets give rows in proportion to size.

    Rows whose answer does not stand where they say are recorded in `left_out`.

    Raises:
        UserError: as `read_rows`; the task has no training rows; sets of different roles.
    """
    if not task.train:
        raise UserError(f"task {task.name} has no training rows; it is evaluated, not trained on")
    tables = [open_table(rows, task.format, sources) for rows in task.train]
    sets = list(zip(task.train, tables, strict=True))
    whole = [_Set(rows, table, kept_rows(rows, task.format, table)) for rows, table in sets]
    parts = [
        _few(each, task.format, share, seed)
        for each, share in zip(whole, shares([len(each.kept.rows) for each in whole], limit), strict=True)
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


def read_pool(task: Task, sources: Sources, limit: int | None = None, wanted_ids: Collection[str] = ()) -> Examples:
    """The candidates of a retrieval task: `id`, `answers` (the ids it is right for), `candidate`, `candidate_context`.

    limit: at most so many rows of each set, drawn as `read_rows` does, and those whose id is in `wanted_ids`.

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
        chosen = set(limited_rows(rows, task_format, table, kept, limit).kept.rows)
        ids = table.column(id_column, kept.rows)
        wanted = [row for row, name in zip(kept.rows, ids, strict=True) if row in chosen or id_text(name) in wanted_ids]
        kept = replace(kept, rows=wanted)
    examples = select(rows, task_format, table, kept)
    if has_passages(examples):
        return sentence_pool(examples, rows.language, table.where)
    ids = [None if name is None else id_text(name) for name in examples.columns["id"]]
    columns = {**examples.columns, "id": ids, "answers": [[name] for name in ids]}
    examples = Examples(rows=examples.rows, columns=columns, left_out=examples.left_out)
    check(examples, task_format, table.where)
    return examples


def open_table(rows: Rows, task_format: TaskFormat, sources: Sources) -> RowTable:
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
    table: RowTable
    kept: Kept


def _read(part: _Set, task_format: TaskFormat, limit: int | None) -> Examples:
    examples, where = select(part.rows, task_format, part.table, part.kept), part.table.where
    if isinstance(task_format, Retrieval) and has_passages(examples):
        examples = answering_sentences(examples, where)
    check(examples, task_format, where)
    if isinstance(task_format, BitextMining) and limit is not None:
        return _fewer_sentences(examples, limit)
    return examples


def _few(whole: _Set, task_format: TaskFormat, share: int, seed: int) -> _Set:
    """A training's share of a set, drawn by the seed."""
    if share == len(whole.kept.rows):
        return whole
    drawn = limited_rows(whole.rows, task_format, whole.table, whole.kept, share, training_seed(whole.rows, seed))
    return replace(whole, kept=drawn.kept)


def _fewer_sentences(examples: Examples, limit: int) -> Examples:
    """Mining within at most `limit` gold pairs and, on each side, `limit` other sentences, drawn by a fixed seed."""
    columns: dict[str, list[list[object]]] = {"source": [], "target": [], "gold": []}
    for source, target, gold in zip(*(examples.columns[role] for role in columns), strict=True):
        pairs = [gold[place] for place in lowest(range(len(gold)), limit, EVALUATION_SEED)]
        numbers: list[dict[int, int]] = []
        for side, sentences in enumerate((source, target)):
            paired = {pair[side] for pair in gold}
            others = [number for number in range(1, len(sentences) + 1) if number not in paired]
            chosen = sorted({*(pair[side] for pair in pairs), *lowest(others, limit, EVALUATION_SEED)})
            numbers.append({old: new for new, old in enumerate(chosen, 1)})
            columns["source" if side == 0 else "target"].append([sentences[number - 1] for number in chosen])
        columns["gold"].append([[numbers[0][one], numbers[1][two]] for one, two in pairs])
    return replace(examples, columns=columns)
