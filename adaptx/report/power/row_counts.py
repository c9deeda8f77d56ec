"""How many rows a planned evaluation will score, and how many clusters they form."""

from dataclasses import dataclass

from adaptx.costs.stages import rows_read
from adaptx.sources.sources import Sources
from adaptx.specs import Evaluate


@dataclass(frozen=True)
class RowCount:
    """The number of test rows, and the number of their clusters, such as rows with the same premise.

    clusters: None if the rows were not read, or if the set has no clusters.
    """

    rows: int
    clusters: int | None = None


def count_rows(evaluate: Evaluate, sources: Sources | None) -> RowCount | None:
    """Return the number of rows that an evaluation scores, or None if it is unknown.

    Rows in a data folder or in the user's own files are counted. For all others, the task states the number.

    Args:
        evaluate: the evaluation, with its limit.
        sources: where rows are; None reads none.

    Raises:
        UserError: rows cannot be read.
    """
    rows, task_format = evaluate.task.rows_in(evaluate.language), evaluate.task.format
    if sources is None or sources.rows(rows).path is None:
        stated = rows_read(rows, evaluate.limit)
        return None if stated is None else RowCount(stated)
    # Planning reads no set, and must not import the packages that read them.
    from adaptx.data.limiting import limited_rows
    from adaptx.data.reading import open_table
    from adaptx.data.selecting import kept_rows

    table = open_table(rows, task_format, sources)
    found = limited_rows(rows, task_format, table, kept_rows(rows, task_format, table), evaluate.limit)
    return RowCount(len(found.kept.rows), len(set(found.clusters)) or None)
