"""The right candidates of queries, among a pool of candidates."""

from collections.abc import Sequence

from adaptx.data.examples import Examples
from adaptx.errors import UserError


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
