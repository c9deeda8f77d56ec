"""Files of the user's own: CSV, TSV, JSON lines, parquet, CoNLL columns and CCGbank's derivations as tables."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adaptx.catalog.tagged import AUTO_ENDING, CONLL_ENDINGS, read_tagged
from adaptx.data.tables import Table, parquet_table, python_table
from adaptx.errors import UserError
from adaptx.specs import Tagging, TaskFormat

ENDINGS = (".csv", ".tsv", ".jsonl", ".parquet")
DELIMITERS = {".csv": ",", ".tsv": "\t"}


def file_table(paths: Sequence[Path], task_format: TaskFormat, columns: Sequence[str]) -> Table:
    """One file, or several of one kind read one after the other.

    columns: names that may stand in the first line of a tagging task's .tsv; without any it is read as CoNLL columns.

    Raises:
        UserError: a file with another ending, or one that cannot be read as what its ending says.
    """
    if len(paths) == 1:
        return _one(paths[0], task_format, columns)
    where = f"{paths[0]} and {len(paths) - 1} more files"
    sentences = [sentence for path in paths for sentence in read_tagged(path)]
    return _tagged_table(where, sentences)


def _one(path: Path, task_format: TaskFormat, columns: Sequence[str]) -> Table:
    tagging = isinstance(task_format, Tagging)
    ending = path.suffix.lower()
    if tagging and (ending == AUTO_ENDING or (ending in CONLL_ENDINGS and not _has_header(path, columns))):
        return _tagged_table(str(path), read_tagged(path))
    if ending in DELIMITERS:
        return python_table(str(path), _separated(path, DELIMITERS[ending]), textual=True)
    if ending == ".jsonl":
        return python_table(str(path), _json_lines(path))
    if ending == ".parquet":
        return parquet_table(str(path), own=True)
    known = (*ENDINGS, *(e for e in (*CONLL_ENDINGS, AUTO_ENDING) if e not in ENDINGS)) if tagging else ENDINGS
    raise UserError(f"{path}: files ending in {', '.join(known)} are read, not {ending or 'none'}")


def _has_header(path: Path, columns: Sequence[str]) -> bool:
    """Whether a .tsv is a table: its first line names columns that are asked for."""
    if path.suffix.lower() != ".tsv":
        return False
    with path.open(encoding="utf-8-sig", errors="replace") as stream:
        return not {*columns, "tokens"}.isdisjoint(stream.readline().rstrip("\r\n").split("\t"))


def _tagged_table(where: str, sentences: list[tuple[list[str], list[str]]]) -> Table:
    columns: dict[str, list[Any]] = {"tokens": [words for words, _ in sentences]}
    if all(tags for _, tags in sentences):
        columns["tags"] = [tags for _, tags in sentences]
    return python_table(where, columns)


def _separated(path: Path, delimiter: str) -> dict[str, list[Any]]:
    # The default limit of 131,072 characters a cell is less than some documents have.
    csv.field_size_limit(2**31 - 1)
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, delimiter=delimiter, strict=True)
            lines = [(reader.line_num, line) for line in reader if line]
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as {path.suffix[1:]}: {error}") from error
    if not lines:
        raise UserError(f"{path} cannot be read as {path.suffix[1:]}: it is empty, without the line that names columns")
    names = lines[0][1]
    for number, line in lines[1:]:
        if len(line) != len(names):
            raise UserError(
                f"{path}, line {number}: {len(line)} cells under {len(names)} columns ({', '.join(names)}); quote "
                f"cells that hold {'a tab' if delimiter != ',' else 'a comma'}"
            )
    return {name: [line[place] for _, line in lines[1:]] for place, name in enumerate(names)}


def _json_lines(path: Path) -> dict[str, list[Any]]:
    records: list[dict[str, Any]] = []
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                record = json.loads(line.decode("utf-8-sig"))
            except ValueError as error:
                raise UserError(f"{path} cannot be read as jsonl: line {number}: {error}") from error
            if not isinstance(record, dict):
                raise UserError(f"{path} cannot be read as jsonl: line {number} is no object: {record!r:.60}")
            records.append(record)  # pyright: ignore[reportUnknownArgumentType]
    names = dict.fromkeys(name for record in records for name in record)
    return {name: [record.get(name) for record in records] for name in names}
