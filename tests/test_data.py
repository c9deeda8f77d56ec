"""Rows to examples: columns, filters, slices, limits, raw values, and what every format refuses."""

import dataclasses
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptx.catalog import TASKS
from adaptx.data.checking import check
from adaptx.data.examples import Examples, joined
from adaptx.data.limiting import limited_rows
from adaptx.data.limiting import shares as shares_of
from adaptx.data.origin import Origin
from adaptx.data.reading import read_all, read_rows, read_training
from adaptx.data.selecting import KeptRows, kept_rows, select
from adaptx.data.tables import RowTable, python_table
from adaptx.errors import MissingInput, UserError
from adaptx.files.left_out import LeftOut
from adaptx.sample import SAMPLE
from adaptx.sources.sources import Sources
from adaptx.specs import (
    Bitext,
    BitextMining,
    Classification,
    MaskedLanguageModel,
    MultipleChoice,
    QuestionAnswering,
    Retrieval,
    Rows,
    Tagging,
    Task,
    TaskFormat,
)

LABELS = ("yes", "no", "maybe")
FORMAT = Classification(LABELS)
ROWS = Rows(
    "owner/set",
    "config",
    "test",
    "en",
    (("text", "premise"), ("label", "gold")),
    label_names=LABELS,
    dropped_labels=(-1,),
)
TABLE = {"premise": ["a", "b", "c", "d", "e"], "gold": [0, -1, 2, 1, 0], "unused": [0] * 5}
SHARED = Path(__file__).parents[2] / "shared" / "data" / "hub"


def read(rows: Rows, task_format: TaskFormat, columns: dict[str, list], limit: int | None = None) -> Examples:
    """As a parquet file of the hub is read, from memory."""
    table = dataclasses.replace(python_table(Origin("set"), columns), own=False)
    examples = select(rows, task_format, table, limited(rows, task_format, table, limit))
    check(examples, task_format, Origin("set"))
    return examples


def limited(rows: Rows, task_format: TaskFormat, table: RowTable, limit: int | None) -> KeptRows:
    return limited_rows(rows, task_format, table, kept_rows(rows, task_format, table), limit).kept


def write(folder: Path, rows: Rows, columns: dict[str, list]) -> None:
    file = folder / f"{rows.address}.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), file)


def rows_of(*columns: tuple[str, str | tuple[str, ...]], **more: object) -> Rows:
    return Rows("owner/set", "config", "test", "en", columns, **more)


# --- rows


def test_columns_are_picked_labels_named_and_rows_without_gold_dropped() -> None:
    examples = read(ROWS, FORMAT, TABLE)
    assert examples.rows == (0, 2, 3, 4)
    assert examples.left_out == (LeftOut(reason="no gold label (-1)", count=1, first=1, where="set"),)
    assert str(examples.left_out[0]) == "set: left out 1 row: no gold label (-1); the first is row 1"
    assert examples.columns == {"text": ["a", "c", "d", "e"], "label": ["yes", "maybe", "no", "yes"]}


def test_slices_come_after_dropping_and_limits_after_slices() -> None:
    assert read(dataclasses.replace(ROWS, first=1, stop=3), FORMAT, TABLE).rows == (2, 3)
    assert set(read(dataclasses.replace(ROWS, first=1), FORMAT, TABLE, 2).rows) < {2, 3, 4}
    assert read(dataclasses.replace(ROWS, first=1), FORMAT, TABLE, 3).rows == (2, 3, 4)


@given(st.lists(st.integers(-1, 2), min_size=1), st.integers(0, 5), st.integers(1, 9) | st.none(), st.integers(1, 9))
def test_a_limit_takes_the_leading_rows_of_a_slice(labels, first, length, limit) -> None:
    rows = dataclasses.replace(ROWS, first=first, stop=None if length is None else first + length)
    table = {"premise": [str(i) for i in range(len(labels))], "gold": labels}
    expected = [i for i, label in enumerate(labels) if label != -1][rows.first : rows.stop]
    if not expected:
        with pytest.raises(UserError, match="is empty"):
            read(rows, FORMAT, table, limit)
        return
    assert read(rows, FORMAT, table).rows == tuple(expected)
    few = read(rows, FORMAT, table, limit)
    assert len(few) == min(limit, len(expected))
    assert list(few.rows) == sorted({*few.rows} & {*expected})
    assert few.columns["text"] == [str(i) for i in few.rows]


