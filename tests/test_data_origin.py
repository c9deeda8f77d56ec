"""Messages and counts name the line of a row that is read from a text file, and the row's number elsewhere."""

import json
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adaptx.catalog import local_task
from adaptx.data.files import read_file
from adaptx.data.reading import read_rows, read_training
from adaptx.errors import UserError
from adaptx.sources.sources import Sources
from adaptx.specs import Classification, QuestionAnswering, Tagging, Task

REST = "\t_" * 6
YES_NO = Classification(("yes", "no"))


def task(path, task_format=YES_NO) -> Task:
    return local_task("t", task_format, {"en": path}, evaluation={"en": path})


def refusal(path, task_format=YES_NO) -> str:
    given = task(path, task_format)
    with pytest.raises(UserError) as caught:
        read_rows(given.evaluation[0], task_format, Sources())
    with pytest.raises(UserError) as again:
        read_file(path, given, labelled=True)
    assert str(again.value) == str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("rows.csv", "text,label\na,yes\nb,perhaps\n", "line 3"),
        ("rows.csv", 'text,label\n\n"a\nb\nc",yes\n\nd,perhaps\n', "line 7"),
        ("rows.tsv", "text\tlabel\r\na\tyes\r\n\r\nb\tperhaps\r\n", "line 4"),
        ("rows.tsv", 'text\tlabel\n"a\nb"\tyes\n"c\td"\tperhaps\n', "line 4"),
        ("rows.jsonl", '{"text": "a", "label": "yes"}\n\n{"text": "b", "label": "perhaps"}\n', "line 3"),
    ],
)
def test_a_row_of_a_text_file_is_named_by_the_line_in_which_it_begins(tmp_path, name, text, place) -> None:
    path = tmp_path / name
    path.write_text(text, newline="")
    assert refusal(path).startswith(f"{path}, {place}: label 'perhaps' is not in the label set")


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("rows.conll", "# a comment\na O\n\n\nb O\nc B\n", "sentence at line 5"),
        ("rows.conllu", f"# x\n1\ta\t_\tO{REST}\n\n1\tb\t_\tB{REST}\n", "sentence at line 4"),
    ],
)
def test_a_sentence_is_named_by_the_line_of_its_first_word(tmp_path, name, text, place) -> None:
    path = tmp_path / name
    path.write_text(text)
    assert refusal(path, Tagging(("O", "X"))).startswith(f"{path}, {place}: tags[")


def test_a_sentence_of_several_files_is_named_by_its_own_file(tmp_path) -> None:
    (tmp_path / "a.conll").write_text("a O\n\nb O\n")
    (tmp_path / "b.conll").write_text("a O\n\n\nb B\n")
    given = task(tmp_path / "a.conll", Tagging(("O", "X")))
    rows = replace(given.evaluation[0], config="*.conll")
    with pytest.raises(UserError, match=r"b\.conll, sentence at line 4: tags\[0\] is 'B'"):
        read_rows(rows, given.format, Sources())


def test_a_row_of_parquet_is_named_by_its_number(tmp_path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"text": ["a", "b"], "label": ["yes", "perhaps"]}), path)
    assert refusal(path).startswith(f"{path}, row 1: label 'perhaps'")


def test_what_is_left_out_of_a_text_file_is_counted_from_its_line(tmp_path) -> None:
    context = "a b c"
    good = {"question": "q", "context": context, "answers": ["b"], "answer_starts": [2]}
    path = tmp_path / "rows.jsonl"
    path.write_text("\n" + "\n".join(json.dumps(each) for each in [*[good] * 11, {**good, "answer_starts": [0]}]))
    read = read_training(task(path, QuestionAnswering()), Sources())
    (blank, misplaced) = read.left_out
    assert (blank.first, blank.unit) == (1, "line")
    assert (misplaced.count, misplaced.first, misplaced.line) == (1, 11, 13)
    assert str(misplaced).endswith("the first is line 13")
