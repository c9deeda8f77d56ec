"""JSON lines, held against Python's json line by line; what is refused names line, cause and remedy."""

import gzip
import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptx.data.file_tables import file_table
from adaptx.errors import UserError
from adaptx.files.json_lines import keys_among, read_json_lines
from adaptx.specs import Classification

NAMES = st.sampled_from(["text", "label", "a.b", "a", "Text", "", "x y"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=5,
)
RECORDS = st.lists(st.dictionaries(NAMES, VALUES, max_size=4), max_size=5)


@given(RECORDS, st.booleans(), st.sampled_from(["\n", "\r\n", "\n\n", "\n \t\n"]), st.booleans())
def test_rows_and_keys_are_those_of_json(tmp_path_factory, records, ascii_only, end, packed) -> None:
    text = "".join(json.dumps(record, ensure_ascii=ascii_only) + end for record in records)
    file = tmp_path_factory.getbasetemp() / ("generated.jsonl.gz" if packed else "generated.jsonl")
    file.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    found = read_json_lines(file).columns
    assert list(found) == list(dict.fromkeys(name for record in records for name in record))
    read_back = [dict(zip(found, row, strict=True)) for row in zip(*found.values(), strict=True)]
    assert read_back == [{name: record.get(name) for name in found} for record in records if found]


@given(RECORDS, st.sets(NAMES, max_size=4))
def test_keys_of_all_rows_are_known_when_planning(tmp_path_factory, records, wanted) -> None:
    file = tmp_path_factory.getbasetemp() / "keys.jsonl"
    file.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    assert keys_among(file, wanted) == {name for record in records for name in record if name in wanted}


def read(folder: Path, text: str) -> dict[str, list]:
    file = folder / "rows.jsonl"
    file.write_bytes(text.encode())
    return read_json_lines(file).columns


def test_separators_of_other_kinds_and_odd_numbers_stay_in_their_row(tmp_path) -> None:
    text = "a\u2028b\u0085c\x0bd\x0ce\x1cf"
    long = 10**400
    line = json.dumps({"text": text, "n": long}, ensure_ascii=False)
    assert read(tmp_path, f'\ufeff{line}\r\n{{"text": NaN}}\n')["n"] == [long, None]
    assert read(tmp_path, line)["text"] == [text]
    assert read(tmp_path, '{"text": "\\u0000 \\ud83d\\ude00"}\n')["text"] == ["\0 \U0001f600"]


def test_blank_lines_are_counted_but_for_those_at_the_end(tmp_path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('\n{"a": 1}\n  \n{"a": 2}\n\n\n')
    found = read_json_lines(file)
    assert found.columns == {"a": [1, 2]}
    assert [str(each) for each in found.left_out] == [f"{file}: left out 2 lines: blank; the first is line 1"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"text": "a", "label": 1, "text": "b"}\n', r"line 1: keys 1 and 3 of an object are both 'text'; rename"),
        ('{"a": {"b": 1, "b": 2}}\n', r"line 1: keys 1 and 2 of an object are both 'b'"),
        ('{"a": 1}\n[1]\n', r"line 2 is not an object: \[1\]; write one object per line.* jq -c '\.\[\]' < .*\.jsonl"),
        ('[{"a": 1},\n {"a": 2}]\n', r"line 1: .*if the file is an array, convert it: jq -c '\.\[\]'"),
        ('{\n "a": 1\n}\n', r"line 1: .*if the file is JSON, convert it: jq -c \. <"),
        ('{"a": 1} {"a": 2}\n', "line 1: Extra data"),
        ("{'a': 1}\n", "line 1: Expecting property name"),
        ('{"a": "b\n', "line 1: "),
        ("nonsense\n", "line 1: Expecting value"),
        ('{"a": 1}\n{"a": ' + "[" * 100_000 + "\n", "line 2"),
        ('{"a": 1' + "0" * 5000 + "}\n", "line 1: Exceeds the limit"),
        ('{"a": ["x", {"b": "y \\ud83d"}]}\n', r"line 1: a\[1\]\.b holds \\ud83d at character 2: half of"),
        ('{"a": "\\ude00\\ud83d"}\n', r"line 1: a holds \\ude00 at character 0"),
        ('{"\\ud83d": 1}\n', "line 1: the key .* holds one"),
    ],
)  # fmt: skip
def test_what_is_refused(tmp_path, text: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        read(tmp_path, text)


def test_the_command_for_half_pairs_does_what_it_says(tmp_path) -> None:
    with pytest.raises(UserError) as refused:
        read(tmp_path, '{"text": "great \\ud83d, \\ud83d\\ude00 \u00e9"}\n{"text": "fine"}\n')
    command = str(refused.value).partition("or replace it by U+FFFD: ")[2]
    subprocess.run(command, shell=True, check=True)
    assert read_json_lines(tmp_path / "rows.converted.jsonl").columns["text"] == [
        "great \ufffd, \U0001f600 \xe9",
        "fine",
    ]


def test_a_name_with_a_dot_is_a_key_or_a_part_but_not_both(tmp_path) -> None:
    labels = Classification(("pos", "neg"))
    file = tmp_path / "rows.jsonl"
    file.write_text('{"text": {"de": "gut"}, "text.en": "good"}\n{"text": {"de": "schlecht"}, "text.en": "bad"}\n')
    table = file_table((file,), labels, ())
    assert table.column("text.en", range(2)) == ["good", "bad"]
    assert table.column("text.de", range(2)) == ["gut", "schlecht"]
    late = '{"text": "plain"}\n' * 200 + '{"text": {"en": "late"}}\n'
    file.write_text(late)
    assert file_table((file,), labels, ()).column("text.en", range(199, 201)) == [None, "late"]
    file.write_text('{"text": {"en": "good"}, "text.en": "fine"}\n')
    with pytest.raises(UserError, match=r"a part of column 1, 'text', and column 2 are both called 'text\.en'"):
        file_table((file,), labels, ())