def test_filters_look_at_block_after_block(monkeypatch) -> None:
    monkeypatch.setattr("adaptx.data.selecting.BLOCK_ROWS", 2)
    assert read(ROWS, FORMAT, TABLE).rows == (0, 2, 3, 4)
    asked: list[int] = []
    table = python_table(Origin("set"), TABLE)
    counted = dataclasses.replace(table, values=lambda name, rows: (asked.extend(rows), table.values(name, rows))[1])
    assert list(kept_rows(dataclasses.replace(ROWS, stop=1), FORMAT, counted).rows) == [0]
    assert asked == [0, 1], "what lies behind the slice is not read"


def test_rows_are_chosen_by_prefix() -> None:
    rows = rows_of(("text", "text"), starts_with=("meta.id", "english-"))
    table = {"text": ["a", "b", "c"], "meta": [{"id": "english-1"}, {"id": "thai-1"}, {"id": "english-2"}]}
    english = read(rows, MaskedLanguageModel(), table)
    assert (english.rows, english.left_out) == ((0, 2), ()), "rows of other prefixes are other sets'"
    thai = dataclasses.replace(rows, starts_with=("meta.id", "lao-"))
    with pytest.raises(MissingInput, match=r"it has 3 rows, but none is left with meta\.id beginning with 'lao-'"):
        read(thai, MaskedLanguageModel(), table)


def test_blank_texts_are_not_masked() -> None:
    table = {"text": ["", "a", " \n", "b", "\u3000"]}
    examples = read(rows_of(("text", "text")), MaskedLanguageModel(), table)
    assert examples.columns == {"text": ["a", "b"]}
    assert examples.left_out == (LeftOut(reason="no text to mask", count=3, first=0, where="set"),)
    sliced = read(rows_of(("text", "text"), first=1), MaskedLanguageModel(), table)
    assert sliced.rows == (3,)
    assert sliced.left_out == (LeftOut(reason="no text to mask", count=2, first=2, where="set"),), (
        "rows before the slice are another set's"
    )


def test_an_empty_split_says_how_it_became_so() -> None:
    with pytest.raises(
        UserError, match=r"set is empty: it has 0 rows, but none is left after .*; check that the split"
    ):
        read(ROWS, FORMAT, {"premise": [], "gold": []})
    with pytest.raises(UserError, match="it has 1 rows, but none is left"):
        read(ROWS, FORMAT, {"premise": ["a"], "gold": [-1]})
    with pytest.raises(UserError, match=r"it has 5 rows, but none is left in the slice \[9:None\]"):
        read(dataclasses.replace(ROWS, first=9), FORMAT, TABLE)


# --- columns


def test_a_missing_column_names_what_is_there() -> None:
    with pytest.raises(UserError, match=r"set has no column 'gold' \(read as label\); it has: premise, label"):
        read(ROWS, FORMAT, {"premise": ["a"], "label": [0]})
    nested = rows_of(("choices", "choices.texts"), ("label", "key"))
    with pytest.raises(UserError, match=r"no column 'choices\.texts' .*; it has: choices\.text, choices\.label, key"):
        read(nested, MultipleChoice(), {"choices": [{"text": ["a"], "label": ["A"]}], "key": ["A"]})


@pytest.mark.parametrize("answers", [{"text": ["b"], "answer_start": [2]}, [{"text": "b", "answer_start": 2}]])
def test_dots_reach_into_structs_and_lists_of_structs(tmp_path, answers) -> None:
    rows = rows_of(
        ("question", "question"), ("context", "context"), ("answers", "answers.text"),
        ("answer_starts", "answers.answer_start"),
    )  # fmt: skip
    columns = {"question": ["q", "r"], "context": ["a b", "a b"], "answers": [answers, answers]}
    write(tmp_path, rows, columns)
    for examples in (read(rows, QuestionAnswering(), columns), read_rows(rows, QuestionAnswering(), Sources(tmp_path))):
        assert examples.columns["answers"] == [["b"], ["b"]]
        assert examples.columns["answer_starts"] == [[2], [2]]


