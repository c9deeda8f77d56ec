"""Files as other programs, shells and downloads leave them: read right, or refused with what they are."""

import unicodedata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from adaptx.catalog import E5_MINI, local_task
from adaptx.cli.app import app
from adaptx.data.files import read_file
from adaptx.data.reading import read_pool, read_rows, read_training
from adaptx.errors import UserError
from adaptx.execution.checking import check_rows
from adaptx.formats.row_cache import RowCache
from adaptx.sources.sources import Sources
from adaptx.specs import (
    Classification,
    Evaluate,
    MultipleChoice,
    QuestionAnswering,
    Retrieval,
    Tagging,
    Task,
    TaskFormat,
)
from adaptx.store.store import Store

SENTIMENT = Classification(("negative", "neutral", "positive"))
NAMES = Tagging(("B-PER", "I-PER", "O"))
"""Its first tag is not `O`, so that a `0` would be another tag than it looks like."""


def written(folder: Path, name: str, content: str | bytes) -> Path:
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def task_of(folder: Path, task_format: TaskFormat) -> Task:
    """A task whose own files are right."""
    rows = {
        Classification: '{"text": "a", "label": "positive"}',
        Tagging: '{"tokens": ["Jo"], "tags": ["B-PER"]}',
        MultipleChoice: '{"text": "a", "choices": ["b", "c"], "label": 0}',
        QuestionAnswering: '{"question": "a", "context": "b", "answers": ["b"], "answer_starts": [0]}',
    }
    return local_task("own", task_format, {"en": written(folder, "own.jsonl", rows[type(task_format)])})


# --- tagged words: what stands in a first column

COLUMNS = {
    "a language before each word": (
        "en:Jo\tB-PER\nen:ran\tO\n\nen::\tO\n", r"begins with 'en:' \('en:Jo', \.\.\.\), the language.*sed 's/\^en://'"
    ),
    "a counter of the whole file": ("1\tJo\tB-PER\n2\tran\tO\n\n3\tJo\tB-PER\n", r"numbers the words .*cut"),
    "an index with gaps": ("7 Jo B-PER\n9 ran O\n\n12 Jo B-PER\n", r"numbers the words of the file .*sed -E"),
    "a sentence's name": ("s1\tJo\tB-PER\ns1\tran\tO\n\ns2\tJo\tB-PER\ns2\tsat\tO\n", r"the same value .* \('s1'\)"),
    "a document's name": ("".join(f"bc/x_0  0  {n}  w{n}  NN  O\n" for n in range(5)), r"same value .*\('bc/x_0'\)"),
    "commas for tabs": ("Jo,B-PER\nran,O\n", "so a comma seems to separate word and tag; use a tab"),
    "slashes for tabs": ("Jo/B-PER\n1/2/O\n", "so a slash seems to separate word and tag; use a tab"),
    "JSON lines": ('{"tokens": ["Jo"], "tags": ["O"]}\n', r"JSON objects, not words; rename it .*\.jsonl"),
    "joined files": ("\ufeffJo\tB-PER\n\n\ufeffRay\tB-PER\n", r"line 3: it begins with a byte-order mark.* sed 's/\^"),
}  # fmt: skip


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("name", COLUMNS)
def test_first_columns_that_hold_no_words(tmp_path, name: str, labelled: bool) -> None:
    text, said = COLUMNS[name]
    with pytest.raises(UserError, match=said):
        read_file(written(tmp_path, "rows.conll", text), task_of(tmp_path, NAMES), labelled)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("http://a\tO\nhttp://b\tO\n", ["http://a", "http://b"]),
        ("en:a\tO\nb\tO\n", ["en:a", "b"]),
        ("a/O\nb\n", ["a/O", "b"]),
        ("{\nJo\n", ["{", "Jo"]),
        ("ha\tO\nha\tO\nha\tO\n", ["ha", "ha", "ha"]),
        ("3\tO\n2\tO\n", ["3", "2"]),
        ("Jo\u202f1\tO\nran\tO\n", ["Jo\u202f1", "ran"]),
    ],
)
def test_words_that_look_like_something_else(tmp_path, text: str, words: list[str]) -> None:
    found = read_file(written(tmp_path, "rows.conll", text), task_of(tmp_path, NAMES), labelled=False)
    assert found.columns["tokens"] == [words]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("B-PER\tJo\nO\tran\n", r"its first column holds tags \('B-PER', \.\.\.\); write the word first"),
        (
            "T1\tPER 0 2\tJo\nT2\tPER 7 10\tRay\n",
            r"last column \('Jo', \.\.\.\) is a .* first column \('T1'.*cut -f 1 <",
        ),
        ("Jo lives here\nRay sees it\n", r"last column \('here', \.\.\.\) is a tag of the task .*awk '\{print \$1\}'"),
        ("Jo/B-PER ran/O\n", r"last column \('ran/O', \.\.\.\) is a tag"),
        ("Jo B-PER 0.98\nran O 0.99\n", r"last column \('0\.98', \.\.\.\) is a tag"),
    ],
)
def test_files_to_predict_whose_last_column_holds_no_tag(tmp_path, text: str, said: str) -> None:
    """Nothing reads the tags there, so that whatever stands in the first column would be the words."""
    task = task_of(tmp_path, NAMES)
    with pytest.raises(UserError, match=said):
        read_file(written(tmp_path, "rows.conll", text), task, labelled=False)
    for right in ("Jo\tb-per\nran\tX\n", "Jo NN 0\nran VB 2\n", "Jo\nran\n"):
        assert read_file(written(tmp_path, "rows.conll", right), task, labelled=False).columns == {
            "tokens": [["Jo", "ran"]]
        }


