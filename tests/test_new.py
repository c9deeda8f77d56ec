"""`adaptx new`: a recipe for the user's own files, planned and run as it is written."""

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest

from adaptx.cli import app as cli
from adaptx.planning.own_recipe.file_names import language_of, use_of
from adaptx.planning.recipe_file import load_recipe

TWO, ONE = "text,label\na,x\nb,y\n", "text,label\na,x\n"
USUAL = {"train.en.csv": TWO, "test.sw.csv": ONE}
SMALL = ("--data", "sample", "--model", "adaptx/e5-mini", "--set", "seeds=1", "--limit", "8")


class Ended(NamedTuple):
    status: int
    out: str
    err: str

    @property
    def message(self) -> str:
        return " ".join(self.err.split())


@pytest.fixture
def adaptx(capfd: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Ended]:
    monkeypatch.chdir(tmp_path)
    for name in ("ADAPTX_DATA", "ADAPTX_DEBUG", "ADAPTX_STORE", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["adaptx", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        captured = capfd.readouterr()
        return Ended(int(end.value.code or 0), captured.out, captured.err)

    return call


def write_reviews(folder: Path) -> None:
    """Files as people have them: an index, a column that is called otherwise in one file, numbers as labels."""
    texts = ["a fine film", "dull, and long", "I liked it", "never again"]
    frame = pd.DataFrame({"review": texts * 5, "stars": [1, 0, 1, 0] * 5, "user": range(20)})
    frame.to_csv(folder / "train_en.csv")
    frame[:8].rename(columns={"review": "maoni"}).to_parquet(folder / "swahili-test.parquet")
    frame[:8].to_csv(folder / "test.yo.tsv", sep="\t", index=False)


def test_a_recipe_for_reviews_plans_and_runs_at_once(adaptx, world, tmp_path, empty_database) -> None:
    write_reviews(tmp_path)
    refused = adaptx("new", "train_en.csv", "swahili-test.parquet", "test.yo.tsv", "--task", "classify")
    assert "--task classify: near: classification" in refused.message
    ended = adaptx("new", "train_en.csv", "test.yo.tsv", "swahili-test.parquet", "--out", "reviews.py")
    assert ended.status == 0, ended.err
    assert ended.out.splitlines() == [
        "task: classification, 2 labels",
        "train_en.csv: train, English (en), 20 rows; text from 'review', label from 'stars'",
        "test.yo.tsv: evaluation, Yoruba (yo), 8 rows; text from 'review', label from 'stars'",
        "swahili-test.parquet: evaluation, Swahili (sw), 8 rows; text from 'maoni', label from 'stars'",
        "intermediate task: mnli",
        "reviews.py is written; next: adaptx plan reviews.py",
    ]
    written = (tmp_path / "reviews.py").read_text()
    assert '"sw": LocalFile(HERE / "swahili-test.parquet", columns={"text": "maoni"}),' in written
    assert "# English, 20 rows (1: 10, 0: 10)" in written
    assert 'FORMAT = Classification(("0", "1"))' in written
    assert '# labels={"0": "NAME", "1": "NAME"} to local_task(...)' in written
    assert max(map(len, written.splitlines())) <= 120
    planned = adaptx("plan", "reviews.py", *SMALL)
    assert planned.status == 0, planned.err
    assert "3 trainings, 4 evaluations" in planned.out
    again = adaptx("new", "train_en.csv", "test.yo.tsv", "--out", "reviews.py")
    assert (again.status, again.out) == (2, "")
    assert "reviews.py exists and is not overwritten; name another file with --out, or remove it" in again.message
    assert (tmp_path / "reviews.py").read_text() == written

    (tmp_path / "adaptx-store").mkdir(exist_ok=True)
    (tmp_path / "adaptx-store" / "mlflow.db").write_bytes(empty_database.read_bytes())
    tiny = ("--data", "sample", "--model", world.folder / "models/tiny/bert", "--set", "seeds=1", "--limit", "8")
    ran = adaptx("run", "reviews.py", *tiny, "--set", "epochs=1", "--device", "cpu")
    assert ran.status == 0, ran.out + ran.err
    scores = [json.loads(file.read_text()) for file in (tmp_path / "adaptx-store" / "evaluate").glob("*/scores.json")]
    assert len(scores) == 4
    assert {score["rows_used"] for score in scores} == {8}


def test_a_recipe_for_tagged_words(adaptx, tmp_path) -> None:
    (tmp_path / "train.en.conll").write_text("Ana\tB-PER\nlives\tO\n\nin\tO\nLagos\tB-LOC\n")
    (tmp_path / "dev.en.conll").write_text("Ana\tB-PER\nlives\tO\n")
    (tmp_path / "ibo.test.tsv").write_text("Ada\tB-PER\nbi\tO\n\nn'\tO\nEnugu\tB-ORG\n")
    ended = adaptx("new", "ibo.test.tsv", "train.en.conll", "dev.en.conll")
    assert ended.status == 0, ended.err
    assert "ibo.test.tsv: no training row has the label B-ORG, so no model can learn it" in ended.message
    written = (tmp_path / "my_recipe.py").read_text()
    assert 'FORMAT = Tagging(("O", "B-LOC", "B-ORG", "B-PER"))' in written
    assert "INTERMEDIATE = UDPOS" in written
    assert "chosen = replace(config, selection=Best(every=20))" in written
    planned = adaptx("plan", "my_recipe.py", *SMALL)
    assert planned.status == 0, planned.err
    assert "3 trainings, 2 evaluations" in planned.out


def test_a_recipe_for_questions(adaptx, tmp_path) -> None:
    row = {"question": "Who?", "context": "Ana lives.", "answers": {"text": ["Ana"], "answer_start": [0]}}
    for name in ("qa-train-en.jsonl", "qa-test-sw.jsonl"):
        (tmp_path / name).write_text(json.dumps({"id": "1", **row}) + "\n")
    ended = adaptx("new", "qa-train-en.jsonl", "qa-test-sw.jsonl", "--intermediate", "snli")
    assert ended.status == 0, ended.err
    assert "question-answering" in ended.out
    assert "# snli was named by --intermediate." in (tmp_path / "my_recipe.py").read_text()
    assert adaptx("plan", "my_recipe.py", *SMALL).status == 0


def test_pairs_and_columns_that_only_values_tell(adaptx, tmp_path) -> None:
    frame = pd.DataFrame({"sentence1": ["a", "b", "c", "d"], "sentence2": ["e"] * 4, "gold_label": ["x", "y"] * 2})
    for name in ("train.en.csv", "test.sw.csv"):
        frame.to_csv(tmp_path / name, index=False)
    adaptx("new", "train.en.csv", "test.sw.csv", "--out", "pairs.py")
    (evaluate, *_) = load_recipe(tmp_path / "pairs.py", {"seeds": "1"}).evaluations
    assert dict(evaluate.task.train[0].columns) == {"text": "sentence1", "label": "gold_label", "pair": "sentence2"}
    other = pd.DataFrame({"nr": range(8), "maandishi": ["habari ndefu"] * 8, "aina": ["siasa", "michezo"] * 4})
    for name in ("train.en.csv", "test.sw.csv"):
        other.to_csv(tmp_path / name, index=False)
    told = adaptx("new", "train.en.csv", "test.sw.csv", "--out", "types.py").out
    assert "text from 'maandishi', label from 'aina'" in told


@pytest.mark.parametrize(
    ("files", "options", "said"),
    [
        ({"rows.csv": TWO}, ("--language", "en"), "split one: python -c"),
        ({"train.csv": TWO, "test.sw.csv": ONE}, (), "say it with --language train.csv=sw"),
        (
            {"train.en.csv": "a,b\n1,2\n3,4\n", "test.sw.csv": "a,b\n1,2\n"},
            (),
            "no column is known to hold the text and the label",
        ),
        (
            {"train.en.csv": "text,label\na,x\nb,\n", "test.sw.csv": ONE},
            (),
            "train.en.csv, line 3: label is '', not a label",
        ),
        (USUAL, ("--use", "x.csv=train"), "'x.csv' names 0 of the files"),
        ({"train.en.csv": TWO, "test.en.csv": ONE, "test2.en.csv": ONE}, (), "are both for evaluation in en"),
        ({"train.en.csv": "text,label\na,x\nb,x\n", "test.sw.csv": ONE}, (), "the number of labels is 1"),
        (USUAL, ("--out", "x.txt"), "a recipe is a Python file; write --out x.py"),
        (USUAL, ("--intermediate", "tatoeba"), "it has no training rows in the catalog"),
        (
            {"train.en.csv": "text,pair,label\na,b,x\nb,c,y\n", "test.sw.csv": ONE},
            (),
            "has a second text ('pair'), and test.sw.csv has none",
        ),
    ],
)
def test_what_is_unclear_is_asked(adaptx, tmp_path, files: dict[str, str], options: tuple[str, ...], said: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    ended = adaptx("new", *files, *options)
    assert (ended.status, ended.out) == (2, "")
    assert said in ended.message
    assert not list(tmp_path.glob("*.py"))


def test_the_command_that_splits_a_file_works(adaptx, tmp_path) -> None:
    pd.DataFrame({"text": [f"t{n}" for n in range(10)], "label": ["x", "y"] * 5}).to_csv(
        tmp_path / "rows.csv", index=False
    )
    message = adaptx("new", "rows.csv", "--language", "en").message
    command = message.partition("split one: ")[2].replace("python", sys.executable, 1)
    subprocess.run(shlex.split(command), check=True, cwd=tmp_path)
    ended = adaptx("new", "rows.train.csv", "rows.test.csv", "--language", "en")
    assert "rows.test.csv: evaluation, English (en), 2 rows" in ended.out


@pytest.mark.parametrize(
    ("name", "language", "use"),
    [
        ("train.en.csv", "en", "train"),
        ("swahili-test.parquet", "sw", "evaluation"),
        ("data/ibo/dev.tsv", "ibo", "development"),
        ("ibo_Latn.test.jsonl", "ibo_Latn", "evaluation"),
        ("my_data.csv", None, None),
        ("train.my.csv", "my", "train"),
        ("reviews.csv.gz", None, None),
        ("validation_pt.csv.gz", "pt", "development"),
    ],
)
def test_what_a_name_says(tmp_path, name: str, language: str | None, use: str | None) -> None:
    path = tmp_path / "files" / name
    assert (language_of(path), use_of(path)) == (language, use)


def test_the_commands_on_the_page_work(adaptx, tmp_path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "tasks.md").read_text(encoding="utf-8")
    lines = [line for line in page.splitlines() if line.startswith("adaptx new ")]
    assert len(lines) == 1
    frame = pd.DataFrame({"tweet": ["one text", "another"] * 4, "label": ["x", "y"] * 4})
    frame.to_csv(tmp_path / "train.en.csv", index=False)
    frame.to_csv(tmp_path / "test.swahili.csv", index=False)
    frame.to_parquet(tmp_path / "test.yo.parquet")
    ended = adaptx(*shlex.split(lines[0])[1:])
    assert ended.status == 0, ended.err
    assert [line for line in page.splitlines() if line == "adaptx plan tweets.py"]
    assert adaptx("plan", "tweets.py", *SMALL).status == 0