def test_several_columns_are_one_list_or_one_text() -> None:
    table = {"one": ["a", "c"], "two": ["b", ""], "id": [7, 8]}
    choices = read(
        rows_of(("text", "one"), ("choices", ("one", "two")), ("label", "id")),
        MultipleChoice(),
        {**table, "id": [0, 1]},
    )
    assert choices.columns["choices"] == [["a", "b"], ["c", ""]]
    pairs = read(rows_of(("query", ("one", "two")), ("gold", "id")), Retrieval(), table)
    assert pairs.columns == {"query": ["a b", "c"], "gold": [["7"], ["8"]]}
    with pytest.raises(UserError, match="row 1: query is None, not a text"):
        read(rows_of(("query", ("one", "two")), ("gold", "id")), Retrieval(), {**table, "two": ["b", None]})


def test_text_labels_are_taken_as_they_are() -> None:
    rows = dataclasses.replace(ROWS, label_names=(), dropped_labels=("-",))
    assert read(rows, FORMAT, {"premise": ["a", "b"], "gold": ["-", "no"]}).columns["label"] == ["no"]


def test_raw_values_are_named_keyed_and_worded() -> None:
    tags = rows_of(("tokens", "words"), ("tags", "ids"), label_names=("O", "B-X"))
    tagged = read(tags, Tagging(("O", "B-X")), {"words": [["a", "b"]], "ids": [[1, 0]]})
    assert tagged.columns["tags"] == [["B-X", "O"]]
    copa = rows_of(
        ("text", "premise"), ("question", "question"), ("choices", "choices"), ("label", "label"),
        choice_keys=("A", "B"), wording=(("question", (("cause", "Why?"), ("effect", "And then?"))),),
    )  # fmt: skip
    table = {"premise": ["p", "p"], "question": ["cause", "effect"], "choices": [["x", "y"]] * 2, "label": ["B", "A"]}
    examples = read(copa, MultipleChoice(), table)
    assert examples.columns["question"] == ["Why?", "And then?"]
    assert examples.columns["label"] == [1, 0]


def test_only_the_columns_asked_for_are_read(tmp_path, monkeypatch) -> None:
    write(tmp_path, ROWS, TABLE)
    read_columns: list[str] = []
    real = pq.ParquetFile.read

    def spy(self, row_groups=None, columns=None, **more):
        read_columns.extend(columns)
        return real(self, columns=columns, **more)

    monkeypatch.setattr(pq.ParquetFile, "read", spy)
    read_rows(ROWS, FORMAT, Sources(tmp_path))
    assert sorted(read_columns) == ["gold", "premise"], "each once, and no other"


# --- what formats refuse

