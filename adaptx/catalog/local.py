"""Tasks from the user's own files: CSV, TSV, JSON lines, parquet, and CoNLL columns for tagging."""

import re
from collections.abc import Mapping
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

from adaptx.catalog.local_arguments import check_argument_types
from adaptx.catalog.local_file import Columns, Labels, LocalFile, label_reading
from adaptx.errors import MissingInput, UserError
from adaptx.files.kinds import known_columns
from adaptx.files.text import refuse_folder
from adaptx.specs import Rows, Tagging, Task, TaskFormat
from adaptx.specs.near import shown_columns
from adaptx.specs.task import CLUSTER_ROLE, LOCAL

Files = Mapping[str, str | PathLike[str] | LocalFile]
"""Language code -> file. Relative paths start from the working directory of adaptx."""
_NUMBER_OR_BOOL = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)|true|false", re.IGNORECASE)


def local_task(
    name: str,
    task_format: TaskFormat,
    train: Files | None = None,
    development: Files | None = None,
    evaluation: Files | None = None,
    columns: Columns | None = None,
    metrics: tuple[str, ...] | None = None,
    pool: Files | None = None,
    labels: Labels | None = None,
) -> Task:
    """Return a task whose rows are in local files: one file per language for training, for development, and so on.

        NEWS = local_task("news", Classification(("sport", "politics")),
                          train={"en": "train.csv"}, evaluation={"sw": "swahili.jsonl"})

    A file with other columns, or another way to write labels, is a `LocalFile`:

        LocalFile("swahili.jsonl", columns={"text": "kichwa"}, labels={"michezo": "sport", "siasa": "politics"})

    The option `--data` does not change where these files are read. The fingerprints of stages that read a file depend
    on its contents.

    Args:
        name: name of the task.
        task_format: what a row holds and what is predicted. Labels and tags in the files are names, or indices into the
            format's labels, unless `labels` says otherwise. Lists (choices, tokens, answers) in CSV and TSV files are
            written as JSON.
        train: language -> file with training rows.
        development: language -> file with development rows.
        evaluation: language -> file with evaluation rows.
        columns: role of the format -> column of the files, for roles whose column has another name. Every format also
            has the role `cluster` (`Rows.columns`).
        metrics: names of metrics; None is the format's usual metrics.
        pool: language -> file with the candidates of a retrieval task.
        labels: how the files write labels or tags: value -> label, or the names of 0, 1, 2, ... A value that is neither
            mapped nor a label is refused.

    Raises:
        MissingInput: a file does not exist.
        UserError: `columns` names a role or `labels` a label that the format does not have, a column is missing, or
            some files have an optional role and others lack it.
    """
    files = {"train": train, "development": development, "evaluation": evaluation, "pool": pool}
    check_argument_types(name, dict(files), columns)
    _check_columns(name, task_format, columns or {})
    found = {
        use: {language: _completed(file, columns or {}, labels) for language, file in (given or {}).items()}
        for use, given in files.items()
    }
    uses = _rows_by_use(name, task_format, found)
    names = [file.name for given in found.values() for file in given.values()]
    return Task(
        name,
        task_format,
        train=uses["train"],
        development=uses["development"],
        evaluation=uses["evaluation"],
        pool=uses["pool"],
        metrics=metrics or task_format.default_metrics,
        description=f"Rows from local files: {', '.join(dict.fromkeys(names))}.",
    )


def _completed(file: str | PathLike[str] | LocalFile, columns: Columns, labels: Labels | None) -> LocalFile:
    """Return a file with the task's columns and labels where it has none of its own."""
    own = file if isinstance(file, LocalFile) else LocalFile(file)
    return replace(own, columns={**columns, **(own.columns or {})}, labels=labels if own.labels is None else own.labels)


def _rows_by_use(
    name: str, task_format: TaskFormat, files: Mapping[str, Mapping[str, LocalFile]]
) -> dict[str, tuple[Rows, ...]]:
    for each in (file for given in files.values() for file in given.values()):
        _check_columns(name, task_format, each.columns or {})
    uses = {
        use: tuple(_rows(name, file, language, use, task_format) for language, file in given.items())
        for use, given in files.items()
    }
    _check_optional_roles(name, task_format, uses)
    return uses


