"""Find the right candidates of each query in a pool of candidates."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from adaptx.data.examples import Examples
from adaptx.errors import UserError
from adaptx.specs import Task


def ranked(queries: Examples, task: Task, pool: Callable[[Sequence[str]], Examples]) -> tuple[Examples, Examples]:
    """Return the queries with an added column `right`, and the candidates to rank.

    `right` holds the ids of each query's right candidates; unlabelled queries do not get the column. The candidates are
    usually the task's pool. Training rows and some development sets have no gold ids, but a column `candidate` with the
    right candidate of each query. All candidates of this column are then ranked, and the pool is not read.

    pool: a function that takes the gold ids of the queries (none if they are unlabelled) and returns the pool,
    including the candidates with these ids.

    Raises:
        UserError: a labelled query has no right candidate.
    """
    golds: list[list[str]]
    if "gold" in queries.columns:
        golds = queries.columns["gold"]
        candidates = pool(list(dict.fromkeys(key for each in golds for key in each)))
    elif "candidate" in queries.columns:
        golds, candidates = _candidates_of_rows(queries)
    else:
        return queries, pool([])
    right = right_candidates(queries, golds, candidates, task.name)
    return replace(queries, columns={**queries.columns, "right": right}), candidates


def _candidates_of_rows(queries: Examples) -> tuple[list[list[str]], Examples]:
    """Return each query's gold ids (always one), and the distinct candidates, which get the ids "0", "1", ..."""
    blank = [""] * len(queries)
    keys = list(zip(queries.columns["candidate"], queries.columns.get("candidate_context", blank), strict=True))
    number = {key: str(place) for place, key in enumerate(dict.fromkeys(keys))}
    first = {key: place for place, key in reversed(list(enumerate(keys)))}
    chosen = queries.take([first[key] for key in number])
    ids = list(number.values())
    columns = {**chosen.columns, "id": ids, "answers": [[name] for name in ids]}
    return [[number[key]] for key in keys], Examples(rows=chosen.rows, columns=columns)


def right_candidates(queries: Examples, golds: Sequence[Sequence[str]], pool: Examples, task: str) -> list[list[str]]:
    """Return the ids of each query's right candidates: all candidates whose `answers` contain a gold id of the query.

    Raises:
        UserError: a query has no right candidate, so no metric can score it.
    """
    right: dict[str, list[str]] = {}
    for name, answered in zip(pool.columns["id"], pool.columns["answers"], strict=True):
        for key in answered:
            right.setdefault(key, []).append(name)
    found = [list(dict.fromkeys(name for key in each for name in right.get(key, ()))) for each in golds]
    without = [place for place, names in enumerate(found) if not names]
    if without:
        asked, known = golds[without[0]], list(right)
        raise UserError(
            f"task {task}: {len(without)} of {len(found)} queries have no right candidate in the pool; the first is "
            f"row {queries.rows[without[0]]}, whose gold id is {', '.join(map(repr, asked))}. The pool's ids are "
            f"{', '.join(map(repr, known[:3]))}{', ...' if len(known) > 3 else ''}. Write ids the same way in both "
            "files, and remove queries that have no candidate"
        )
    return found
