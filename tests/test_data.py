"""Rows to examples: columns, dropped labels, slices, limits, and what is refused; the user's own files."""

import dataclasses
import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptx.catalog import NLI, SIB200, TASKS, TATOEBA
from adaptx.data.examples import Examples, check, joined, select
from adaptx.data.files import read_file
from adaptx.data.reading import read_all, read_rows
from adaptx.errors import MissingInput, UserError
from adaptx.sources import Sources
from adaptx.specs import Classification, Retrieval, Rows

LABELS = ("yes", "no", "maybe")
FORMAT = Classification(LABELS)
ROWS = Rows("owner/set", "config", "test", "en", (("text", "premise"), ("label", "gold")), LABELS, dropped_labels=(-1,))
TABLE = {"premise": ["a", "b", "c", "d", "e"], "gold": [0, -1, 2, 1, 0], "unused": [0] * 5}


def test_columns_are_picked_labels_named_and_rows_without_gold_dropped() -> None:
    examples = select(ROWS, TABLE, None, "set")
    assert examples.rows == (0, 2, 3, 4)
    assert examples.columns == {"text": ["a", "c", "d", "e"], "label": ["yes", "maybe", "no", "yes"]}
    check(examples, FORMAT, "set")


def test_slices_come_after_dropping_and_limits_after_slices() -> None:
    assert select(dataclasses.replace(ROWS, first=1, stop=3), TABLE, None, "set").rows == (2, 3)
    assert select(dataclasses.replace(ROWS, first=1), TABLE, 2, "set").rows == (2, 3)
    assert select(ROWS, TABLE, 1, "set").rows == (0,)


@given(st.lists(st.integers(-1, 2), min_size=1), st.integers(0, 5), st.integers(1, 9) | st.none(), st.integers(1, 9))
def test_a_limit_takes_the_leading_rows_of_a_slice(labels, first, length, limit) -> None:
    rows = dataclasses.replace(ROWS, first=first, stop=None if length is None else first + length)
    table = {"premise": [str(i) for i in range(len(labels))], "gold": labels}
    expected = [i for i, label in enumerate(labels) if label != -1][rows.first : rows.stop]
    if not expected:
        with pytest.raises(UserError, match="is empty"):
            select(rows, table, limit, "set")
        return
    assert select(rows, table, None, "set").rows == tuple(expected)
    limited = select(rows, table, limit, "set")
    assert limited.rows == tuple(expected[:limit])
    assert limited.columns["text"] == [str(i) for i in limited.rows]


def test_text_labels_are_taken_as_they_are() -> None:
    rows = dataclasses.replace(ROWS, label_names=(), dropped_labels=("-",))
    examples = select(rows, {"premise": ["a", "b"], "gold": ["-", "no"]}, None, "set")
    assert examples.columns["label"] == ["no"]


def test_a_missing_column_names_what_is_there() -> None:
    with pytest.raises(UserError, match=r"set has no column 'gold' \(read as label\); it has: premise, label"):
        select(ROWS, {"premise": ["a"], "label": [0]}, None, "set")


def test_an_empty_split_says_how_it_became_so() -> None:
    with pytest.raises(UserError, match="set is empty: it has 0 rows, none of them left; check the split"):
        select(ROWS, {"premise": [], "gold": []}, None, "set")
    with pytest.raises(UserError, match="it has 1 rows, none of them left"):
        select(ROWS, {"premise": ["a"], "gold": [-1]}, None, "set")
    with pytest.raises(UserError, match=r"it has 5 rows, none of them left after the slice \[9:None\]"):
        select(dataclasses.replace(ROWS, first=9), TABLE, None, "set")


@pytest.mark.parametrize("label", [3, -2, None, "Yes", 1.0])
def test_a_label_outside_the_set_names_its_row(label) -> None:
    examples = select(ROWS, {"premise": ["a", "b", "c"], "gold": [-1, 0, label]}, None, "the file")
    with pytest.raises(
        UserError, match=rf"the file, row 2: label {label!r} is not in the label set \(yes, no, maybe\)"
    ):
        check(examples, FORMAT, "the file")


@pytest.mark.parametrize("text", [None, 3, float("nan")])
def test_a_text_that_is_none_names_its_row(text) -> None:
    with pytest.raises(UserError, match=rf"set, row 1: text is {text!r}, not a text"):
        check(Examples((0, 1), {"text": ["a", text], "label": ["yes", "no"]}), FORMAT, "set")
    with pytest.raises(UserError, match="candidate is"):
        check(Examples((0,), {"query": ["a"], "candidate": [text]}), Retrieval(), "set")


def test_sets_are_joined_in_order() -> None:
    one, two = (select(ROWS, TABLE, limit, "set") for limit in (1, 2))
    both = joined([one, two])
    assert (both.rows, both.columns["text"]) == ((0, 0, 2), ["a", "a", "c"])
    assert both.take([2, 0]).columns["label"] == ["maybe", "yes"]