QA = (("question", "question"), ("context", "context"), ("answers", "answers"), ("answer_starts", "starts"))
REFUSED = {
    "no label of the set": (
        FORMAT, {"text": ["a", "b"], "label": ["yes", "Yes"]},
        r"row 1: label 'Yes' is not in the label set \(yes, no, maybe\) \(is 'yes' meant\?\); correct the row, or map",
    ),
    "no text": (FORMAT, {"text": ["a", None], "label": ["yes", "no"]}, "set, row 1: text is None, not a text"),
    "one choice": (
        MultipleChoice(), {"text": ["a"], "choices": [["b"]], "label": [0]}, r"row 0: it has 1 choices \(\['b'\]\)",
    ),
    "no such choice": (
        MultipleChoice(), {"text": ["a"], "choices": [["b", "c"]], "label": [2]},
        r"row 0: label 2 is not the index of one of its 2 choices \(0 to 1\).*choice_keys",
    ),
    "a choice by name": (
        MultipleChoice(), {"text": ["a"], "choices": [["b", "c"]], "label": ["1"]}, "label '1' is not the index",
    ),
    "a choice that is none": (
        MultipleChoice(), {"text": ["a"], "choices": [["b", None]], "label": [0]}, r"choices\[1\] is None, not a text",
    ),
    "choices that are no list": (
        MultipleChoice(), {"text": ["a"], "choices": ["b"], "label": [0]}, "choices is 'b', not a list",
    ),
    "more tokens than tags": (
        Tagging(("O", "X")), {"tokens": [["a", "b"]], "tags": [["O"]]}, "row 0: there are 2 tokens, but tags: 1",
    ),
    "an unknown tag": (
        Tagging(("O", "X")), {"tokens": [["a", "b"]], "tags": [["O", "Y"]]},
        r"row 0: tags\[1\] is 'Y' \(for 'b'\), which is not in the tag set \(O, X\)",
    ),
    "no tokens": (Tagging(("O", "X")), {"tokens": [["a"], []], "tags": [["O"], []]}, "row 1: it has no tokens"),
    "a blank token": (
        Tagging(("O", "X")), {"tokens": [["a", " "]], "tags": [["O", "O"]]}, r"tokens\[1\] is ' ', which is not a word",
    ),
    "no answer": (
        QuestionAnswering(), {"question": ["q"], "context": ["c"], "answers": [[]]},
        r"row 0: it has no answer; .*QuestionAnswering\(unanswerable=True\)",
    ),
    "an empty answer": (
        QuestionAnswering(unanswerable=True), {"question": ["q"], "context": ["c"], "answers": [[""]]},
        "an answer is empty",
    ),
    "starts of other answers": (
        QuestionAnswering(), {"question": ["q"], "context": ["c"], "answers": [["c"]], "answer_starts": [[0, 1]]},
        r"1 answers, and answer_starts is \[0, 1\]",
    ),
    "starts that are bools": (
        QuestionAnswering(), {"question": ["q"], "context": ["c"], "answers": [["c"]], "answer_starts": [[True]]},
        r"1 answers, and answer_starts is \[True\]",
    ),
    "a pair of bools": (
        BitextMining(), {"source": [["a"]], "target": [["b"]], "gold": [[[True, 1]]]}, r"pair \[True, 1\] does not",
    ),
    "no gold": (Retrieval(), {"query": ["q"], "gold": [[]]}, "row 0: gold is empty"),
    "no candidate": (Retrieval(), {"query": ["q"], "candidate": [3]}, "row 0: candidate is 3, not a text"),
    "half a pair": (Bitext(), {"query": ["q", "r"], "candidate": ["c", None]}, "row 1: candidate is None, not a text"),
    "a pair from zero": (
        BitextMining(), {"source": [["a"]], "target": [["b"]], "gold": [[[0, 1]]]},
        r"row 0: gold pair \[0, 1\] does not name .* from 1 to 1 and 1",
    ),
    "a pair of three": (BitextMining(), {"source": [["a"]], "target": [["b"]], "gold": [[[1, 1, 1]]]}, "gold pair"),
    "nothing to mine": (BitextMining(), {"source": [[]], "target": [["b"]], "gold": [[]]}, "0 source and 1 target"),
    "a text to mask": (MaskedLanguageModel(), {"text": [4]}, "text is 4, not a text"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_rows_that_do_not_fit_their_format(name: str) -> None:
    task_format, columns, said = REFUSED[name]
    with pytest.raises(UserError, match=said):
        read(rows_of(*((role, role) for role in columns)), task_format, columns)


@pytest.mark.parametrize("label", [3, -2, None, 1.0, True])
def test_an_id_outside_the_set_is_shown_as_it_is(label) -> None:
    with pytest.raises(UserError, match=rf"row 2: label {label!r} is not in the label set"):
        read(ROWS, FORMAT, {"premise": ["a", "b", "c"], "gold": [-1, 0, label]})


def test_unanswerable_questions_are_welcome_where_the_format_says_so() -> None:
    columns = {"question": ["q"], "context": ["c"], "answers": [[]], "starts": [[]]}
    assert read(rows_of(*QA), QuestionAnswering(unanswerable=True), columns).columns["answers"] == [[]]


# --- training rows


def answers_at(*starts: int) -> dict[str, list]:
    context = "the cat sat"
    return {
        "question": ["who?"] * len(starts), "context": [context] * len(starts), "answers": [["cat"]] * len(starts),
        "starts": [[start] for start in starts],
    }  # fmt: skip


def test_answers_that_stand_elsewhere_are_left_out_of_training_and_counted(tmp_path) -> None:
    rows = rows_of(*QA)
    task = Task("qa", QuestionAnswering(), train=(rows,), evaluation=(rows,))
    write(tmp_path, rows, answers_at(*[4] * 18, 5, -7))
    examples = read_training(task, Sources(tmp_path))
    assert len(examples) == 18
    (left,) = examples.left_out
    assert (left.reason, left.count, left.first) == ("the answer is not at the position in answer_starts", 2, 18)
    assert len(read_rows(rows, task.format, Sources(tmp_path))) == 20, "answers are scored wherever they stand"
    write(tmp_path, rows, answers_at(4, 6))
    with pytest.raises(
        UserError, match=r"1 of 2 rows .*, row 1: .cat. should begin at 6, but the context continues there with .t sat."
    ):
        read_training(task, Sources(tmp_path))
    without = dataclasses.replace(task, train=(dataclasses.replace(rows, columns=QA[:3]),))
    with pytest.raises(UserError, match="training needs to know where each answer begins"):
        read_training(without, Sources(tmp_path))


def test_a_task_that_is_only_evaluated_has_nothing_to_train_on(tmp_path) -> None:
    with pytest.raises(UserError, match="task t has no training rows"):
        read_training(Task("t", FORMAT, evaluation=(ROWS,)), Sources(tmp_path))


@given(st.lists(st.integers(0, 60), min_size=1, max_size=8), st.integers(1, 150) | st.none())
def test_sets_share_a_limit_in_proportion_to_their_size(sizes: list[int], limit: int | None) -> None:
    shares = shares_of(sizes, limit)
    total = sum(sizes)
    assert all(0 <= share <= size for share, size in zip(shares, sizes, strict=True))
    if limit is None or total <= limit:
        assert shares == sizes
        return
    assert sum(shares) == limit
    filled = [size for size in sizes if size]
    if limit >= len(filled):
        assert all(shares[place] for place, size in enumerate(sizes) if size)
    if all(limit * size >= total for size in filled):
        assert all(abs(share - limit * size / total) < 1 for share, size in zip(shares, sizes, strict=True))


def test_a_limit_is_a_tasks_not_a_sets(tmp_path) -> None:
    sets = tuple(dataclasses.replace(ROWS, config=name, language=name) for name in ("big", "small"))
    write(tmp_path, sets[0], {"premise": [f"big{i}" for i in range(9)], "gold": [-1, *[0] * 8]})
    write(tmp_path, sets[1], {"premise": ["small0", "small1"], "gold": [1, 1]})
    task = Task("t", FORMAT, train=sets)
    drawn = read_training(task, Sources(tmp_path), 5).columns["text"]
    assert [text[0] for text in drawn] == ["b", "b", "b", "b", "s"]
    assert len(set(drawn)) == 5
    assert len(read_training(task, Sources(tmp_path))) == 10
    (one,) = read_training(task, Sources(tmp_path), 1).columns["text"]
    assert one.startswith("big")
    assert len(read_all(sets, FORMAT, Sources(tmp_path), 3)) == 5, "development rows are limited set by set"


def test_sets_are_joined_in_order_and_must_agree() -> None:
    one, two = (read(dataclasses.replace(ROWS, stop=stop), FORMAT, TABLE) for stop in (1, 2))
    both = joined([one, two])
    assert (both.rows, both.columns["text"]) == ((0, 0, 2), ["a", "a", "c"])
    assert both.take([2, 0]).columns["label"] == ["maybe", "yes"]
    with pytest.raises(
        UserError,
        match=r"one set of the task has the roles text, label and another has text, .* give each set the same roles",
    ):
        joined([one, Examples(rows=(0,), columns={"text": ["a"]})])


# --- where rows lie


def test_rows_are_read_from_a_mirror(tmp_path) -> None:
    write(tmp_path, ROWS, TABLE)
    assert len(read_rows(ROWS, FORMAT, Sources(tmp_path))) == 4
    with pytest.raises(UserError, match=r"test\.parquet, row 3: label 'no' is not in the label set \(yes, maybe\)"):
        read_rows(ROWS, Classification(("yes", "maybe")), Sources(tmp_path))


def test_rows_of_the_hub_come_as_arrow_with_their_ids(monkeypatch) -> None:
    import datasets

    asked: list[tuple[object, ...]] = []
    kinds = {"premise": datasets.Value("string"), "unused": datasets.Value("int64")}
    features = datasets.Features({**kinds, "gold": datasets.ClassLabel(names=["x", "y", "z"])})
    loaded = datasets.Dataset.from_dict(TABLE, features=features)

    def load(hub_id, config, split, revision):
        asked.append((hub_id, config, split, revision))
        return loaded

    monkeypatch.setattr("datasets.load_dataset", load)
    rows = dataclasses.replace(ROWS, revision="d" * 40)
    examples = read_rows(rows, FORMAT, Sources(None))
    assert asked == [("owner/set", "config", "test", "d" * 40)]
    assert examples.columns == {"text": ["a", "c", "d", "e"], "label": ["yes", "maybe", "no", "yes"]}
    monkeypatch.setattr("datasets.load_dataset", lambda *_, **__: 1 / 0)
    with pytest.raises(MissingInput, match=r"cannot be read from the hub \(ZeroDivisionError.*--data DIR"):
        read_rows(rows, FORMAT, Sources(None))


def tasks_with_rows() -> list[object]:
    """(folder, task) for the packaged sample and, where they are, the shared real rows."""
    folders = {"sample": SAMPLE / "data", **({"shared": SHARED} if SHARED.is_dir() else {})}
    found: list[object] = [
        pytest.param("sample" if name == "sample" else str(folder), task, id=f"{name}-{task.name}")
        for name, folder in folders.items()
        for task in TASKS.values()
        if any((folder / f"{rows.address}.parquet").is_file() for _, rows in sets_of(task))
    ]
    if "shared" not in folders:
        found.append(pytest.param("", None, id="shared", marks=pytest.mark.skip(f"no real rows at {SHARED}")))
    return found


def sets_of(task: Task) -> list[tuple[str, Rows]]:
    return [(use, rows) for use in ("train", "development", "evaluation") for rows in getattr(task, use)]


@pytest.mark.parametrize(("data", "task"), tasks_with_rows())
def test_every_set_of_the_catalog_that_is_here_fits_its_task(data: str, task: Task) -> None:
    """Column names and label sets of the catalog against real rows."""
    sources = Sources(data)
    read_sets = 0
    for use, rows in sets_of(task):
        if not (sources.folder / f"{rows.address}.parquet").is_file():
            continue
        try:
            if use == "train":
                examples = read_training(dataclasses.replace(task, train=(rows,)), sources, 50)
                assert not [each for each in examples.left_out if "answer" in each.reason]
            else:
                examples = read_rows(rows, task.format, sources, limit=50)
        except MissingInput:
            # Subsets of the hub's sets may end before a slice begins, or lack a language's prefix.
            if not rows.first and rows.starts_with is None:
                raise
            continue
        read_sets += 1
        roles = {role for role, _ in rows.columns}
        assert set(examples.columns) == ({"query", "candidate", "candidate_context"} if "passage" in roles else roles)
    assert read_sets > 0


def test_the_packaged_sample_has_rows_of_many_tasks() -> None:
    assert sum(param.values[0] == "sample" for param in tasks_with_rows()) >= 8


@pytest.mark.parametrize(
    ("task_format", "role"),
    [
        (Tagging(("O", "B-PER")), "tokens"),
        (MultipleChoice(), "choices"),
        (QuestionAnswering(), "question and for the role context"),
        (Retrieval(), "query"),
    ],
)
def test_rows_without_a_column_that_every_row_needs_are_refused(tmp_path, task_format, role: str) -> None:
    file = tmp_path / "made/sets/x/test.parquet"
    file.parent.mkdir(parents=True)
    pq.write_table(pa.table({"sentence": ["a b"] * 5}), file)
    rows = Rows("made/sets", "x", "test", "en", (("text", "sentence"),))
    with pytest.raises(UserError, match=rf"test.parquet: there is no column for the role {role}\. Every row of a .*"):
        read_rows(rows, task_format, Sources(tmp_path))
