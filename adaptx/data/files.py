"""The user's own rows for a trained stage: a file with the columns of the stage's task."""

import dataclasses
from pathlib import Path

from adaptx.data.checking import check
from adaptx.data.examples import Examples
from adaptx.data.file_tables import file_table
from adaptx.data.limiting import all_rows
from adaptx.data.selecting import Kept, select
from adaptx.data.tables import RowTable
from adaptx.errors import MissingInput, UserError
from adaptx.files.text import refuse_folder
from adaptx.specs import Rows, Task
from adaptx.specs.task import CLUSTER_ROLE

Column = str | tuple[str, ...]


def read_file(path: Path, task: Task, labelled: bool, language: str | None = None) -> Examples:
    """Read rows of a file whose columns carry the task's column names or the format's role names.

    Integer labels and tags are taken as ids of the task's own label names; names as they are. In CSV and TSV files
    lists are JSON. A column `cluster` tells which rows belong together; without one it is those that share a premise or
    a context. labelled: golds are read, too. language: of all rows; None is that of the task's own set.

    Raises:
        UserError: no such file, an unknown ending, a missing column, no rows, or a row that does not fit the format.
    """
    refuse_folder(path)
    if not path.is_file():
        raise MissingInput(f"{path}: there is no such file")
    names = [name for rows in _sets(task) for role, column in rows.columns for name in (role, *_parts(column))]
    return read_table(file_table((path,), task.format, names, labelled), task, labelled, language)


def read_table(table: RowTable, task: Task, labelled: bool, language: str | None = None) -> Examples:
    """Read rows of a table of the user's own, as `read_file` reads those of a file.

    Raises:
        UserError: a missing column, no rows, or a row that does not fit the format.
    """
    sets = _sets(task)
    roles = [role for role, _ in sets[0].columns if role not in _trained_roles(task)]
    columns = [
        (role, _found(role, sets, table, task.name))
        for role in roles
        if role != CLUSTER_ROLE and (labelled or role not in task.format.gold_roles)
    ]
    if not table.length:
        raise UserError(f"{table.where} holds no rows")
    clustered = sets[0].column(CLUSTER_ROLE) or CLUSTER_ROLE
    if all(name in table.names for name in _parts(clustered)):
        columns.append((CLUSTER_ROLE, clustered))
    language = language or sets[0].language
    # The file's rows translate no other set's, whatever the task's own do.
    rows = dataclasses.replace(sets[0], columns=tuple(columns), language=language, parallel_group=None)
    whole = Kept(range(table.length))
    examples = select(rows, task.format, table, whole)
    check(examples, task.format, table.where)
    return dataclasses.replace(examples, clusters=all_rows(rows, task.format, table, whole).clusters)


def unlabelled_roles(task: Task) -> list[str]:
    """Return the roles that are read where rows have no gold answers, in the order of the task's own set."""
    left_out = {*_trained_roles(task), CLUSTER_ROLE, *task.format.gold_roles}
    return [role for role, _ in _sets(task)[0].columns if role not in left_out]


def _trained_roles(task: Task) -> set[str]:
    """Return the roles that training alone reads."""
    return {role for kind in task.format.row_kinds for role in kind.trained}


def _sets(task: Task) -> tuple[Rows, ...]:
    """The task's sets whose columns say what to look for; the first one's roles are read."""
    if task.format.embeds:
        return (*task.evaluation[:1], *task.train[:1])
    return (*task.train[:1], *task.evaluation[:1])


def _found(role: str, sets: tuple[Rows, ...], table: RowTable, task: str) -> Column:
    """The file's column for a role: called as in one of the task's sets, or as the role."""
    known = [column for rows in sets if (column := rows.column(role)) is not None]
    for column in (*known, role):
        if all(name in table.names for name in _parts(column)):
            return column
    names = _parts(known[0])
    other = f" (or {role!r})" if names != (role,) else ""
    raise UserError(
        f"{table.where} has no column {' and '.join(map(repr, names))}{other} for task {task}; "
        f"{table.shown_columns(role)}"
    )


def _parts(column: Column) -> tuple[str, ...]:
    return (column,) if isinstance(column, str) else column
