"""What is no UTF-8 text is refused with what it seems to be, the line, and a command that really converts it."""

import bz2
import gzip
import subprocess
from pathlib import Path

import pytest

from adaptx.catalog.local import local_task
from adaptx.data.file_tables import file_table
from adaptx.data.reading import read_rows
from adaptx.errors import UserError
from adaptx.files.text import read_text
from adaptx.sources.sources import Sources
from adaptx.specs import Classification, Tagging

FORMAT = Classification(("pos", "neg"))
ROWS = {
    "csv": "text,label\nschön warm,pos\nrude,neg\n",
    "tsv": "text\tlabel\nschön warm\tpos\nrude\tneg\n",
    "jsonl": '{"text": "schön warm", "label": "pos"}\n{"text": "rude", "label": "neg"}\n',
}


def texts(file: Path) -> list[str]:
    return file_table((file,), FORMAT, ()).column("text", range(2))


def converted(file: Path, said: str) -> Path:
    """The file that the command in the message makes."""
    with pytest.raises(UserError, match=said) as refused:
        texts(file)
    with pytest.raises(UserError, match=said):
        # Planning says the same, before any row is read.
        local_task("t", FORMAT, {"en": file})
    command = str(refused.value).partition("with: " if "with: " in str(refused.value) else "onvert it: ")[2]
    subprocess.run(command.partition("; otherwise")[0], shell=True, check=True)
    (made,) = file.parent.glob("*.converted*")
    return made


@pytest.mark.parametrize("ending", ROWS)
@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("utf-16", "line 1: its byte-order mark says UTF-16.*iconv -f utf-16 -t utf-8"),
        ("utf-32", "line 1: its byte-order mark says UTF-32"),
        ("utf-16-le", "line 1: it seems to be UTF-16LE without a byte-order mark .*NUL bytes"),
        ("utf-16-be", "line 1: it seems to be UTF-16BE"),
        ("utf-32-le", "line 1: it seems to be UTF-32LE"),
        ("utf-32-be", "line 1: it seems to be UTF-32BE"),
        ("windows-1252", r"line [12]: byte \d+ \(0xf6\) is not valid UTF-8\. As Windows-1252.*reads .*schön warm"),
    ],
)
def test_other_encodings(tmp_path, ending: str, encoding: str, said: str) -> None:
    file = tmp_path / f"my rows.{ending}"
    file.write_bytes(ROWS[ending].encode(encoding))
    assert texts(converted(file, said)) == ["schön warm", "rude"]


@pytest.mark.parametrize("ending", ROWS)
def test_byte_order_marks_line_ends_and_gzip(tmp_path, ending: str) -> None:
    text = ROWS[ending]
    for number, content in enumerate((text, "\ufeff" + text, text.replace("\n", "\r\n"), text.rstrip("\n"))):
        plain, packed = tmp_path / f"{number}.{ending}", tmp_path / f"{number}.{ending}.gz"
        plain.write_bytes(content.encode())
        packed.write_bytes(gzip.compress(content.encode()))
        for file in (plain, packed):
            task = local_task("t", FORMAT, evaluation={"en": file})
            examples = read_rows(task.rows_in("en"), FORMAT, Sources(None))
            assert examples.columns == {"text": ["schön warm", "rude"], "label": ["pos", "neg"]}
    packed = tmp_path / f"old.{ending}.gz"
    packed.write_bytes(gzip.compress(text.encode("windows-1252")))
    assert texts(converted(packed, "As Windows-1252.*gunzip -c")) == ["schön warm", "rude"]


@pytest.mark.parametrize("ending", ROWS)
def test_old_mac_line_ends_and_nul_bytes(tmp_path, ending: str) -> None:
    file = tmp_path / f"mac.{ending}"
    file.write_bytes(ROWS[ending].replace("\n", "\r").encode())
    assert texts(converted(file, "line 1: its lines end only with carriage returns")) == ["schön warm", "rude"]
    (tmp_path / f"mac.converted.{ending}").unlink()
    file.write_bytes(ROWS[ending].replace("rude", "ru\0de").encode())
    line = 2 if ending == "jsonl" else 3
    assert texts(converted(file, f"line {line}: it holds a NUL byte, which is not text")) == ["schön warm", "rude"]


def test_text_in_chinese_is_known_as_utf_16_by_its_few_letters(tmp_path) -> None:
    file = tmp_path / "rows.csv"
    file.write_bytes("text,label\n天气很好,pos\n".encode("utf-16-le"))
    with pytest.raises(UserError, match="UTF-16LE"):
        texts(file)


def test_an_encoding_that_is_not_plain_is_not_guessed(tmp_path) -> None:
    file = tmp_path / "rows.csv"
    file.write_bytes(b"text,label\n\x81\x8d,pos\n")
    with pytest.raises(UserError, match=r"line 2: byte 1 \(0x81\) is not valid UTF-8\. The bytes do not show.*file -i"):
        texts(file)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", gzip.compress(b"text", mtime=0), r"is packed by gzip; rename it to end in \.gz"),
        ("a.csv.gz", b"text,label\n", "is not a complete gzip file .*Not a gzipped file"),
        ("a.csv.gz", gzip.compress(ROWS["csv"].encode() * 99, mtime=0)[:-20], "is not a complete gzip file"),
        ("a.jsonl", b"PK\x03\x04rest", "is a zip archive or a spreadsheet"),
        ("a.csv", b"PAR1rest", r"is a parquet file; rename it to end in \.parquet"),
        ("a.csv", bz2.compress(b"text"), "is packed by bzip2; unpack it with bunzip2"),
        ("a.csv.bz2", b"", r"only files that end in .* are read, not \.bz2\. Unpack it: bunzip2"),
        ("a.json", b"[]", r"not \.json\. If it is an array .*: jq -c '\.\[\]' .*a\.json > .*a\.jsonl"),
        ("a.ndjson", b"{}", r"not \.ndjson\. Rename it: mv "),
        ("a.xlsx", b"PK", r"not \.xlsx\. Save the sheet as CSV"),
        ("a.conllu", b"", r"not \.conllu; files of words with tags are only for tagging tasks"),
        ("rows", b"", "not none"),
    ],
)  # fmt: skip
def test_files_of_other_kinds(tmp_path, name: str, content: bytes, said: str) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(UserError, match=said):
        texts(file)
    with pytest.raises(UserError, match=said):
        local_task("t", FORMAT, {"en": file})


def test_a_tagging_file_in_another_encoding(tmp_path) -> None:
    file = tmp_path / "rows.conll"
    file.write_bytes("Jo\tO\nJosé\tO\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"line 2: byte 4 \(0xe9\) .* iconv -f windows-1252 -t utf-8 < .*rows\.conll"):
        file_table((file,), Tagging(("O", "B-PER")), ())


def test_a_character_cut_by_the_end_of_what_is_read_is_dropped(tmp_path) -> None:
    file = tmp_path / "rows.csv"
    file.write_bytes("aé😀".encode())
    assert [read_text(file, most) for most in (1, 2, 3, 4, 6, 7, 8)] == ["a", "a", "aé", "aé", "aé", "aé😀", "aé😀"]
    file.write_bytes(b"a\xe9")
    with pytest.raises(UserError, match="0xe9"):
        read_text(file, 100)
