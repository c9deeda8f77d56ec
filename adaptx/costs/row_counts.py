"""How many rows a set has: as its task states, or as its file holds."""

from collections.abc import Callable
from pathlib import Path

from adaptx.errors import UserError
from adaptx.sources.sources import Sources, is_local
from adaptx.specs import Rows, TaskFormat

Count = Callable[[Rows, TaskFormat], int | None]
"""Returns the number of rows of a set, or None if it is unknown."""


def stated(rows: Rows, task_format: TaskFormat) -> int | None:
    """Return the number of rows that the task states."""
    del task_format
    return rows.expected


class RowCounts:
    """Counts the rows of sets in the user's own files and in a local mirror. For other sets, the task's number is used.

    Rows of the user's own files are counted as a stage reads them. Of a mirror's files only the header is read, so the
    count is the smaller of the file's number and the task's.
    """

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._found: dict[Rows, int | None] = {}

    def __call__(self, rows: Rows, task_format: TaskFormat) -> int | None:
        if rows not in self._found:
            self._found[rows] = self._count(rows, task_format)
        return self._found[rows]

    def _count(self, rows: Rows, task_format: TaskFormat) -> int | None:
        # Rows that are missing or cannot be read are reported elsewhere.
        try:
            if is_local(rows):
                return self._own_rows(rows, task_format)
            path = self._sources.rows(rows).path
            return rows.expected if path is None else _rows_in_mirror(rows, path)
        except (UserError, OSError, ValueError):
            return rows.expected

    def _own_rows(self, rows: Rows, task_format: TaskFormat) -> int:
        # Planning imports the packages that read rows only when there are rows to count.
        from adaptx.data.reading import open_table
        from adaptx.data.selecting import kept_rows

        table = open_table(rows, task_format, self._sources)
        return len(kept_rows(rows, task_format, table).rows)


def _rows_in_mirror(rows: Rows, path: Path) -> int | None:
    from pyarrow.parquet import read_metadata  # pyright: ignore[reportUnknownVariableType]

    in_file: int = read_metadata(path).num_rows
    stop = in_file if rows.stop is None else min(rows.stop, in_file)
    known = [count for count in (stop - rows.first, rows.expected) if count is not None]
    # A run refuses a set that has no rows, and says why.
    return min(known) if stop > rows.first else rows.expected