# --- labels


@pytest.mark.parametrize(
    ("task_format", "name", "content", "said"),
    [
        (NAMES, "a.conll", "Jo B-PER\nran 0\n", r"by name \('B-PER'\) and by number \('0', which would be"),
        (NAMES, "a.jsonl", '{"tokens": ["a"], "tags": [2]}\n{"tokens": ["b"], "tags": ["O"]}\n', r"and by number \(2"),
        (SENTIMENT, "a.csv", "text,label\na,positive\nb,0\n", r"\('positive'\) and by number \('0'.*'negative'"),
        (SENTIMENT, "a.csv", "text,label\na,positive \n", "'positive ' is not .* \\(is 'positive' meant\\?\\)"),
        (SENTIMENT, "a.csv", "text,label\na,posi\u200btive\n", "is 'positive' meant"),
        (SENTIMENT, "a.csv", "text,label\na,\uff50ositive\n", "is 'positive' meant"),
    ],
)  # fmt: skip
def test_labels_that_are_written_in_two_ways(tmp_path, task_format, name: str, content: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        read_file(written(tmp_path, name, content), task_of(tmp_path, task_format), labelled=True)


def test_labels_by_number_alone_or_by_name_alone(tmp_path) -> None:
    task = task_of(tmp_path, SENTIMENT)
    for cells, expected in (("2\nb,0.0", ["positive", "negative"]), ("neutral\nb,positive", ["neutral", "positive"])):
        file = written(tmp_path, "a.csv", f"text,label\na,{cells}\n")
        assert read_file(file, task, labelled=True).columns["label"] == expected


@pytest.mark.parametrize(("form", "other"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_labels_of_another_unicode_form(tmp_path, form, other) -> None:
    labels = Classification((unicodedata.normalize(form, "négatif"), "positif"))
    file = written(tmp_path, "a.csv", unicodedata.normalize(other, "text,label\na,négatif\n"))
    with pytest.raises(UserError, match=f"in how Unicode encodes accents: write the file in {form}"):
        read_training(local_task("fr", labels, {"fr": file}), Sources(None))


# --- tables


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "text,label\r\na,positive\r\n\ufefftext,label\r\nb,neutral\r\n", r"line 3: it repeats the names"),
        ("a.tsv", "text\tlabel\na\tpositive\ntext\tlabel\n", r"it repeats the names of the columns \(text, label\)"),
        ("a.jsonl", b'{"text": "a"}\n\xef\xbb\xbf{"text": "b"}\n', r"line 2: .*it begins with a byte-order mark.* sed"),
        ("a.csv", "sep=,\ntext,label\na,positive\n", r"line 1: 'sep=' is a setting for spreadsheets.* tail -n \+2 <"),
        ("a.csv", "sep=;\ntext;label\na;positive\n", r"line 1: 'sep=;' is a setting for spreadsheets"),
        ("a.csv", "text,label\u200b\na,positive\n", r"'label\\u200b' differs only in letter case, spaces or"),
        ("a.csv", "\ufeff\ufefftext,label\na,positive\n", r"only in letter case, spaces or invisible characters"),
        *[
            (name, "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n", "a Git LFS pointer.*lfs pull")
            for name in ("a.csv", "a.tsv", "a.jsonl", "a.parquet")
        ],
        ("a.csv", "\n<!DOCTYPE html>\n<html>a, b</html>\n", "is a web page, not the file itself; download the file"),
        ("a.parquet", "<HTML>\n", "is a web page, not the file itself; download the file"),
    ],
)  # fmt: skip
def test_tables_that_are_none(tmp_path, name: str, content: str | bytes, said: str) -> None:
    with pytest.raises(UserError, match=said):
        read_file(written(tmp_path, name, content), task_of(tmp_path, SENTIMENT), labelled=True)


