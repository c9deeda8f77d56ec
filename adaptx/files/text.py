"""Read UTF-8 text files, plain or gzipped. For other files, raise an error that says how to convert them."""

import gzip
import shlex
import zlib
from pathlib import Path

from adaptx.errors import UserError

PACKED = ".gz"
HEADER_BYTES = 1 << 20
"""Number of bytes that are read from a file to find its first line."""
_MARKS = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_LINE_FEEDS = r"tr '\r' '\n'"
_WITHOUT_NUL = r"tr -d '\000'"
WITHOUT_MARKS = r"sed 's/^\xEF\xBB\xBF//'"
"""A command that removes byte-order marks at the beginnings of lines."""
_UTF8_MARK = b"\xef\xbb\xbf"
_OTHER_FILES = (
    (b"\x1f\x8b", "packed by gzip; rename it to end in .gz, or unpack it with gunzip"),
    (b"PK\x03\x04", "a zip archive or a spreadsheet; unpack it, or save the sheet as CSV (UTF-8)"),
    (b"PAR1", "a parquet file; rename it to end in .parquet"),
    (b"\xfd7zXZ\x00", "packed by xz; unpack it with unxz"),
    (b"BZh", "packed by bzip2; unpack it with bunzip2"),
    (b"\x28\xb5\x2f\xfd", "packed by zstd; unpack it with unzstd"),
)
"""First bytes of files that are not text, and what to do with such files."""
_STAND_INS = (
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself; get the file with `git lfs pull`"),
    (b"<!doctype html", "a web page, not the file itself; download the file (on a hub, its raw form)"),
    (b"<html", "a web page, not the file itself; download the file (on a hub, its raw form)"),
)
"""First bytes, in lower case, of pages and pointers that a download may give instead of the file, and what to do."""


def ending(path: Path) -> str:
    """Return the name's ending in lower case, without `.gz`. For `Rows.CSV.gz` it is `.csv`."""
    name = path.name.lower()
    return Path(name.removesuffix(PACKED)).suffix


def read_text(path: Path, most: int | None = None) -> str:
    """Return the file's text without a byte-order mark. Line ends are kept.

    most: maximum number of bytes to read from the beginning; None for all. A character that would be cut is dropped.

    Raises:
        UserError: the file cannot be read, is not text, or has an encoding other than UTF-8.
    """
    data = read_bytes(path, most)
    whole = most is None or len(data) < most
    data = data.removeprefix(_UTF8_MARK)
    _refuse_utf16_utf32_and_nul(path, data)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        if whole or error.start < len(data) - 3:
            raise UserError(_not_utf8(path, data, error)) from error
        text = data[: error.start].decode()
    if "\r" in text and "\n" not in text:
        raise UserError(
            f"{path}, line 1: its lines end only with carriage returns, as on old Macs. Convert it: "
            f"{converting(path, _LINE_FEEDS)}"
        )
    return text


def read_bytes(path: Path, most: int | None = None) -> bytes:
    """Return the file's first `most` bytes, or all of them. A file whose name ends in `.gz` is unpacked.

    Raises:
        UserError: the file cannot be read or unpacked, or its first bytes show that it is not text.
    """
    try:
        with gzip.open(path) if path.name.lower().endswith(PACKED) else path.open("rb") as stream:
            data = stream.read(-1 if most is None else most)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(
            f"{path} is not a complete gzip file ({error}); pack it again with gzip, or copy it again"
        ) from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}; check its permissions") from error
    for first, what in _OTHER_FILES:
        if data.startswith(first):
            raise UserError(f"{path} is {what}")
    refuse_stand_in(path, data)
    return data


def refuse_stand_in(path: Path, data: bytes | None = None) -> None:
    """Refuse a web page or a Git LFS pointer, which a failed download may leave in place of the file.

    data: the file's bytes, or None to read them.

    Raises:
        UserError: the file is a Git LFS pointer or a web page.
    """
    if data is None:
        with path.open("rb") as stream:
            data = stream.read(64)
    begin = data[:64].removeprefix(_UTF8_MARK).lstrip().lower()
    for first, what in _STAND_INS:
        if begin.startswith(first):
            raise UserError(f"{path} is {what}")


