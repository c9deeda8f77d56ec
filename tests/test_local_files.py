"""Files of one task that differ in their columns and in how they write labels."""

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import adaptx
from adaptx.catalog import LocalFile, local_task
from adaptx.data.files import read_file
from adaptx.data.reading import read_rows, read_training
from adaptx.errors import UserError
from adaptx.sources.sources import Sources
from adaptx.specs import Classification, MultipleChoice, QuestionAnswering, Tagging

FEELING = Classification(("pos", "neg"))
CODES = {"0": "neg", "1": "pos"}


def evaluated(task: Any) -> list[str]:
    (rows,) = task.evaluation
    return read_rows(rows, task.format, Sources()).columns["label"]


def written(folder: Path, name: str, labels: list[Any]) -> Path:
    """A file with the columns `text` and `label`."""
    frame, file = pd.DataFrame({"text": ["a"] * len(labels), "label": labels}), folder / name
    match file.suffix:
        case ".csv":
            frame.to_csv(file, index=False)
        case ".jsonl":
            file.write_text("".join(json.dumps(row) + "\n" for row in frame.to_dict("records")))
        case _:
            frame.to_parquet(file)
    return file


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl", "x.parquet"])
@pytest.mark.parametrize("labels", [[0, 1, 1], ["0", "1", "1"], [0.0, 1.0, 1.0]])
@pytest.mark.parametrize("given", [CODES, {0: "neg", 1: "pos"}, ("neg", "pos"), ["neg", "pos"]])
def test_numbers_become_labels_in_every_kind_of_file(tmp_path, name: str, labels: list[Any], given: Any) -> None:
    file = written(tmp_path, name, labels)
    task = local_task("t", FEELING, evaluation={"sw": LocalFile(file, labels=given)})
    assert evaluated(task) == ["neg", "pos", "pos"]
    assert evaluated(local_task("t", FEELING, evaluation={"sw": file}, labels=given)) == ["neg", "pos", "pos"]
    # Without a mapping, numbers are positions in the format's labels.
    assert evaluated(local_task("t", FEELING, evaluation={"sw": file})) == ["pos", "neg", "neg"]


def test_bools_and_words_become_labels(tmp_path) -> None:
    file = written(tmp_path, "x.jsonl", [True, False])
    told = {True: "pos", False: "neg"}
    assert evaluated(local_task("t", FEELING, evaluation={"en": file}, labels=told)) == ["pos", "neg"]
    file = written(tmp_path, "x.csv", ["hasi", "chanya", "neg"])
    assert evaluated(local_task("t", FEELING, evaluation={"sw": file}, labels={"hasi": "neg", "chanya": "pos"})) == [
        "neg",
        "pos",
        "neg",
    ]


def test_each_file_has_its_own_columns_and_labels(tmp_path) -> None:
    (tmp_path / "train.csv").write_text("sentence,stars\ngood,1\nbad,2\n")
    (tmp_path / "sw.jsonl").write_text('{"maandishi": "nzuri", "hisia": "chanya"}\n')
    task = local_task(
        "feeling",
        FEELING,
        train={"en": LocalFile(tmp_path / "train.csv", {"text": "sentence", "label": "stars"}, {1: "pos", 2: "neg"})},
        evaluation={"sw": LocalFile(tmp_path / "sw.jsonl", labels={"chanya": "pos"})},
        columns={"text": "maandishi", "label": "hisia"},
    )
    assert read_training(task, Sources()).columns == {"text": ["good", "bad"], "label": ["pos", "neg"]}
    assert evaluated(task) == ["pos"]
    # `adaptx evaluate` reads a file of the task as the recipe does.
    examples = read_file(tmp_path / "sw.jsonl", task, labelled=True)
    assert examples.columns == {"text": ["nzuri"], "label": ["pos"]}


def test_tags_are_mapped(tmp_path) -> None:
    (tmp_path / "x.conll").write_text("Ana\tB-person\nlives\tO\n")
    task = local_task(
        "ner", Tagging(("O", "B-PER")), evaluation={"en": tmp_path / "x.conll"}, labels={"B-person": "B-PER"}
    )
    assert read_rows(task.evaluation[0], task.format, Sources()).columns["tags"] == [["B-PER", "O"]]


