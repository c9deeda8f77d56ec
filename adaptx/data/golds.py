"""The right candidates of queries, among a pool of candidates."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from adaptx.data.examples import Examples
from adaptx.errors import UserError
from adaptx.specs import Task


def ranked(queries: Examples, task: Task, pool: Callable[[Sequence[str]], Examples]) -> tuple[Examples, Examples]:
    """Return the queries with the ids of their right candidates (`right`), and the candidates that are ranked for them.

    Those are the task's pool; rows in the form of training rows, as development sets have them, are ranked among their
    own candidates. Unlabelled rows have no `right`. pool: ids that are asked for -> the pool, with at least these.
    """
    golds: list[list[str]]
    if "gold" in queries.columns:
        golds = queries.columns["gold"]
        candidates = pool(list(dict.fromkeys(key for each in golds for key in each)))
    elif "candidate" in queries.columns:
        golds, candidates = _own_candidates(queries)
    else:
        return queries, pool([])
    right = right_candidates(queries, golds, candidates, task.name)
    return replace(queries, columns={**queries.columns, "right": right}), candidates


def _own_candidates(queries: Examples) -> tuple[list[list[str]], Examples]:
    """Return the id that each query asks for, and the distinct candidates of the rows."""
    blank = [""] * len(queries)
    keys = list(zip(queries.columns["candidate"], queries.columns.get("candidate_context", blank), strict=True))
    number = {key: str(place) for place, key in enumerate(dict.fromkeys(keys))}
    first = {key: place for place, key in reversed(list(enumerate(keys)))}
    chosen = queries.take([first[key] for key in number])
    ids = list(number.values())
    columns = {**chosen.columns, "id": ids, "answers": [[name] for name in ids]}
    return [[number[key]] for key in keys], Examples(rows=chosen.rows, columns=columns)


def right_candidates(queries: Examples, golds: Sequence[Sequence[str]], pool: Examples, task: str) -> list[list[str]]:
    """Ids of each query's right candidates: all that answer one of the ids it asks for.

    Raises:
        UserError: a query without any, which no metric can score.
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
            f"row {queries.rows[without[0]]}, whose gold is {', '.join(map(repr, asked))}. The pool's ids are "
            f"{', '.join(map(repr, known[:3]))}{', ...' if len(known) > 3 else ''}: write ids alike in both files, and "
            "leave queries without a candidate out"
        )
    return found
