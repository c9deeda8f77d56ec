"""The kind of a file and the names of its columns, as far as planning needs them and can find them out."""

import shlex
from collections.abc import Collection, Sequence
from enum import Enum, auto
from pathlib import Path

from adaptx.errors import UserError
from adaptx.files.delimited import delimited_header
from adaptx.files.json_lines import keys_among
from adaptx.files.tagged import AUTO_ENDING, CONLL_ENDINGS
from adaptx.files.text import HEADER_BYTES, PACKED, ending, read_text, refuse_stand_in


class FileKind(Enum):
    """Kinds of files, which are read in different ways."""

    DELIMITED = auto()
    JSON_LINES = auto()
    PARQUET = auto()
    TAGGED = auto()


_TABLES = {
    ".csv": FileKind.DELIMITED,
    ".tsv": FileKind.DELIMITED,
    ".jsonl": FileKind.JSON_LINES,
    ".parquet": FileKind.PARQUET,
}
_TAGGED = (*CONLL_ENDINGS, AUTO_ENDING)
_UNPACKED_WITH = {".bz2": "bunzip2", ".xz": "unxz", ".zst": "unzstd", ".zip": "unzip"}


def kind_of(path: Path, tagging: bool, columns: Collection[str] = ()) -> FileKind:
    """Return how a file is read, judged by the ending of its name (without `.gz`).

    tagging: whether the file's rows are sentences to tag. columns: names that the columns of a table of such sentences
    may have. A .tsv file for tagging whose first line has none of these names is read as CoNLL columns.

    Raises:
        UserError: adaptx does not read files with that ending.
    """
    end = ending(path)
    if tagging and end in _TAGGED and not (end == ".tsv" and _first_line_names_columns(path, columns)):
        return FileKind.TAGGED
    packed = path.name.lower().endswith(PACKED)
    if end in _TABLES and not (packed and end == ".parquet"):
        return _TABLES[end]
    known = ", ".join((*_TABLES, *(e for e in _TAGGED if e not in _TABLES)) if tagging else _TABLES)
    shown = path.suffix.lower() if not packed else f"{end}{PACKED}"
    remedy = _remedy(path, end, packed, tagging)
    raise UserError(f"{path}: only files that end in {known} are read, not {shown or 'none'}{remedy}")


def _remedy(path: Path, end: str, packed: bool, tagging: bool) -> str:
    name, lines = shlex.quote(str(path)), shlex.quote(str(path.with_suffix(".jsonl")))
    if packed and end == ".parquet":
        return f"; parquet files are compressed already. Unpack it: gunzip {name}"
    if end in _UNPACKED_WITH:
        return f". Unpack it: {_UNPACKED_WITH[end]} {name}"
    if end == ".json":
        return f". If it is an array of objects, convert it: jq -c '.[]' {name} > {lines}"
    if end == ".ndjson":
        return f". Rename it: mv {name} {lines}"
    if end in (".xlsx", ".xls", ".ods"):
        return ". Save the sheet as CSV (UTF-8)"
    if not tagging and end in _TAGGED:
        return "; files of words with tags are only for tagging tasks"
    return ""


def known_columns(path: Path, tagging: bool, wanted: Sequence[str]) -> tuple[list[str], bool]:
    """Return names of a file's columns, and whether these are all. For JSON lines, only names in `wanted` are returned.

    Raises:
        UserError: adaptx does not read files with that ending, or the beginning of the file does not fit the ending.
    """
    match kind_of(path, tagging, wanted):
        case FileKind.TAGGED:
            read_text(path, HEADER_BYTES)
            return ["tokens", "tags"], False
        case FileKind.DELIMITED:
            return delimited_header(path), True
        case FileKind.JSON_LINES:
            return sorted(keys_among(path, wanted)), False
        case FileKind.PARQUET:
            import pyarrow.parquet as parquet

            try:
                return parquet.read_schema(path).names, True  # pyright: ignore[reportUnknownMemberType]
            except (ValueError, OSError) as error:
                refuse_stand_in(path)
                raise UserError(f"{path} cannot be read as parquet: {error}; write it or copy it again") from error


def _first_line_names_columns(path: Path, columns: Collection[str]) -> bool:
    first = read_text(path, HEADER_BYTES).split("\n")[0].rstrip("\r")
    return not {*columns, "tokens"}.isdisjoint(name.strip('"') for name in first.split("\t"))
