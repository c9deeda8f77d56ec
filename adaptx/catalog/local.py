"""A task over files of the user's own: CSV, TSV, JSON lines, parquet, and CoNLL columns for tagging."""

import re
from collections.abc import Mapping
from os import PathLike
from pathlib import Path

from adaptx.errors import MissingInput, UserError
from adaptx.files.kinds import known_columns
from adaptx.files.text import refuse_folder
from adaptx.specs import Rows, Tagging, Task, TaskFormat
from adaptx.specs.near import shown_columns
from adaptx.specs.task import CLUSTER_ROLE, LOCAL

Files = Mapping[str, str | PathLike[str]]
"""Language -> file; a relative path begins in the folder where adaptx is started."""
Columns = Mapping[str, str | tuple[str, ...]]
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
) -> Task:
    """A task whose rows are in files, one a language; they are read from there whatever `--data` says.

    columns: role of the format -> column of the files, where they differ. Labels and tags are their names, or their
    numbers in the format's order. In CSV and TSV files lists (choices, tokens, answers) are JSON lists. A file with
    another content is another input: its SHA-256 is in the identity of all that read it.

    Any format has the role `cluster`: rows with one value there (a document) are drawn together by a row limit, and
    resampled together by the report.

        NEWS = local_task("news", Classification(("sport", "politics")),
                          train={"en": "train.csv"}, evaluation={"sw": "swahili.jsonl"})

    Raises:
        MissingInput: a file is not there.
        UserError: a role that the format does not have; an optional role that some files have and others lack.
    """
    _check_values(name, {"train": train, "development": development, "evaluation": evaluation, "pool": pool}, columns)
    _check_roles(name, task_format, columns or {})

    def sets(use: str, files: Files | None) -> tuple[Rows, ...]:
        places = (files or {}).items()
        return tuple(_rows(Path(file), language, use, task_format, columns or {}) for language, file in places)

    uses = {
        use: sets(use, files)
        for use, files in (("train", train), ("development", development), ("evaluation", evaluation), ("pool", pool))
    }
    _check_optional_roles(name, task_format, uses)
    names = [Path(file).name for files in (train, development, evaluation, pool) for file in (files or {}).values()]
    return Task(
        name,
        task_format,
        train=uses["train"],
        development=uses["development"],
        evaluation=uses["evaluation"],
        pool=uses["pool"],
        metrics=metrics or task_format.default_metrics,
        description=f"Rows of one's own: {', '.join(dict.fromkeys(names))}.",
    )


def _rows(file: Path, language: str, use: str, task_format: TaskFormat, columns: Columns) -> Rows:
    path = file.expanduser().absolute()
    refuse_folder(path)
    if not path.is_file():
        beside = sorted(other.name for other in path.parent.iterdir()) if path.parent.is_dir() else []
        shown = f"holds: {', '.join(beside[:8])}" if beside else "is not there or empty"
        raise MissingInput(
            f"the {use} file of {language} is not at {path}; its folder {shown}. "
            "A relative path begins in the folder where adaptx is started"
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
    labels = task_format.labels
    # If the labels are numbers (ratings) or bools, a number in the file is a label's name, not its place.
    numeric = any(_NUMBER_OR_BOOL.fullmatch(label) for label in labels)
    return Rows(
        hub_id=f"{LOCAL}{path.parent}",
        config=path.name,
        split=use,
        language=language,
        columns=tuple((role, columns.get(role, role)) for role in names),
        label_names=() if numeric else labels,
    )


def _check_values(name: str, files_of: Mapping[str, object], columns: object) -> None:
    """Refuse what is no mapping of texts, as the specs refuse values of other types.

    Raises:
        UserError: such a value, with the argument's name.
    """
    for use, files in files_of.items():
        example = f'{use}={{"en": "{use}.csv"}}'
        if files is not None and not isinstance(files, Mapping):
            raise UserError(
                f"local_task({name!r}): {use} takes a mapping from languages to files, not {_kind(files)}; write "
                f"{example}"
            )
        for language, file in (files or {}).items():  # pyright: ignore[reportUnknownVariableType]
            if not isinstance(language, str) or not isinstance(file, str | PathLike):
                raise UserError(
                    f"local_task({name!r}): {use} takes a language's code and one file's path, not "
                    f"{_kind(language)} and {_kind(file)}; write {example}"
                )
    if columns is not None and not isinstance(columns, Mapping):
        raise UserError(
            f"local_task({name!r}): columns takes a mapping from roles to columns, not {_kind(columns)}; write "
            'columns={"text": "sentence"}'
        )
    for role, column in (columns or {}).items():  # pyright: ignore[reportUnknownVariableType]
        several = isinstance(column, tuple) and column and all(isinstance(each, str) for each in column)  # pyright: ignore[reportUnknownVariableType]
        if not isinstance(role, str) or not (isinstance(column, str) or several):
            raise UserError(
                f"local_task({name!r}): columns takes a column's name, or a tuple of names, for each role, not "
                f'{_kind(column)} for {role!r}; write columns={{"text": "sentence"}}'
            )


def _kind(value: object) -> str:
    kind = type(value).__name__
    return f"{'an' if kind[0].lower() in 'aeiou' else 'a'} {kind}"


def _check_optional_roles(name: str, task_format: TaskFormat, uses: Mapping[str, tuple[Rows, ...]]) -> None:
    """Refuse sets of which some have an optional role and others lack it: texts would be read in two ways.

    Raises:
        UserError: such sets, with their files.
    """
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
            f"ways. Call the column {role!r} in both, or remove it from both"
        )


def _check_roles(name: str, task_format: TaskFormat, columns: Columns) -> None:
    kinds = task_format.row_kinds
    known = dict.fromkeys(role for kind in kinds for role in (*kind.needed, *kind.optional, *kind.trained))
    known[CLUSTER_ROLE] = None
    unknown = [role for role in columns if role not in known]
    if unknown:
        raise UserError(
            f"local_task({name!r}, columns=...): {type(task_format).__name__} has no role {', '.join(unknown)}; it "
            f"has: {', '.join(known)}. Write columns={{role: column}}"
        )