def refuse_folder(path: Path) -> None:
    """Refuse a folder in place of a file. Spark, for example, writes a folder with parts of the file.

    Raises:
        UserError: the path is a folder.
    """
    if path.is_dir():
        found = sorted(each.name for each in path.iterdir() if not each.name.startswith((".", "_")))
        held = f"it holds: {', '.join(found[:8])}{', ...' if len(found) > 8 else ''}" if found else "it is empty"
        raise UserError(f"{path} is a folder, not a file of rows; {held}. Name one file, or write all rows to one file")


def text_lines(text: str) -> list[str]:
    r"""Return the lines of a text. Only `\n` and `\r\n` end a line; U+2028, `\x0b` and a lone `\r` do not."""
    lines = text.replace("\r\n", "\n").split("\n")
    if not lines[-1]:
        lines.pop()
    return lines


def _refuse_utf16_utf32_and_nul(path: Path, data: bytes) -> None:
    for mark, name in _MARKS:
        if data.startswith(mark):
            raise UserError(
                f"{path}, line 1: its byte-order mark says {name.upper()}, but only UTF-8 is read. Convert it: "
                f"{_iconv(path, name)}"
            )
    first = data.find(b"\0")
    if first < 0:
        return
    suspected = _encoding_by_nul_bytes(data[:4096])
    line = data.count(b"\n", 0, first) + 1
    if suspected is not None:
        raise UserError(
            f"{path}, line {line}: it seems to be {suspected.upper()} without a byte-order mark (there are NUL bytes "
            f"between its letters), but only UTF-8 is read. Convert it: {_iconv(path, suspected)}"
        )
    raise UserError(
        f"{path}, line {line}: it holds a NUL byte, which is not text. Look at the line, and remove such bytes with: "
        f"{converting(path, _WITHOUT_NUL)}"
    )


def _encoding_by_nul_bytes(data: bytes) -> str | None:
    """Guess the encoding from the places of NUL bytes. If every second byte is NUL, for example, it is `utf-16le`."""
    empty = [place for place, byte in enumerate(data) if byte == 0]
    if len(empty) < 4:
        return None
    for name, width, places in (
        ("utf-32le", 4, {1, 2, 3}),
        ("utf-32be", 4, {0, 1, 2}),
        ("utf-16le", 2, {1}),
        ("utf-16be", 2, {0}),
    ):
        found = {place % width for place in empty}
        if found <= places and (width == 2 or len(empty) > 0.6 * len(data)):
            return name
    return None


def _not_utf8(path: Path, data: bytes, error: UnicodeDecodeError) -> str:
    begin = data.rfind(b"\n", 0, error.start) + 1
    line = data.count(b"\n", 0, begin) + 1
    shown = data[begin : begin + 400].split(b"\n")[0]
    said = f"{path}, line {line}: byte {error.start - begin + 1} (0x{data[error.start]:02x}) is not valid UTF-8. "
    try:
        read = shown.decode("windows-1252").strip()
    except UnicodeDecodeError:
        return (
            f"{said}The bytes do not show which encoding the file has. Find out, for example with `file -i`, and "
            f"convert it: {_iconv(path, 'ENCODING')}"
        )
    return (
        f"{said}As Windows-1252, which is likely, the line reads {read[:80]!r}. If that is right, convert it: "
        f"{_iconv(path, 'windows-1252')}; otherwise write the right encoding instead of windows-1252"
    )


def _iconv(path: Path, encoding: str) -> str:
    return converting(path, f"iconv -f {encoding} -t utf-8")


def python_command(program: str) -> str:
    """Return the shell command that runs a Python program. The program must not contain double quotes."""
    return f'python -c "{program}"'


def converting(path: Path, convert: str, to: str | None = None) -> str:
    """Return a shell command that converts the file with the command `convert` and writes the result beside it.

    convert: reads standard input and writes standard output, such as `cut -f 1`. to: ending of the new file; None keeps
    the ending.
    """
    plain = path.name[: -len(PACKED)] if path.name.lower().endswith(PACKED) else path.name
    stem, dot, end = plain.rpartition(".")
    target = f"{stem}.converted{to or dot + end}" if stem else f"{plain}.converted{to or ''}"
    source = shlex.quote(str(path))
    read = f"gunzip -c {source} | {convert}" if plain != path.name else f"{convert} < {source}"
    return f"{read} > {shlex.quote(str(path.with_name(target)))}"