def test_names_of_choices(tmp_path) -> None:
    (tmp_path / "x.jsonl").write_text('{"text": "a", "choices": ["b", "c"], "label": "B"}\n')
    task = local_task("c", MultipleChoice(), evaluation={"en": tmp_path / "x.jsonl"}, labels=("A", "B"))
    assert evaluated(task) == [1]


def test_rows_in_python_are_mapped_once() -> None:
    frame = pd.DataFrame({"text": ["a", "b"], "label": [0, 1]})
    assert evaluated(adaptx.task("t", FEELING, evaluation=frame, labels=CODES)) == ["neg", "pos"]
    turned = adaptx.task(
        "t", FEELING, evaluation=frame.assign(label=["pos", "neg"]), labels={"pos": "neg", "neg": "pos"}
    )
    assert evaluated(turned) == ["neg", "pos"]


@pytest.mark.parametrize("name", ["x.csv", "x.parquet"])
def test_a_value_that_is_not_mapped_is_refused_with_its_place(tmp_path, name: str) -> None:
    file = written(tmp_path, name, [1, 2, 0])
    task = local_task("t", FEELING, evaluation={"sw": file}, labels={1: "pos", 2: "neg"})
    place, value = ("line 4", "'0'") if name == "x.csv" else ("row 2", "0")
    with pytest.raises(UserError) as refused:
        evaluated(task)
    assert f"{file}, {place}: label {value} is not in the label set (pos, neg)" in str(refused.value)
    assert f"or map the value: local_task(labels={{{value}: 'pos', ...}}) for your own files" in str(refused.value)


@pytest.mark.parametrize(
    ("task_format", "labels", "said"),
    [
        (FEELING, {"0": "negative"}, "which is not a label of the task (pos, neg); near: neg"),
        (FEELING, ("bad", "pos"), "labels of x.csv: 0 becomes 'bad', which is not a label"),
        (FEELING, "neg", "labels of x.csv is 'neg', which is neither a mapping"),
        (QuestionAnswering(), {"0": "a"}, "labels of x.csv: QuestionAnswering has no labels; leave labels out"),
        (MultipleChoice(), {"A": "0"}, 'write labels=("A", "B", ...)'),
    ],
)  # fmt: skip
def test_labels_that_do_not_fit_are_refused(tmp_path, task_format: Any, labels: Any, said: str) -> None:
    (tmp_path / "x.csv").write_text("text,label,question,context,answers,choices\na,0,q,c,[],[]\n")
    with pytest.raises(UserError) as refused:
        local_task("t", task_format, evaluation={"en": LocalFile(tmp_path / "x.csv", labels=labels)})
    assert said in str(refused.value)


def test_wrong_columns_of_a_file_are_refused(tmp_path) -> None:
    (tmp_path / "x.csv").write_text("text,label\na,pos\n")
    with pytest.raises(UserError, match="has no role txt"):
        local_task("t", FEELING, evaluation={"en": LocalFile(tmp_path / "x.csv", columns={"txt": "text"})})
    with pytest.raises(UserError, match=r"x\.csv has no column 'body' \(read as text\); it has: text, label"):
        local_task("t", FEELING, evaluation={"en": LocalFile(tmp_path / "x.csv", columns={"text": "body"})})


def test_the_example_on_the_page_works(tmp_path, monkeypatch) -> None:
    page = (Path(__file__).parents[1] / "docs" / "tasks.md").read_text(encoding="utf-8")
    (code,) = [block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "LocalFile" in block]
    monkeypatch.chdir(tmp_path)
    Path("tweets.csv").write_text("tweet,stars\ngood,5\nbad,1\n")
    pd.DataFrame({"text": ["nzuri", "mbaya"], "label": [0, 1]}).to_parquet("swahili.parquet")
    found: dict[str, Any] = {}
    exec(code, found)
    assert read_training(found["FEELING"], Sources()).columns["label"] == ["pos", "neg"]
    assert evaluated(found["FEELING"]) == ["pos", "neg"]
