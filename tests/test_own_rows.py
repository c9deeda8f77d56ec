"""`adaptx predict` and `evaluate` on the user's own files: columns kept, formats by name, standard input, scores."""

import csv
import io
import json
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import tiny

from adaptx.catalog.local import local_task
from adaptx.cli import app as cli
from adaptx.cli.columns import read_columns
from adaptx.cli.views.scores import score_parts
from adaptx.data.written import csv_text, write_columns
from adaptx.errors import UserError
from adaptx.execution.predicting import PredictedFile
from adaptx.files.delimited import read_delimited
from adaptx.files.standard_input import ending_of
from adaptx.metrics.per_class import confusion_matrix
from adaptx.specs import Evaluate, Lora, Tagging

CONLL = "rumi B-X\nnepa O\n\npapu O\nnusa O\nrumi B-X\n"


class Store(NamedTuple):
    folder: Path
    nli: str
    tags: str


@pytest.fixture(scope="module")
def trained(world: tiny.World, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with a training on pairs and one on tagged words."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "tags.en.conll").write_text(CONLL)
    files = {"en": folder / "tags.en.conll"}
    tags = local_task("tags", Tagging(("O", "B-X")), files, evaluation=files)
    trainings = (tiny.train(world.bert, tiny.NLI, Lora(4, 8)), tiny.train(world.bert, tags, Lora(4, 8)))
    stages = tuple(Evaluate(train, train.tasks[0], "en") for train in trainings)
    plan, shop, summary = tiny.execute(world, folder / "store", stages)
    assert not summary.failed
    return Store(folder / "store", *(tiny.folder_of(plan, shop, train).name for train in trainings))


class Ended(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def adaptx(
    trained: Store, world: tiny.World, capfd: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Ended]:
    """The command line on the trained store, in the folder of the test. `given` is standard input."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: object, given: bytes | None = None) -> Ended:
        words = ["adaptx", *map(str, arguments), "--store", str(trained.folder), "--data", str(world.folder)]
        monkeypatch.setattr(sys, "argv", [*words, "--device", "cpu"])
        if given is not None:
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        with pytest.raises(SystemExit) as end:
            cli.main()
        captured = capfd.readouterr()
        return Ended(int(end.value.code or 0), captured.out, captured.err)

    return call


PAIRS = 'id,first,second,note\n7,rumi pere,pere,"a, b"\n8,nepa papu nusa,rumi,\n'


def test_predictions_follow_the_columns_of_the_file(adaptx, trained, tmp_path) -> None:
    (tmp_path / "pairs.csv").write_text(PAIRS)
    named = ("--columns", "text=first", "--columns", "pair=second")
    ended = adaptx("predict", trained.nli, "pairs.csv", *named, "--out", "answers.csv")
    assert (ended.status, ended.out.strip()) == (0, "2 predictions in answers.csv")
    with (tmp_path / "answers.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    probabilities = [f"probabilities.{label}" for label in tiny.LABELS]
    assert list(rows[0]) == ["id", "first", "second", "note", "prediction", *probabilities]
    assert [row["note"] for row in rows] == ["a, b", ""]
    for row in rows:
        shares = {label: float(row[f"probabilities.{label}"]) for label in tiny.LABELS}
        assert sum(shares.values()) == pytest.approx(1)
        assert row["prediction"] == max(shares, key=shares.__getitem__)

    adaptx("predict", trained.nli, "pairs.csv", "--columns", "text=first,pair=second", "--out", "answers.parquet")
    table = parquet.read_table(tmp_path / "answers.parquet").to_pylist()
    assert [row["id"] for row in table] == ["7", "8"]
    assert [row["prediction"] for row in table] == [row["prediction"] for row in rows]
    adaptx("predict", trained.nli, "pairs.csv", *named, "--out", "answers.jsonl")
    assert [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines()] == table

    again = adaptx("predict", trained.nli, "answers.csv", *named, "--out", "again.csv")
    assert "the rows have a column 'prediction' already, so the model's is called 'prediction_2'" in again.err
    with (tmp_path / "again.csv").open(newline="") as stream:
        for row in csv.DictReader(stream):
            assert row["prediction_2"] == row["prediction"]


@pytest.mark.parametrize(
    "given",
    [PAIRS.encode(), PAIRS.replace('"a, b"', "a").replace(",", "\t").encode(), b'{"first": "a", "second": "b"}'],
)
def test_rows_are_read_from_standard_input(adaptx, trained, given: bytes) -> None:
    ended = adaptx("predict", trained.nli, "-", "--columns", "text=first,pair=second", given=given)
    assert ended.status == 0, ended.err
    lines = [json.loads(line) for line in ended.out.splitlines()]
    assert all(line["first"] and line["prediction"] in tiny.LABELS for line in lines)
    assert len(lines) == (1 if given.startswith(b"{") else 2)


def test_errors_of_standard_input_do_not_name_a_temporary_file(adaptx, trained) -> None:
    ended = adaptx("predict", trained.nli, "-", given=b"first,second\na,b,c\n")
    assert ended.status == 2
    assert "standard input, line 2: 3 cells for 2 columns" in ended.err
    ended = adaptx("predict", trained.nli, "-", given=b"first,pair\na,b\n")
    assert "standard input has no column 'premise' (or 'text') for task nli; it has: first, pair" in ended.err
    assert "--columns text=COLUMN" in ended.err
    assert "standard input is empty; pipe rows into the command" in adaptx("predict", trained.nli, "-", given=b"").err
    blank = adaptx("predict", trained.nli, "-", given=b"text,pair\na,b\n\nc,d\n")
    assert "standard input: left out 1 line: blank; the first is line 3" in blank.err


def test_tags_are_predicted_next_to_the_words_and_gold_tags(adaptx, trained, tmp_path) -> None:
    (tmp_path / "words.conll").write_text(CONLL)
    for name in ("words.conll", "-"):
        ended = adaptx("predict", trained.tags, name, given=CONLL.encode())
        assert ended.status == 0, ended.err
        rows = [json.loads(line) for line in ended.out.splitlines()]
        assert [list(row) for row in rows] == [["tokens", "tags", "prediction"]] * 2
        assert rows[0]["tokens"] == ["rumi", "nepa"]
        assert rows[0]["tags"] == ["B-X", "O"]
        assert [len(row["prediction"]) for row in rows] == [2, 3]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--out", "answers.txt"), "rows are written to files that end in .csv, .jsonl, .parquet, not .txt"),
        (("--columns", "text"), "--columns text: write it as ROLE=COLUMN, for example text=sentence"),
        (("--columns", "txt=first"), "task nli does not read the role 'txt'; it has: text, pair, label"),
        (("--columns", "text=First"), "has no column 'First'; it has: id, first, second, note ('first' differs"),
    ],
)  # fmt: skip
def test_wrong_options_are_refused(adaptx, trained, tmp_path, words, said: str) -> None:
    (tmp_path / "pairs.csv").write_text(PAIRS)
    ended = adaptx("predict", trained.nli, "pairs.csv", *words)
    assert (ended.status, ended.out) == (2, "")
    assert said in " ".join(ended.err.split())


def test_evaluating_prints_macro_f1_classes_and_confusions(adaptx, trained, tmp_path) -> None:
    rows = ["rumi pere,pere,entailment", "nepa papu nusa,rumi,neutral", "papu,papu,neutral", "rumi,nusa,contradiction"]
    (tmp_path / "gold.csv").write_text("\n".join(["a,b,c", *rows]) + "\n")
    columns = ("--columns", "text=a,pair=b,label=c")
    ended = adaptx("evaluate", trained.nli, "--task", "gold.csv", *columns)
    assert ended.status == 0, ended.err
    found = json.loads(adaptx("evaluate", trained.nli, "--task", "gold.csv", *columns, "--json").out)
    golds = [row.split(",")[2] for row in rows]
    matrix = confusion_matrix(found["predictions"], golds)
    assert found["confusion"] == {"classes": list(matrix.classes), "counts": [list(each) for each in matrix.counts]}
    right = sum(one == two for one, two in zip(found["predictions"], golds, strict=True))
    assert sum(found["confusion"]["counts"][place][place] for place in range(len(matrix.classes))) == right
    assert found["macro_f1"] == pytest.approx(sum(each["f1"] for each in found["classes"]) / len(found["classes"]))
    assert [each["rows"] for each in found["classes"] if each["class"] == "neutral"] == [2]
    lines = ended.out.splitlines()
    assert lines[0].startswith("accuracy: ")
    assert lines[1] == f"macro_f1: {100 * found['macro_f1']:.1f} % (mean over {len(found['classes'])} classes)"
    assert lines[3].split() == ["class", "rows", "predicted", "precision,", "%", "recall,", "%", "F1,", "%"]
    assert "confusion matrix: a row per gold class, a column per predicted class" in lines
    place = matrix.classes.index("neutral")
    assert lines[-len(matrix.classes) + place].split() == ["neutral", *map(str, matrix.counts[place])]


def test_tagging_keeps_its_own_metrics(adaptx, trained, tmp_path) -> None:
    (tmp_path / "words.conll").write_text(CONLL)
    ended = adaptx("evaluate", trained.tags, "--task", "words.conll", "--json")
    found = json.loads(ended.out)
    assert set(found["metrics"]) == {"entity_f1", "token_accuracy"}
    assert "macro_f1" not in found


def test_the_commands_on_the_page_have_existing_options(adaptx, trained, tmp_path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "tasks.md").read_text(encoding="utf-8")
    (block,) = [each for each in re.findall(r"```bash\n(.*?)```", page, re.DOTALL) if "adaptx predict STAGE" in each]
    first, piped, scored = block.splitlines()
    (tmp_path / "tweets.csv").write_text("tweet,hypothesis\nrumi pere,pere\n")
    ended = adaptx(*shlex.split(first.replace("STAGE", trained.nli))[1:])
    assert ended.status == 0, ended.err
    assert (tmp_path / "answers.csv").read_text().startswith("tweet,hypothesis,prediction,")
    words = shlex.split(piped.partition("|")[2].partition(">")[0].replace("STAGE", trained.nli))
    ended = adaptx(*words[1:], given=b'{"text": "rumi", "pair": "pere"}\n')
    assert ended.status == 0, ended.err
    (tmp_path / "gold.csv").write_text("tweet,hypothesis,gold\nrumi pere,pere,neutral\n")
    ended = adaptx(*shlex.split(scored.replace("STAGE", trained.nli))[1:])
    assert ended.status == 0, ended.err
    assert "macro_f1: " in ended.out


# --- the parts


def test_many_classes_are_shown_by_their_most_frequent_errors() -> None:
    names = [f"[{number:02}]" for number in range(13)]
    matrix = confusion_matrix([*names[1:], names[0], "[05]", "[05]"], [*names, "[02]", "[02]"])
    assert matrix.confusions()[0] == ("[02]", "[05]", 2)
    scores: Any = {"clusters": None, "rows_used": 15, "metrics": {}, "intervals": {}, "macro_f1": 0.0, "classes": []}
    parts = score_parts({**scores, "confusion": {"classes": matrix.classes, "counts": matrix.counts}})
    assert "the most frequent errors of 13 classes; 4 more with --json" in [str(part) for part in parts]


def test_a_confusion_matrix_counts_rows() -> None:
    matrix = confusion_matrix(["a", "a", "a", "b", ""], ["a", "a", "b", "c", "c"])
    assert matrix.classes == ("no label", "a", "b", "c")
    assert matrix.counts == ((0, 0, 0, 0), (0, 2, 0, 0), (0, 1, 0, 0), (1, 0, 1, 0))
    assert matrix.confusions() == [("b", "a", 1), ("c", "no label", 1), ("c", "b", 1)]


def test_details_that_repeat_the_row_are_left_out() -> None:
    records = [{"row": 0, "prediction": ["O"], "tokens": ["a"], "tags": ["O"]}]
    found = PredictedFile({"tokens": [["a"]]}, records, ("tags", "tokens")).with_predictions()
    assert found == {"tokens": [["a"]], "prediction": [["O"]]}


texts = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0\ufeff"), max_size=12)


@settings(max_examples=40)
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=6))
def test_texts_come_back_from_csv(tmp_path_factory, rows: list[tuple[str, str]]) -> None:
    file = tmp_path_factory.mktemp("csv") / "rows.csv"
    columns = {"one": [one for one, _ in rows], "two": [two for _, two in rows]}
    write_columns(file, columns)
    assert read_delimited(file).columns == columns


def test_what_csv_cells_hold() -> None:
    columns = {"n": [1, None], "l": [["a", "b"], []], "p": [{"x": 0.5, "y": True}, {"x": 0.25, "y": False}]}
    assert csv_text(columns) == 'n,l,p.x,p.y\n1,"[""a"", ""b""]",0.5,true\n,[],0.25,false\n'


def test_an_empty_text_in_the_only_column_is_a_row(tmp_path) -> None:
    write_columns(tmp_path / "rows.csv", {"text": ["", "a"]})
    assert read_delimited(tmp_path / "rows.csv").columns == {"text": ["", "a"]}


def test_values_that_a_file_cannot_hold_are_refused(tmp_path) -> None:
    with pytest.raises(UserError, match=r"'x' holds a value of type bytes, .* write a \.parquet file"):
        write_columns(tmp_path / "rows.csv", {"x": [b"a"]})
    with pytest.raises(UserError, match=r"'x' holds values of different types, .* write a \.jsonl file"):
        write_columns(tmp_path / "rows.parquet", {"x": [1, "a"]})


def test_columns_of_a_role() -> None:
    assert read_columns(["text=a, b", "pair=c,label=d"]) == {"text": "a, b", "pair": "c", "label": "d"}
    assert read_columns(["choices=one", "choices=two"]) == {"choices": ("one", "two")}


@pytest.mark.parametrize(
    ("data", "tagging", "ending"),
    [
        (b"PAR1...", False, ".parquet"),
        (b'\n {"a": 1}', True, ".jsonl"),
        (b"a,b\n1,2\n", False, ".csv"),
        (b"text\nx\ty\n", False, ".csv"),
        (b"a\tb\r\n", False, ".tsv"),
        (b"EU B-ORG\n", True, ".conll"),
        (b"EU\tB-ORG\n", True, ".conll"),
        (b"tokens\ttags\n", True, ".tsv"),
        (b'"tokens","tags"\n', True, ".csv"),
    ],
)
def test_the_form_of_standard_input(data: bytes, tagging: bool, ending: str) -> None:
    assert ending_of(data, tagging) == ending