def test_a_row_of_one_column_may_read_like_its_name(tmp_path) -> None:
    file = written(tmp_path, "a.csv", "text\nsome\ntext\n")
    assert read_file(file, task_of(tmp_path, SENTIMENT), labelled=False).columns["text"] == ["some", "text"]


def test_a_folder_of_parts_is_named(tmp_path) -> None:
    folder = tmp_path / "rows.parquet"
    folder.mkdir()
    pd.DataFrame({"text": ["a"]}).to_parquet(folder / "part-0.parquet")
    written(folder, "_SUCCESS", "")
    for read in (
        lambda: read_file(folder, task_of(tmp_path, SENTIMENT), labelled=False),
        lambda: local_task("own", SENTIMENT, {"en": folder}),
    ):
        with pytest.raises(UserError, match=r"rows\.parquet is a folder.*it holds: part-0\.parquet\. Name one file"):
            read()


def test_answers_within_a_struct_say_where_their_texts_are(tmp_path) -> None:
    row = '{"question": "a", "context": "b", "answers": {"text": ["b"], "answer_start": [0]}}\n'
    with pytest.raises(UserError, match=r"not a list of texts; its texts are in the column 'answers\.text', so give"):
        read_file(written(tmp_path, "a.jsonl", row), task_of(tmp_path, QuestionAnswering()), labelled=True)


# --- tasks over several files


@pytest.mark.parametrize(
    ("task_format", "full", "bare", "role"),
    [
        (SENTIMENT, "text,pair,label\na,b,positive\n", "text,hypothesis,label\na,b,positive\n", "pair"),
        (MultipleChoice(), 'text,question,choices,label\na,b,"[]",0\n', 'text,choices,label\na,"[]",0\n', "question"),
    ],
)
def test_optional_columns_are_in_all_files_or_in_none(tmp_path, task_format, full, bare, role) -> None:
    one, other = written(tmp_path, "one.csv", full), written(tmp_path, "other.csv", bare)
    said = rf"file one\.csv \(en\) has a column for the role {role}, .*other\.csv \(sw\) has none.* Add a column"
    with pytest.raises(UserError, match=said):
        local_task("own", task_format, {"en": one}, evaluation={"sw": other})
    with pytest.raises(UserError, match=rf"development file one\.csv .*{role}, and the train file other"):
        local_task("own", task_format, {"sw": other}, development={"en": one})
    for file in (one, other):
        local_task("own", task_format, {"en": file}, evaluation={"sw": file})