def test_rows_are_read_from_a_mirror(tmp_path) -> None:
    file = tmp_path / "owner/set/config/test.parquet"
    file.parent.mkdir(parents=True)
    pq.write_table(pa.table(TABLE), file)
    assert len(read_rows(ROWS, FORMAT, Sources(tmp_path))) == 4
    assert len(read_all((ROWS, ROWS), FORMAT, Sources(tmp_path), 3)) == 6
    with pytest.raises(UserError, match=r"test\.parquet, row 3: label 'no' is not in the label set \(yes, maybe\)"):
        read_rows(ROWS, Classification(("yes", "maybe")), Sources(tmp_path))


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_every_sampled_set_of_the_catalog_fits_its_task(task) -> None:
    """Column names and label sets of the catalog against real rows."""
    sample = Sources("sample")
    read = 0
    for rows in (*task.train, *task.development, *task.evaluation):
        if (sample.folder / f"{rows.address}.parquet").is_file():
            examples = read_rows(rows, task.format, sample, limit=50)
            read += len(examples)
            assert set(examples.columns) == {role for role, _ in rows.columns}
    assert read > 0, f"the sample has nothing of {task.name}"


# --- the user's own files

PAIRS = {"premise": ["It rains.", "Null", ""], "hypothesis": ["It is wet.", "NA", "x"], "label": [0, 2, 1]}


def write(folder: Path, ending: str, table: dict[str, list]) -> Path:
    file = folder / f"rows.{ending}"
    frame = pd.DataFrame(table)
    match ending:
        case "csv":
            frame.to_csv(file, index=False)
        case "tsv":
            frame.to_csv(file, index=False, sep="\t")
        case "jsonl":
            file.write_text("".join(json.dumps(row) + "\n" for row in frame.to_dict("records")))
        case "parquet":
            frame.to_parquet(file)
    return file


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_every_ending_gives_the_same_examples(tmp_path, ending: str) -> None:
    examples = read_file(write(tmp_path, ending, PAIRS), NLI, labelled=True)
    assert examples.rows == (0, 1, 2)
    assert examples.columns == {
        "text": PAIRS["premise"],
        "pair": PAIRS["hypothesis"],
        "label": ["entailment", "contradiction", "neutral"],
    }


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_role_names_and_label_names_do_as_well(tmp_path, ending: str) -> None:
    table = {"text": ["a"], "pair": ["b"], "label": ["neutral"]}
    assert read_file(write(tmp_path, ending, table), NLI, labelled=True).columns == table
    topics = {"text": ["Goal!"], "category": ["sports"]}
    assert read_file(write(tmp_path, ending, topics), SIB200, labelled=True).columns["label"] == ["sports"]


def test_labels_are_not_needed_to_predict(tmp_path) -> None:
    examples = read_file(write(tmp_path, "csv", {"text": ["a"], "pair": ["b"]}), NLI, labelled=False)
    assert set(examples.columns) == {"text", "pair"}
    assert set(read_file(write(tmp_path, "csv", {"query": ["a"], "candidate": ["b"]}), TATOEBA, False).columns) == {
        "query",
        "candidate",
    }


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "rows.csv",
            "premise,label\na,0\n",
            r"no column 'hypothesis' \(or 'pair'\) for task nli; it has: premise, label",
        ),
        ("rows.csv", "premise,hypothesis,label\n", "holds no rows"),
        ("rows.csv", "", "cannot be read as csv"),
        ("rows.csv", 'a,b\n"x,1\n', "cannot be read as csv|no column"),
        ("rows.csv", "premise,hypothesis,label\na,b,7\n", r"row 0: label '7' is not in the label set \(entailment"),
        ("rows.jsonl", "{not json\n", "cannot be read as jsonl"),
        (
            "rows.jsonl",
            '{"text": "a", "pair": "b", "label": 0}\n{"text": "a", "label": 0}\n',
            "row 1: pair is nan, not",
        ),
        ("rows.parquet", "not parquet", "cannot be read as parquet"),
        ("rows.xlsx", "x", r"files ending in \.csv, \.tsv, \.jsonl, \.parquet are read, not \.xlsx"),
        ("rows", "x", "are read, not none"),
    ],
)
def test_files_that_are_wrong(tmp_path, name: str, content: str, said: str) -> None:
    file = tmp_path / name
    file.write_text(content)
    with pytest.raises(UserError, match=said):
        read_file(file, NLI, labelled=True)


def test_a_file_that_is_not_there(tmp_path) -> None:
    with pytest.raises(MissingInput, match=r"none\.csv: there is no such file"):
        read_file(tmp_path / "none.csv", NLI, labelled=True)
