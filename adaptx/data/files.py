"""Read the user's own rows, which a trained model is to predict or score, from a file with the columns of its task."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from adaptx.data.checking import check
from adaptx.data.examples import Examples
from adaptx.data.file_tables import file_table
from adaptx.data.limiting import all_rows
from adaptx.data.selecting import KeptRows, select
from adaptx.data.tables import RowTable
from adaptx.errors import MissingInput, UserError
from adaptx.files.text import refuse_folder
from adaptx.specs import Rows, Task
from adaptx.specs.task import CLUSTER_ROLE, LOCAL

Column = str | tuple[str, ...]


def read_file(
    path: Path, task: Task, labelled: bool, language: str | None = None, columns: Mapping[str, Column] | None = None
) -> Examples:
    """Read the rows of a file whose columns have the task's column names or the format's role names.

    Labels and tags may be names, or integers that number the task's label names from 0. Lists in CSV and TSV files are
    written as JSON. Rows with equal values in a column `cluster` form a cluster; without that column, rows that share a
    premise or a context do.

    labelled: whether gold answers are read. language: the language of all rows; None means the language of the task's
    first set. columns: role -> column of the file, for roles whose column has another name.

    Raises:
        UserError: there is no such file, its ending is unknown, a column is missing, it has no rows, or a row does not
            fit the format.
    """
    task = with_own_set_first(task, path)
    return read_table(open_file(path, task, labelled, columns), task, labelled, language, columns)


def with_own_set_first(task: Task, path: Path) -> Task:
    """Return the task with the set that reads this very file as its only set, if there is one.

    Its columns and its way to write labels may differ from those of the task's other files.
    """
    place = path.expanduser().absolute()
    own = next(
        (
            rows
            for rows in (*task.train, *task.development, *task.evaluation)
            if rows.hub_id == f"{LOCAL}{place.parent}" and rows.config == place.name
        ),
        None,
    )
    if own is None or task.format.embeds:
        return task
    return dataclasses.replace(task, train=(own,), development=(), evaluation=())


def open_file(path: Path, task: Task, labelled: bool, columns: Mapping[str, Column] | None = None) -> RowTable:
    """Return a file as a table. The arguments are those of `read_file`.

    Raises:
        UserError: there is no such file, or it cannot be read as its ending says.
    """
    refuse_folder(path)
    if not path.is_file():
        raise MissingInput(f"{path}: there is no such file; check the path")
    named = [pair for rows in _first_sets(task) for pair in rows.columns] + [*(columns or {}).items()]
    names = [name for role, column in named for name in (role, *_parts(column))]
    return file_table((path,), task.format, names, labelled)


def read_table(
    table: RowTable,
    task: Task,
    labelled: bool,
    language: str | None = None,
    columns: Mapping[str, Column] | None = None,
) -> Examples:
    """Read the rows of a table that holds the user's own rows, as `read_file` does for a file.

    Raises:
        UserError: a column is missing, `columns` names a role that the task does not read, there are no rows, or a row
            does not fit the format.
    """
    sets = _first_sets(task)
    roles = [role for role, _ in sets[0].columns if role not in _training_only_roles(task) and role != CLUSTER_ROLE]
    given = _checked_columns(columns or {}, (*roles, CLUSTER_ROLE), table, task.name)
    found = [
        (role, given[role] if role in given else _column_of(role, sets, table, task.name))
        for role in roles
        if labelled or role not in task.format.gold_roles
    ]
    if not table.length:
        raise UserError(f"{table.where} has no rows; check that it is the right file")
    clustered = given.get(CLUSTER_ROLE) or sets[0].column(CLUSTER_ROLE) or CLUSTER_ROLE
    if all(name in table.names for name in _parts(clustered)):
        found.append((CLUSTER_ROLE, clustered))
    language = language or sets[0].language
    # The task's own sets may be parallel; the file's rows are not translations of any other set's rows.
    rows = dataclasses.replace(sets[0], columns=tuple(found), language=language, parallel_group=None)
    whole = KeptRows(range(table.length))
    examples = select(rows, task.format, table, whole)
    check(examples, task.format, table.where)
    return dataclasses.replace(examples, clusters=all_rows(rows, task.format, table, whole).clusters)


def _checked_columns(
    columns: Mapping[str, Column], roles: tuple[str, ...], table: RowTable, task: str
) -> Mapping[str, Column]:
    """Return the columns that the user named.

    Raises:
        UserError: the task does not read a role, or the table does not have a column.
    """
    for role, column in columns.items():
        shown = f"{role}={'+'.join(_parts(column))}"
        if role not in roles:
            raise UserError(f"columns {shown}: task {task} does not read the role {role!r}; it has: {', '.join(roles)}")
        for name in _parts(column):
            if name not in table.names:
                raise UserError(f"columns {shown}: {table.where} has no column {name!r}; {table.shown_columns(name)}")
    return columns


def unlabelled_roles(task: Task) -> list[str]:
    """Return the roles that are read from rows without gold answers, in the order of the task's first set."""
    left_out = {*_training_only_roles(task), CLUSTER_ROLE, *task.format.gold_roles}
    return [role for role, _ in _first_sets(task)[0].columns if role not in left_out]


def _training_only_roles(task: Task) -> set[str]:
    return {role for kind in task.format.row_kinds for role in kind.trained}


def _first_sets(task: Task) -> tuple[Rows, ...]:
    """Return a task's first training and first evaluation set, whose column names are looked for in a table."""
    if task.format.embeds:
        return (*task.evaluation[:1], *task.train[:1])
    return (*task.train[:1], *task.evaluation[:1])


def _column_of(role: str, sets: tuple[Rows, ...], table: RowTable, task: str) -> Column:
    """Return the column of a table that holds a role.

    Its name is the name that one of the task's sets gives it, or the role's own name.
    """
    known = [column for rows in sets if (column := rows.column(role)) is not None]
    for column in (*known, role):
        if all(name in table.names for name in _parts(column)):
            return column
    names = _parts(known[0])
    other = f" (or {role!r})" if names != (role,) else ""
    raise UserError(
        f"{table.where} has no column {' and '.join(map(repr, names))}{other} for task {task}; "
        f"{table.shown_columns(role)}. Rename the column that holds these values, or name it: --columns {role}=COLUMN"
    )


def _parts(column: Column) -> tuple[str, ...]:
    return (column,) if isinstance(column, str) else column
