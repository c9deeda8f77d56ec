"""Read the rows of a task: from a local mirror, the user's own files, or the hub."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from adaptx.data.checking import check, trainable_answers
from adaptx.data.drawing import EVALUATION_SEED, lowest, permutation
from adaptx.data.examples import Examples, joined
from adaptx.data.file_tables import file_table
from adaptx.data.labels import id_text
from adaptx.data.limiting import limited_rows, shares, training_seed
from adaptx.data.passages import answering_sentences, has_passages, sentence_pool
from adaptx.data.selecting import KeptRows, kept_rows, select
from adaptx.data.tables import RowTable, hub_table, parquet_table
from adaptx.errors import UserError
from adaptx.sources.sources import Sources
from adaptx.specs import BitextMining, QuestionAnswering, Retrieval, Rows, Task, TaskFormat


def read_rows(rows: Rows, task_format: TaskFormat, sources: Sources, limit: int | None = None) -> Examples:
    """Return one set's examples with their clusters, checked against the format.

    limit: the maximum number of rows; None means all rows. Rows are drawn by a fixed seed (`adaptx.data.limiting`), so
    that every model reads the same rows.

    Raises:
        UserError: a file or column is missing, the set is empty, or a row does not fit the format.
    """
    table = open_table(rows, task_format, sources)
    drawn = limited_rows(rows, task_format, table, kept_rows(rows, task_format, table), limit)
    examples = _read(_Set(rows, table, drawn.kept), task_format, limit)
    cluster_of = dict(zip(drawn.kept.rows, drawn.clusters, strict=False))
    return replace(examples, clusters=tuple(cluster_of[row] for row in examples.rows) if cluster_of else ())


def read_all(sets: tuple[Rows, ...], task_format: TaskFormat, sources: Sources, limit: int | None) -> Examples:
    """Return the examples of several sets, one set after the other; `limit` applies to each set."""
    return joined([read_rows(rows, task_format, sources, limit) for rows in sets])


def read_training(task: Task, sources: Sources, limit: int | None = None, seed: int = 0) -> Examples:
    """Return a task's training examples, at most `limit` in all, drawn by the seed.

    From several sets, rows are drawn in proportion to the sets' sizes. If the task has shuffled labels, the labels of
    the drawn rows are then exchanged among them. Question answering rows with a wrong answer
    position are not returned, but recorded in `left_out`.

    Raises:
        UserError: as `read_rows`; the task has no training rows; its sets have different roles.
    """
    if not task.train:
        raise UserError(f"task {task.name} has no training rows; name some in Task(train=...), or only evaluate it")
    tables = [open_table(rows, task.format, sources) for rows in task.train]
    sets = list(zip(task.train, tables, strict=True))
    whole = [_Set(rows, table, kept_rows(rows, task.format, table)) for rows, table in sets]
    parts = [
        _with_drawn_rows(each, task.format, share, seed)
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
        raise UserError(
            f"task {task.name} has no rows to train on, because all were left out. {causes}. Correct the rows, or name "
            "another file"
        )
    return examples if task.shuffled_by is None else _with_shuffled_labels(examples, task.shuffled_by)


def _with_shuffled_labels(examples: Examples, seed: int) -> Examples:
    """Return the examples with their labels exchanged among them in an order that the seed decides."""
    labels = examples.columns["label"]
    shuffled = [labels[place] for place in permutation(len(labels), seed)]
    return replace(examples, columns={**examples.columns, "label": shuffled})


def read_pool(task: Task, sources: Sources, limit: int | None = None, wanted_ids: Collection[str] = ()) -> Examples:
    """Return the candidates of a retrieval task.

    Columns: `id`, `answers` (the gold ids for which the candidate is right), `candidate`, `candidate_context`.

    limit: the maximum number of rows per set, drawn as in `read_rows`. Rows with an id of `wanted_ids` are read, too.

    Raises:
        UserError: as `read_rows`; the task has no pool; two candidates have the same id.
    """
    if not task.pool:
        raise UserError(f"task {task.name} has no candidates to rank; name them in Task(pool=...)")
    pool = joined([_read_pool_set(rows, task.format, sources, limit, frozenset(wanted_ids)) for rows in task.pool])
    seen: set[str] = set()
    for row, name in zip(pool.rows, pool.columns["id"], strict=True):
        if name in seen:
            raise UserError(
                f"the candidates of task {task.name} have the id {name!r} twice (again in row {row}); give every "
                "candidate a different id"
            )
        seen.add(name)
    return pool


def _read_pool_set(
    rows: Rows, task_format: TaskFormat, sources: Sources, limit: int | None, wanted_ids: frozenset[str]
) -> Examples:
    """Return the candidates of one set, with the columns of `read_pool`. Ids may occur twice."""
    table = open_table(rows, task_format, sources)
    kept = kept_rows(rows, task_format, table)
    id_column = rows.column("id")
    if not isinstance(id_column, str):
        raise UserError(
            f"{table.where}: candidates need ids, but no column has the role `id`; name the column in Rows(columns=...)"
        )
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
    """Return the table of a set. Columns of parquet files are read only when they are used.

    Raises:
        UserError: the set is missing, or cannot be read.
    """
    place = sources.rows(rows)
    if place.files:
        names = [name for _, column in rows.columns for name in ((column,) if isinstance(column, str) else column)]
        return file_table(place.files, task_format, names)
    return hub_table(rows, place.commit) if place.path is None else parquet_table(str(place.path))


@dataclass(frozen=True)
class _Set:
    """A set, its open table, and the rows of the table that are read."""

    rows: Rows
    table: RowTable
    kept: KeptRows


def _read(part: _Set, task_format: TaskFormat, limit: int | None) -> Examples:
    """Return the checked examples of a set. `limit` is the maximum number of sentences in bitext mining."""
    examples, where = select(part.rows, task_format, part.table, part.kept), part.table.where
    if isinstance(task_format, Retrieval) and has_passages(examples):
        examples = answering_sentences(examples, where)
    check(examples, task_format, where)
    if isinstance(task_format, BitextMining) and limit is not None:
        return _with_drawn_sentences(examples, limit)
    return examples


def _with_drawn_rows(whole: _Set, task_format: TaskFormat, share: int, seed: int) -> _Set:
    if share == len(whole.kept.rows):
        return whole
    drawn = limited_rows(whole.rows, task_format, whole.table, whole.kept, share, training_seed(whole.rows, seed))
    return replace(whole, kept=drawn.kept)


def _with_drawn_sentences(examples: Examples, limit: int) -> Examples:
    """Draw sentences of bitext mining examples by a fixed seed, and renumber them from 1.

    At most `limit` gold pairs are kept and, per side, at most `limit` sentences that are in no pair.
    """
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
