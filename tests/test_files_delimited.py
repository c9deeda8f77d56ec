"""CSV and TSV, held against the csv module and pandas; what is refused names line, cause and remedy."""

import csv
import io
import re
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from adaptx.errors import UserError
from adaptx.files.delimited import delimited_header, read_delimited

# Separators that str.splitlines takes for line ends, quotes, delimiters and carriage returns, beside letters.
LETTERS = "ab é中\"',;\t\n\r\x0b\x0c\x1c\x85\u2028\u2029\xa0\ufeff"
CELL = st.text(st.sampled_from(LETTERS), max_size=6)
PLAIN = st.text(st.sampled_from([letter for letter in LETTERS if letter not in '\t\n\r"']), max_size=6)
SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 5))


@st.composite
def tables(draw: st.DrawFn, cell: st.SearchStrategy[str] = CELL) -> dict[str, list[str]]:
    width, length = draw(SHAPES)
    return {f"c{place}": draw(st.lists(cell, min_size=length, max_size=length)) for place in range(width)}


def written(table: dict[str, list[str]], **dialect: object) -> str:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, **dialect)
    writer.writerow(table)
    writer.writerows(zip(*table.values(), strict=True))
    return stream.getvalue()


def read(folder: Path, name: str, text: str) -> dict[str, list[str]]:
    file = folder / name
    file.write_bytes(text.encode())
    return read_delimited(file).columns


@given(tables(), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_csv_is_read_as_csv_and_pandas_read_it(tmp_path_factory, table, end, minimal) -> None:
    # Some versions of the csv module leave a carriage return without quotes, which is then refused.
    minimal = minimal and not any("\r" in cell for column in table.values() for cell in column)
    text = written(table, lineterminator=end, quoting=csv.QUOTE_MINIMAL if minimal else csv.QUOTE_ALL)
    found = read(tmp_path_factory.getbasetemp(), "generated.csv", text)
    assert found == table
    rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    assert [list(found), *map(list, zip(*found.values(), strict=True))] == rows
    if end == "\n" and len(table) > 1:
        # In one column pandas drops lines of white space.
        frame = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False, lineterminator="\n")
        assert frame.to_dict("list") == found


@given(tables())
def test_what_pandas_writes_is_read_back(tmp_path_factory, table) -> None:
    frame = pd.DataFrame(table)
    returns = any("\r" in cell for column in table.values() for cell in column)
    for ending, separator in (("csv", ","), ("tsv", "\t")):
        for quoting in (csv.QUOTE_ALL,) if returns else (csv.QUOTE_ALL, csv.QUOTE_MINIMAL):
            text = frame.to_csv(index=False, sep=separator, quoting=quoting)
            found: object = None
            try:
                found = read(tmp_path_factory.getbasetemp(), f"pandas.{ending}", text)
            except UserError as error:
                found = str(error)
            lines = any("\n" in cell for column in table.values() for cell in column)
            if ending == "tsv" and lines and "the file does not show which" in str(found):
                continue
            assert found == table, (ending, quoting, text)


