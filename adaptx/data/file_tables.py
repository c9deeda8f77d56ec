"""Read the user's own files as tables, in the file format that the file name's ending says."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adaptx.data.origin import Origin
from adaptx.data.tables import RowTable, parquet_table, python_table
from adaptx.files.delimited import read_delimited
from adaptx.files.json_lines import read_json_lines
from adaptx.files.kinds import FileKind, kind_of
from adaptx.files.tagged import read_tagged
from adaptx.specs import Tagging, TaskFormat


def file_table(
    paths: Sequence[Path], task_format: TaskFormat, columns: Sequence[str], labelled: bool = True
) -> RowTable:
    """Return one file as a table, or several files of tagged words as one table.

    columns: column names that the first line of a tagging task's .tsv file may have. A .tsv file whose first line has
    none of them is read as CoNLL columns. labelled: whether gold tags will be read.

    Raises:
        UserError: a file's name has an unknown ending, or its content does not have the format that the ending says.
    """
    labels = task_format.labels
    if len(paths) > 1:
        return _tagged_table(f"{paths[0]} and {len(paths) - 1} more files", paths, labels, labelled)
    path = paths[0]
    match kind_of(path, isinstance(task_format, Tagging), columns):
        case FileKind.TAGGED:
            return _tagged_table(str(path), paths, labels, labelled)
        case FileKind.DELIMITED:
            cells = read_delimited(path)
            return python_table(Origin(str(path), cells.lines), cells.columns, cells.left_out, textual=True)
        case FileKind.JSON_LINES:
            values = read_json_lines(path)
            return python_table(Origin(str(path), values.lines), values.columns, values.left_out)
        case FileKind.PARQUET:
            return parquet_table(str(path), own=True)


def _tagged_table(name: str, paths: Sequence[Path], labels: Sequence[str], labelled: bool) -> RowTable:
    files = [read_tagged(path, labels, labelled) for path in paths]
    sentences = [sentence for file in files for sentence in file.sentences]
    columns: dict[str, list[Any]] = {"tokens": [words for words, _ in sentences]}
    if all(tags for _, tags in sentences):
        columns["tags"] = [tags for _, tags in sentences]
    of_file = [str(path) for path, file in zip(paths, files, strict=True) for _ in file.sentences]
    lines = [line for file in files for line in file.lines]
    where = Origin(name, lines, of_file, "sentence at line")
    return python_table(where, columns, tuple(each for file in files for each in file.left_out))
