"""Tasks of rows given in Python: the same content is the same input, whatever it comes in."""

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support import tiny

import adaptx
from adaptx.errors import UserError
from adaptx.planning.plan import make_plan
from adaptx.sources.sources import Sources
from adaptx.specs import Classification, Evaluate, Lora, QuestionAnswering, Recipe, Tagging, Train

ROWS = [{"text": "bae, dof", "label": "x"}, {"text": "fik gol", "label": "y"}, {"text": "lud", "label": "y"}]
FORMAT = Classification(("x", "y"))


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home folder of the test's own."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def containers(folder: Path) -> dict[str, Any]:
    datasets = pytest.importorskip("datasets")
    frame = pd.DataFrame(ROWS)
    frame.to_csv(folder / "rows.csv", index=False)
    frame.to_parquet(folder / "rows.parquet")
    frame.to_json(folder / "rows.jsonl", orient="records", lines=True)
    dataset = datasets.Dataset.from_list(ROWS)
    datasets.disable_progress_bars()
    # Its numbers are in another order than the format's labels.
    named = dataset.cast_column("label", datasets.ClassLabel(names=["y", "x"]))
    return {
        "dicts": ROWS,
        "frame": frame,
        "frame with another index": frame.set_index(pd.Index([5, 7, 9])),
        "numbered frame": frame.assign(label=[0, 1, 1]),
        "dataset": dataset,
        "dataset with class labels": named,
        "dataset in torch's form": dataset.with_format("torch"),
        "csv": folder / "rows.csv",
        "parquet": str(folder / "rows.parquet"),
        "json lines": folder / "rows.jsonl",
    }


def fingerprints(task: Any, world: tiny.World) -> list[str]:
    train = Train(world.bert, task, Lora(4, 8), tiny.config())
    plan = make_plan(Recipe("own", (Evaluate(train, task, "sw"),)), world.sources)
    return [node.fingerprint for node in plan.nodes]


def test_the_same_content_has_the_same_fingerprint_in_any_container(tmp_path: Path, world: tiny.World) -> None:
    expected = fingerprints(adaptx.task("own", FORMAT, ROWS, evaluation={"sw": ROWS}), world)
    for name, rows in containers(tmp_path).items():
        assert fingerprints(adaptx.task("own", FORMAT, rows, evaluation={"sw": rows}), world) == expected, name
    other = [*ROWS[:2], {"text": "lud!", "label": "y"}]
    assert fingerprints(adaptx.task("own", FORMAT, other, evaluation={"sw": ROWS}), world)[0] != expected[0]


def test_columns_of_other_names_are_the_same_input(world: tiny.World) -> None:
    renamed = pd.DataFrame(ROWS).rename(columns={"text": "sentence"})
    columns = {"text": "sentence"}
    own = adaptx.task("own", FORMAT, renamed, evaluation={"sw": renamed}, columns=columns)
    assert fingerprints(own, world) == fingerprints(adaptx.task("own", FORMAT, ROWS, evaluation={"sw": ROWS}), world)


def test_rows_without_a_language_are_english_and_a_mapping_gives_several() -> None:
    task = adaptx.task("own", FORMAT, ROWS, evaluation={"sw": ROWS, "xa": ROWS})
    assert task.source_languages == ("en",)
    assert task.languages == ("sw", "xa")
    assert adaptx.task("own", FORMAT, ROWS, language="fi").source_languages == ("fi",)
    assert task.metrics == ("accuracy",)


def test_another_process_reads_the_rows(home: Path) -> None:
    from adaptx.data.reading import read_rows

    task = adaptx.task("own", FORMAT, pd.DataFrame(ROWS))
    assert read_rows(task.train[0], FORMAT, Sources()).columns == {
        "text": [row["text"] for row in ROWS],
        "label": [row["label"] for row in ROWS],
    }
    code = (
        "import pickle, sys; from adaptx.data.reading import read_rows; from adaptx.sources.sources import Sources\n"
        "task = pickle.load(sys.stdin.buffer); print(len(read_rows(task.train[0], task.format, Sources())))"
    )
    ended = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(task), capture_output=True, check=True)
    assert ended.stdout == b"3\n"
    assert len(list((home / ".cache/adaptx/rows").iterdir())) == 1
    adaptx.task("again", FORMAT, ROWS)
    assert len(list((home / ".cache/adaptx/rows").iterdir())) == 1, "the same rows are kept once"


def test_lists_and_spans_survive() -> None:
    from adaptx.data.reading import read_rows, read_training

    tags = Tagging(("O", "B-PER"))
    rows = [{"tokens": ["a", "b"], "tags": ["O", "B-PER"]}, {"tokens": ["c"], "tags": [0]}]
    with pytest.raises(UserError, match=r"train rows in en: tags holds labels by name .* and by number"):
        adaptx.task("own", tags, rows)
    task = adaptx.task("own", tags, pd.DataFrame(rows[:1]))
    assert read_rows(task.train[0], tags, Sources()).columns["tags"] == [["O", "B-PER"]]
    question = {"question": "who?", "context": "Ada did", "answers": ["Ada"], "answer_starts": [0]}
    asked = adaptx.task("own", QuestionAnswering(), [question], evaluation=[question])
    assert read_training(asked, Sources()).columns["answer_starts"] == [[0]]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"text": "a", "label": "z"}], "train rows in en, row 0: label 'z' is not in the label set"),
        ([{"label": "x"}], "train rows in en has no column 'text'; it has: label"),
        ([{"text": float("nan"), "label": "x"}], "train rows in en, row 0: text is None"),
        (3, "train rows in en: a value of type int cannot be read as rows; give a pandas.DataFrame"),
        (["a"], "train rows in en, row 0: 'a' (str) is not a row; give a list of dicts"),
        ({"en": None}, "train rows in en: a value of type NoneType cannot be read"),
        ("nowhere.csv", "the train file of en does not exist: "),
    ],
)
def test_rows_that_cannot_be_read_are_refused_by_name(rows: Any, said: str) -> None:
    with pytest.raises(UserError) as refused:
        adaptx.task("own", FORMAT, rows)
    assert said in str(refused.value)


def test_a_file_without_rows_or_of_another_ending_is_refused_by_its_name(tmp_path: Path) -> None:
    empty = tmp_path / "own.csv"
    empty.write_text("text,label\n")
    with pytest.raises(UserError, match=r"own\.csv.* has no rows"):
        adaptx.task("own", FORMAT, ROWS, evaluation=empty)
    sheet = tmp_path / "rows.jsonl.xlsx"
    sheet.write_text("")
    with pytest.raises(UserError) as refused:
        adaptx.task("own", FORMAT, sheet)
    assert "rows.jsonl.xlsx" in str(refused.value)
    assert ".jsonl, " in str(refused.value)


def test_answers_at_wrong_positions_are_refused_at_once_by_the_users_own_name() -> None:
    question = {"question": "who?", "context": "Ada did", "answers": ["Ada"], "answer_starts": [4]}
    with pytest.raises(UserError, match=r"train rows in en: 1 of 1 rows give a wrong position .* in en, row 0: 'Ada'"):
        adaptx.task("own", QuestionAnswering(), [question])
    assert adaptx.task("own", QuestionAnswering(), evaluation=[question]).evaluation