@given(tables(PLAIN | st.builds('{}"{}'.format, PLAIN, PLAIN) | st.sampled_from(['"', '"a', '"a"', '"a ""b"""'])))
def test_rows_of_a_plain_tsv_are_its_lines(tmp_path_factory, table) -> None:
    """Whatever quotes it holds: the cells of csv's QUOTE_NONE, or all quoted cells without their quotes, or refused."""
    raw = [list(table), *map(list, zip(*table.values(), strict=True))]
    lines = ["\t".join(cells) for cells in raw]
    assume(all(lines))
    assert list(csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)) == raw
    text = "\n".join(lines)
    try:
        found = read(tmp_path_factory.getbasetemp(), "plain.tsv", text)
    except UserError as error:
        refused = str(error)
    else:
        rows = [list(found), *map(list, zip(*found.values(), strict=True))]
        assert rows in (raw, [[re.sub(r'^"((?:[^"]|"")*)"$', r"\1", c, flags=re.S).replace('""', '"') if
                               re.fullmatch(r'"(?:[^"]|"")*"', c) else c for c in cells] for cells in raw])  # fmt: skip
        return
    assert "that no writer adds" in refused or "the file does not show which" in refused


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Quotes as characters: at the beginning of a cell, alone, in pairs, twice in the file.
        ('text\tlabel\n"good place\tpos\nso-so\tneg\n', ['"good place', "so-so"]),
        ('text\tlabel\n"\tpos\nso-so\tneg\n"\tpos\n" x\tpos', ['"', "so-so", '"', '" x']),
        ('text\tlabel\n"I like it" he said\tpos\n"\tneg\n', ['"I like it" he said', '"']),
        ('text\tlabel\n"quoted"\tpos\nplain\tneg\n', ['"quoted"', "plain"]),
        # Quotes of a writer: needed by what they hold, or around every cell of a column.
        ('text\tlabel\n"say ""hi"""\tpos\nplain\tneg\n', ['say "hi"', "plain"]),
        ('text\tlabel\n"one\ttwo"\tpos\nplain\tneg\n', ["one\ttwo", "plain"]),
        ('text\tlabel\n"one\ntwo"\tpos\nplain\tneg\n', ["one\ntwo", "plain"]),
        ('text\tlabel\n"one"\tpos\n"two"\tneg\n', ["one", "two"]),
        ('"text"\t"label"\n"one"\t"pos"\n"two"\t"neg"\n', ["one", "two"]),
        ('"text"\t"label"\r\n"one\r\n\r\nmore"\t"pos"\r\n"two"\t"neg"\r\n', ["one\r\n\r\nmore", "two"]),
        ("text\tlabel\r\ngood\tpos\r\n\r\nbad\tneg\r\n", ["good", "bad"]),
        ("text\tlabel\na\u2028b\x0bc\x85d\x1ce\rf\tpos\n", ["a\u2028b\x0bc\x85d\x1ce\rf"]),
        ("text\nlate \"news\"\n\"No\" she said\n", ['late "news"', '"No" she said']),
    ],
)  # fmt: skip
def test_quotes_of_tsv_files(tmp_path, text: str, expected: list[str]) -> None:
    assert read(tmp_path, "rows.tsv", text)["text"] == expected


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", 'text,label\n"good,pos\nbad,neg\n', r"line 2: a cell begins with a quote that is never closed"),
        ("a.csv", 'text,label\n"a" b,pos\n', r"line 2: text follows the closing quote of a cell.*each quote"),
        ("a.csv", "text,label\na\rb,pos\n", r"line 2: it is unclear whether a carriage return outside quotes"),
        ("a.csv", "text\na\rb\n", r"line 2: it is unclear whether a carriage return outside quotes"),
        ("a.csv", "text,label\na,b,pos\n", r"line 2: 3 cells for 2 columns \(text, label\); quote cells"),
        ("a.csv", "text,label\n\n\nalone\n", r"line 4: 1 cells for 2 columns"),
        ("a.csv", "text,label,text\na,pos,b\n", r"line 1: columns 1 and 3 are both called 'text'; rename"),
        ("a.tsv", "x\ty\tx\ty\na\tb\tc\td\n", r"columns 1 and 3 are both called 'x'"),
        ("a.tsv", '"x"\t"x"\n"a"\t"b"\n', r"columns 1 and 2 are both called 'x'"),
        ("a.csv", "text;label\nschön, warm;pos\n", r"'text;label', so a semicolon .*delimiter=';'.*a\.converted"),
        ("a.csv", "text\tlabel\na\tpos\n", r"so a tab seems to separate .* a comma\. Rename .* end in \.tsv"),
        ("a.tsv", "text,label\na,pos\n", r"so a comma seems to separate cells, not a tab\. Rename .* end in \.csv"),
        ("a.tsv", "text|label\na|pos\n", r"so a bar seems to separate cells"),
        ("a.tsv", "text\tlabel\na\tb\tpos\n", r"line 2: 3 cells for 2 columns .*a tab"),
        ("a.tsv", 'text\tlabel\n"a\tb\tpos\n', r"line 2: 3 cells for 2 columns"),
        ("a.tsv", 'text\tlabel\n"a ""b"""\tpos\n"c\tpos\n', 'is quoted as by a CSV writer, but "c in line 3'),
        ("a.tsv", 'text\n"one\ntwo"\n', r"line 2: a cell begins .* lines 2 to 3 to.*quoting=3.*a\.converted\.jsonl"),
        ("a.tsv", 'text\tlabel\na\tpos\n"\tpos\nb\tneg\n"\tpos\n', "line 3: a cell begins .* join lines 3 to 5"),
        ("a.csv", "", "it is empty; the first line must name the columns"),
        ("a.tsv", "\n\n", "it is empty; the first line must name the columns"),
    ],
)  # fmt: skip
def test_what_is_refused(tmp_path, name: str, text: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        read(tmp_path, name, text)


def test_blank_lines_are_no_rows_and_joined_lines_are_counted(tmp_path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text('text,label\n\na,pos\n"b\n\nc",neg\n\nd,pos\n\n\n')
    found = read_delimited(file)
    assert found.columns["text"] == ["a", "b\n\nc", "d"]
    assert [str(each) for each in found.left_out] == [
        f"{file}: left out 2 lines: blank; the first is line 2",
        f"{file}: joined 2 lines: line breaks in quoted cells; the first is line 5",
    ]
    tsv = tmp_path / "rows.tsv"
    tsv.write_text('text\tlabel\na\tpos\n\n"b\nc"\tneg\n')
    assert [str(each) for each in read_delimited(tsv).left_out] == [
        f"{tsv}: left out 1 line: blank; the first is line 3",
        f"{tsv}: joined 1 line: line breaks in quoted cells; the first is line 5",
    ]


def test_columns_without_a_name_are_not_read(tmp_path) -> None:
    """As pandas writes its index."""
    assert read(tmp_path, "rows.csv", ",text,\n0,a,x\n1,b,y\n") == {"text": ["a", "b"]}


def test_the_header_is_known_without_the_rows(tmp_path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text('\ufeff"text, long","two\nlines",label\n' + "not a row\n")
    assert delimited_header(file) == ["text, long", "two\nlines", "label"]
    long = tmp_path / "rows.tsv"
    long.write_text('"text"\tlabel\n' + "é" * (1 << 20))
    assert delimited_header(long) == ["text", "label"]


def test_very_long_cells(tmp_path) -> None:
    cell = "x" * 1_000_000
    assert read(tmp_path, "rows.csv", f"text,label\n{cell},pos\n")["text"] == [cell]