def test_contexts_of_candidates_are_trained_and_ranked_or_neither(tmp_path) -> None:
    train = written(tmp_path, "train.csv", "query,candidate,candidate_context\na,b,c\n")
    queries, pool = (
        written(tmp_path, "q.csv", "query,gold\na,1\n"),
        written(tmp_path, "pool.csv", "id,candidate\n1,b\n"),
    )
    with pytest.raises(UserError, match=r"role candidate_context, and the pool file pool\.csv"):
        local_task("own", Retrieval(), {"en": train}, evaluation={"en": queries}, pool={"en": pool})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"train": ["a.csv"]}, r"train takes a mapping from languages to files, not a list; write train=\{\"en\""),
        ({"evaluation": "a.csv"}, "evaluation takes a mapping from languages to files, not a str"),
        (
            {"pool": {"en": ["a.csv", "b.csv"]}},
            "pool maps a language code to the path of one file, not a str and a list",
        ),
        ({"train": {"en": None}}, "not a str and a NoneType"),
        ({"train": {1: "a.csv"}}, "not an int and a str"),
        ({"columns": ["text"]}, "columns takes a mapping from roles to columns, not a list"),
        ({"columns": {"text": 0}}, "a tuple of names, not to an int for 'text'"),
        ({"columns": {"text": ["a", "b"]}}, "not to a list for 'text'"),
    ],
)
def test_arguments_of_other_types(given, said) -> None:
    with pytest.raises(UserError, match=rf"local_task\('own'\): .*{said}|local_task\('own'\): {said}"):
        local_task("own", SENTIMENT, **given)


def retrieval(folder: Path, golds: str, ids: list[object]) -> Task:
    pool = folder / "pool.parquet"
    pd.DataFrame({"id": ids, "candidate": [f"c{place}" for place in range(len(ids))]}).to_parquet(pool)
    return local_task("own", Retrieval(), evaluation={"en": written(folder, "queries.jsonl", golds)}, pool={"en": pool})


def test_ids_are_alike_whatever_kind_of_number_holds_them(tmp_path) -> None:
    golds = '{"query": "a", "gold": 1}\n{"query": "b", "gold": "2"}\n{"query": "c", "gold": [1.0, 3]}\n'
    task = retrieval(tmp_path, golds, [1.0, 2.0, 3.0])
    assert read_rows(task.rows_in("en"), task.format, Sources(None)).columns["gold"] == [["1"], ["2"], ["1", "3"]]
    assert read_pool(task, Sources(None)).columns["id"] == ["1", "2", "3"]
    cells = written(tmp_path, "queries.csv", 'query,gold\na,1\nb,"[2, ""3""]"\nc,[x\n')
    own = local_task("own", Retrieval(), evaluation={"en": cells}, pool={"en": tmp_path / "pool.parquet"})
    assert read_rows(own.rows_in("en"), own.format, Sources(None)).columns["gold"] == [["1"], ["2", "3"], ["[x"]]


@pytest.mark.parametrize(
    ("golds", "ids", "said"),
    [
        ('{"query": "a", "gold": "1"}\n{"query": "b", "gold": 7}\n', ["1", "2"], r"1 of 2 .* first is row 1, .* '7'\. "
         r"The pool's ids are '1', '2'\. Write ids the same way"),
        ('{"query": "a", "gold": ["1.0"]}\n', [1, 2], r"whose gold id is '1\.0'"),
        ('{"query": "a", "gold": "1"}\n', ["1", "1"], "have the id '1' twice"),
    ],
)  # fmt: skip
def test_queries_without_a_candidate_stop_a_run_before_it_begins(tmp_path, golds, ids, said) -> None:
    task = retrieval(tmp_path, golds, ids)
    node: Any = SimpleNamespace(stage=Evaluate(E5_MINI, task, "en"))
    sources = Sources(None)
    shop: Any = SimpleNamespace(rows=RowCache(sources), sources=sources, store=Store(tmp_path / "store"))
    with pytest.raises(UserError, match=said):
        check_rows([node], shop)


# --- where predictions go


@pytest.mark.parametrize("target", ["rows.csv", "link.csv"])
def test_predictions_never_go_over_their_rows(tmp_path, target: str) -> None:
    file = written(tmp_path, "rows.csv", "text\na\n")
    (tmp_path / "link.csv").symlink_to(file)
    store = str(tmp_path / "store")
    ended = CliRunner().invoke(app, ["predict", "x", str(file), "--out", str(tmp_path / target), "--store", store])
    assert isinstance(ended.exception, UserError)
    assert "is the file of rows itself, which would be overwritten" in str(ended.exception)
    assert file.read_text() == "text\na\n"