def _rows(task: str, file: LocalFile, language: str, use: str, task_format: TaskFormat) -> Rows:
    columns = file.columns or {}
    path = Path(file.path).expanduser().absolute()
    refuse_folder(path)
    if not path.is_file():
        beside = sorted(other.name for other in path.parent.iterdir()) if path.parent.is_dir() else []
        shown = f"contains: {', '.join(beside[:8])}" if beside else "does not exist or is empty"
        raise MissingInput(
            f"the {use} file of {language} does not exist: {path}; its folder {shown}. "
            "Correct the path; relative paths start from the working directory"
        )
    tagging = isinstance(task_format, Tagging)
    named = [name for column in columns.values() for name in ((column,) if isinstance(column, str) else column)]
    looked_for = [CLUSTER_ROLE, *(role for kind in task_format.row_kinds for role in (*kind.needed, *kind.optional))]
    header, is_whole = known_columns(path, tagging, [*named, *looked_for])

    def has(role: str) -> bool:
        return role in columns or role in header

    roles = task_format.roles_in(use, has("passage"))
    optional = tuple(role for role in (*roles.optional, CLUSTER_ROLE) if has(role))
    names = (*roles.needed, *optional, *(roles.trained if use == "train" else ()))
    for role in names if is_whole else ():
        column = columns.get(role, role)
        for name in (column,) if isinstance(column, str) else column:
            if name not in header and name.split(".")[0] not in header:
                raise UserError(f"{path} has no column {name!r} (read as {role}); {shown_columns(name, header)}")
    return Rows(
        hub_id=f"{LOCAL}{path.parent}",
        config=path.name,
        split=use,
        language=language,
        columns=tuple((role, columns.get(role, role)) for role in names),
        **_label_fields(task, file, use, task_format),
    )


def _label_fields(task: str, file: LocalFile, use: str, task_format: TaskFormat) -> dict[str, Any]:
    if file.labels is not None and use != "pool":
        return label_reading(f"local_task({task!r}): labels of {file.name}", task_format, file.labels)
    labels = task_format.labels
    # If labels are numbers (ratings) or bools, a number in the file is the name of a label and not its index.
    numeric = any(_NUMBER_OR_BOOL.fullmatch(label) for label in labels)
    return {"label_names": () if numeric else labels}


def _check_optional_roles(name: str, task_format: TaskFormat, uses: Mapping[str, tuple[Rows, ...]]) -> None:
    # If only some sets had the role, texts would be read in two ways.
    having: dict[str, tuple[str, Rows]] = {}
    lacking: dict[str, tuple[str, Rows]] = {}
    for use, sets in uses.items():
        for rows in sets:
            for role in task_format.roles_in(use, rows.column("passage") is not None).optional:
                (lacking if rows.column(role) is None else having).setdefault(role, (use, rows))
    for role in having.keys() & lacking.keys():
        (first, one), (second, other) = having[role], lacking[role]
        raise UserError(
            f"local_task({name!r}): the {first} file {one.config} ({one.language}) has a column for the role {role}, "
            f"and the {second} file {other.config} ({other.language}) has none, so that texts would be read in two "
            f"ways. Add a column {role!r} to the file without it, or remove it from the other"
        )


def _check_columns(name: str, task_format: TaskFormat, columns: Columns) -> None:
    kinds = task_format.row_kinds
    known = dict.fromkeys(role for kind in kinds for role in (*kind.needed, *kind.optional, *kind.trained))
    known[CLUSTER_ROLE] = None
    unknown = [role for role in columns if role not in known]
    if unknown:
        raise UserError(
            f"local_task({name!r}, columns=...): {type(task_format).__name__} has no role {', '.join(unknown)}; it "
            f"has: {', '.join(known)}. Write columns={{role: column}} with one of these roles"
        )
