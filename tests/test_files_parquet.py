"""Parquet files of every column kind, held against pyarrow; two columns of one name are refused."""

import datetime
import decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptx.catalog.local import local_task
from adaptx.data.reading import read_training
from adaptx.data.tables import parquet_table
from adaptx.errors import UserError
from adaptx.sources.sources import Sources
from adaptx.specs import Classification

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
KINDS: dict[str, tuple[pa.DataType, st.SearchStrategy]] = {
    "string": (pa.string(), TEXT),
    "large string": (pa.large_string(), TEXT),
    "dictionary": (pa.dictionary(pa.int8(), pa.string()), TEXT),
    "binary": (pa.binary(), st.binary(max_size=4)),
    "int": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "unsigned": (pa.uint8(), st.integers(0, 255)),
    "float": (pa.float32(), st.floats(width=32, allow_nan=False)),
    "bool": (pa.bool_(), st.booleans()),
    "decimal": (pa.decimal128(6, 2), st.integers(-9999, 9999).map(lambda n: decimal.Decimal(n) / 100)),
    "timestamp": (pa.timestamp("us"), st.datetimes(datetime.datetime(1900, 1, 1), datetime.datetime(2100, 1, 1))),
    "date": (pa.date32(), st.dates()),
    "list": (pa.list_(pa.string()), st.lists(TEXT, max_size=3)),
    "large list": (pa.large_list(pa.int32()), st.lists(st.integers(0, 9), max_size=3)),
    "struct": (pa.struct([("text", pa.string()), ("n", pa.int32())]),
               st.fixed_dictionaries({"text": TEXT, "n": st.integers(0, 9)})),
    "structs": (pa.list_(pa.struct([("text", pa.string())])),
                st.lists(st.fixed_dictionaries({"text": TEXT}), max_size=2)),
}  # fmt: skip


@st.composite
def columns(draw: st.DrawFn) -> dict[str, tuple[pa.DataType, list]]:
    length = draw(st.integers(1, 5))
    kinds = draw(st.lists(st.sampled_from(list(KINDS)), min_size=1, max_size=4, unique=True))
    return {
        kind: (KINDS[kind][0], draw(st.lists(st.none() | KINDS[kind][1], min_size=length, max_size=length)))
        for kind in kinds
    }


@given(columns(), st.integers(1, 3), st.data())
def test_every_kind_of_column_is_read_as_pyarrow_reads_it(tmp_path_factory, table, group, data) -> None:
    file = tmp_path_factory.getbasetemp() / "generated.parquet"
    made = pa.table({name: pa.array(values, kind) for name, (kind, values) in table.items()})
    pq.write_table(made, file, row_group_size=group)
    rows = sorted(data.draw(st.sets(st.integers(0, made.num_rows - 1))))
    found = parquet_table(str(file), own=True)
    assert found.length == made.num_rows
    for name, values in pq.read_table(file).to_pydict().items():
        assert found.column(name, rows) == [values[row] for row in rows]
    if "struct" in table:
        assert found.column("struct.n", rows) == [(table["struct"][1][row] or {}).get("n") for row in rows]


def test_what_pandas_writes(tmp_path) -> None:
    file = tmp_path / "rows.parquet"
    frame = pd.DataFrame({"text": ["a", None, "c"], "label": pd.Categorical(["x", "y", "x"])}, index=[5, 6, 9])
    frame.to_parquet(file)
    table = parquet_table(str(file), own=True)
    assert list(table.names) == ["text", "label", "__index_level_0__"]
    assert table.column("text", range(3)) == ["a", None, "c"]
    assert table.column("label", range(3)) == ["x", "y", "x"]


