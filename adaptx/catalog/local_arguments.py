"""The check of the types of `local_task`'s arguments."""

from collections.abc import Mapping
from os import PathLike

from adaptx.catalog.local_file import LocalFile
from adaptx.errors import UserError


def check_argument_types(name: str, files_of: Mapping[str, object], columns: object) -> None:
    """Check that files and columns are mappings of the right types.

    name: name of the task. files_of: use -> what was given as its files.

    Raises:
        UserError: an argument has another type.
    """
    for use, files in files_of.items():
        example = f'{use}={{"en": "{use}.csv"}}'
        if files is not None and not isinstance(files, Mapping):
            raise UserError(
                f"local_task({name!r}): {use} takes a mapping from languages to files, not {_kind(files)}; write "
                f"{example}"
            )
        for language, file in (files or {}).items():  # pyright: ignore[reportUnknownVariableType]
            if not isinstance(language, str) or not isinstance(file, str | PathLike | LocalFile):
                raise UserError(
                    f"local_task({name!r}): {use} maps a language code to the path of one file, not "
                    f"{_kind(language)} and {_kind(file)}; write {example}"
                )
            if isinstance(file, LocalFile):
                _check_column_types(name, file.columns)
    _check_column_types(name, columns)


def _check_column_types(name: str, columns: object) -> None:
    if columns is not None and not isinstance(columns, Mapping):
        raise UserError(
            f"local_task({name!r}): columns takes a mapping from roles to columns, not {_kind(columns)}; write "
            'columns={"text": "sentence"}'
        )
    for role, column in (columns or {}).items():  # pyright: ignore[reportUnknownVariableType]
        several = isinstance(column, tuple) and column and all(isinstance(each, str) for each in column)  # pyright: ignore[reportUnknownVariableType]
        if not isinstance(role, str) or not (isinstance(column, str) or several):
            raise UserError(
                f"local_task({name!r}): columns maps each role to the name of a column or a tuple of names, not to "
                f'{_kind(column)} for {role!r}; write columns={{"text": "sentence"}}'
            )


def _kind(value: object) -> str:
    kind = type(value).__name__
    return f"{'an' if kind[0].lower() in 'aeiou' else 'a'} {kind}"