@pytest.mark.parametrize(
    ("label", "labels", "expected"),
    [
        (pa.array([0.0, 1.0]), ("no", "yes"), ["no", "yes"]),
        (pa.array([0.0, 1.0]), ("0", "1"), ["0", "1"]),
        (pa.array([1.5, 2.0]), ("1.5", "2.0"), ["1.5", "2.0"]),
        (pa.array([True, False]), ("True", "False"), ["True", "False"]),
        (pa.array([True, False]), ("true", "false"), ["true", "false"]),
        (pa.array(["b", "a"]).dictionary_encode(), ("a", "b"), ["b", "a"]),
        (pa.array([1, 0], pa.uint8()), ("a", "b"), ["b", "a"]),
        (pa.array([decimal.Decimal("1.00"), decimal.Decimal("0.00")]), ("a", "b"), ["b", "a"]),
    ],
)
def test_labels_of_every_kind(tmp_path, label: pa.Array, labels: tuple[str, ...], expected: list[str]) -> None:
    file = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"text": ["a", "b"], "label": label}), file)
    task = local_task("t", Classification(labels), {"en": file})
    assert read_training(task, Sources(None)).columns["label"] == expected


@pytest.mark.parametrize(
    ("text", "label", "said"),
    [
        (["a", "b"], [True, False], r"row 0: label True is not in the label set \(no, yes\)"),
        (["a", "b"], [0.5, 1.0], r"row 0: label 0\.5 is not in the label set"),
        (["a", "b"], [float("nan"), 1.0], r"row 0: label nan is not in the label set"),
        (["a", "b"], [None, 1], r"row 0: label None is not in the label set"),
        ([b"a", b"b"], [0, 1], r"row 0: text is b'a', not a text"),
        (["a", None], [0, 1], r"row 1: text is None, not a text"),
        ([datetime.date(2020, 1, 1)] * 2, [0, 1], r"row 0: text is datetime\.date\(2020, 1, 1\), not a text"),
    ],
)
def test_values_that_are_no_texts_or_labels_are_refused(tmp_path, text: list, label: list, said: str) -> None:
    file = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"text": text, "label": label}), file)
    with pytest.raises(UserError, match=said):
        read_training(local_task("t", Classification(("no", "yes")), {"en": file}), Sources(None))


def test_names_with_dots_and_names_twice(tmp_path) -> None:
    file = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"text": ["a"], "text.en": ["b"], "s": [{"x": 1}]}), file)
    table = parquet_table(str(file), own=True)
    assert (table.column("text", [0]), table.column("text.en", [0]), table.column("s.x", [0])) == (["a"], ["b"], [1])
    pq.write_table(pa.table([pa.array(["a"]), pa.array([1]), pa.array(["b"])], names=["text", "n", "text"]), file)
    with pytest.raises(UserError, match=r"column 1 and column 3 are both called 'text'; give them different names"):
        parquet_table(str(file))
    pq.write_table(pa.table({"s": [{"x": 1}], "s.x": [2]}), file)
    with pytest.raises(UserError, match=r"a part of column 1, 's', and column 2 are both called 's\.x'"):
        parquet_table(str(file))


def test_damaged_files_are_refused_by_name(tmp_path) -> None:
    file = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"text": [f"text {n}" for n in range(1000)], "label": [0] * 1000}), file)
    whole = file.read_bytes()
    for name, content in (("half", whole[: len(whole) // 2]), ("empty", b""), ("tail", whole[100:])):
        bad = tmp_path / f"{name}.parquet"
        bad.write_bytes(content)
        with pytest.raises(UserError, match=rf"{name}\.parquet.*cannot be read.*copy it again"):
            read_training(local_task("t", Classification(("a", "b")), {"en": bad}), Sources(None))
    damaged = tmp_path / "damaged.parquet"
    damaged.write_bytes(whole[:40] + bytes(len(whole[40:400])) + whole[400:])
    with pytest.raises(UserError, match=r"damaged\.parquet: column '(text|label)' cannot be read.*copy it again"):
        read_training(local_task("t", Classification(("a", "b")), {"en": damaged}), Sources(None))


def test_a_packed_parquet_file_is_refused_by_name(tmp_path) -> None:
    file: Path = tmp_path / "rows.parquet.gz"
    file.write_bytes(b"")
    with pytest.raises(UserError, match=r"not \.parquet\.gz; parquet files are compressed already\. Unpack it: gunzip"):
        local_task("t", Classification(("a", "b")), {"en": file})
