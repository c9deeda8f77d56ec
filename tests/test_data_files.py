"""Files of the user's own: for a trained stage's predictions, as a task of a recipe, and CCGbank's."""

import json
from pathlib import Path

import pandas as pd
import pytest

from adaptx.catalog import NLI, SIB200, TATOEBA
from adaptx.catalog.ccg import ccg_task
from adaptx.catalog.local import local_task
from adaptx.data.files import read_file
from adaptx.data.reading import read_pool, read_rows, read_training
from adaptx.errors import MissingInput, UserError
from adaptx.metrics import METRICS
from adaptx.planning.identity import Identities
from adaptx.sources.sources import Sources
from adaptx.specs import (
    Bitext,
    BitextMining,
    Classification,
    Full,
    MaskedLanguageModel,
    ModelSpec,
    MultipleChoice,
    QuestionAnswering,
    Retrieval,
    Rows,
    Tagging,
    Task,
    TaskFormat,
    Train,
    TrainConfig,
)

PAIRS = {"premise": ["It rains.", "Null", ""], "hypothesis": ["It is wet.", "NA", "x"], "label": [0, 2, 1]}
TAGS = Tagging(("O", "B-PER", "I-PER"))


def write(folder: Path, ending: str, table: dict[str, list], name: str = "rows") -> Path:
    """A file of that ending; lists become JSON where cells are texts."""
    file = folder / f"{name}.{ending}"
    frame = pd.DataFrame(table)
    if ending in ("csv", "tsv"):
        cells = frame.map(lambda cell: json.dumps(cell) if isinstance(cell, list) else cell)
        cells.to_csv(file, index=False, sep="," if ending == "csv" else "\t")
    elif ending == "jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in frame.to_dict("records")))
    else:
        frame.to_parquet(file)
    return file


# --- rows for a trained stage


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
    pairs = read_file(write(tmp_path, "csv", {"query": ["a"], "candidate": ["b"]}), TATOEBA, False)
    assert set(pairs.columns) == {"query", "candidate"}


COPA = Rows(
    "o/copa", "c", "train", "en",
    (("text", "premise"), ("question", "asks"), ("choices", ("choice1", "choice2")), ("label", "label")),
    choice_keys=(0, 1), wording=(("question", (("cause", "Why?"),)),),
)  # fmt: skip
SQUAD = Rows(
    "o/squad", "c", "train", "en",
    (("question", "question"), ("context", "context"), ("answers", "answers.text"), ("answer_starts", "answers.at")),
)  # fmt: skip
NER = Rows("o/ner", "c", "train", "en", (("tokens", "tokens"), ("tags", "ner_tags")), label_names=TAGS.labels)
LAREQA = Rows("o/r", "c", "test", "en", (("query", "question"), ("gold", "id")))
BUCC = Rows("o/b", "c", "test", "de", (("source", "sentence1"), ("target", "sentence2"), ("gold", "gold")))
MASKED = Rows("o/m", "c", "train", "en", (("text", "text"),))
OWN = {
    "multiple choice": (
        Task("copa", MultipleChoice(), train=(COPA,)),
        {"premise": ["p"], "asks": ["cause"], "choice1": ["x"], "choice2": ["y"], "label": [1]},
        {"text": ["p"], "question": ["Why?"], "choices": [["x", "y"]], "label": [1]},
    ),
    "multiple choice by role": (
        Task("copa", MultipleChoice(), train=(COPA,)),
        {"text": ["p"], "question": ["So?"], "choices": [["x", "y", "z"]], "label": [2]},
        "(row 0|line [12]): label '?2'? does not name a choice, because the choices are called 0, 1",
    ),
    "question answering": (
        Task("squad", QuestionAnswering(), train=(SQUAD,)),
        {"question": ["q"], "context": ["a b"], "answers": [["b"]]},
        {"question": ["q"], "context": ["a b"], "answers": [["b"]]},
    ),
    "tagging by id": (
        Task("ner", TAGS, train=(NER,)),
        {"tokens": [["Jo", "ran"]], "ner_tags": [[1, 0]]},
        {"tokens": [["Jo", "ran"]], "tags": [["B-PER", "O"]]},
    ),
    "tagging by name": (
        Task("ner", TAGS, train=(NER,)),
        {"tokens": [["Jo", "ran"]], "tags": [["B-PER", "O"]]},
        {"tokens": [["Jo", "ran"]], "tags": [["B-PER", "O"]]},
    ),
    "retrieval": (
        Task("r", Retrieval(), train=(SQUAD,), evaluation=(LAREQA,)),
        {"question": ["q"], "id": [7]},
        {"query": ["q"], "gold": [["7"]]},
    ),
    "mining": (
        Task("b", BitextMining(), evaluation=(BUCC,)),
        {"source": [["a"]], "target": [["b", "c"]], "gold": [[[1, 2]]]},
        {"source": [["a"]], "target": [["b", "c"]], "gold": [[[1, 2]]]},
    ),
    "masking": (Task("m", MaskedLanguageModel(), train=(MASKED,)), {"text": ["a b"]}, {"text": ["a b"]}),
}  # fmt: skip


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl"])
@pytest.mark.parametrize("name", OWN)
def test_files_of_every_format(tmp_path, name: str, ending: str) -> None:
    task, table, expected = OWN[name]
    file = write(tmp_path, ending, table)
    if isinstance(expected, str):
        with pytest.raises(UserError, match=expected):
            read_file(file, task, labelled=True)
        return
    assert read_file(file, task, labelled=True).columns == expected
    unlabelled = {role: values for role, values in expected.items() if role not in ("label", "tags", "answers", "gold")}
    assert read_file(file, task, labelled=False).columns == unlabelled


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "rows.csv",
            "premise,label\na,0\n",
            r"no column 'hypothesis' \(or 'pair'\) for task nli; it has: premise, label",
        ),
        ("rows.csv", "premise,hypothesis,label\n", "has no rows"),
        ("rows.csv", "", "cannot be read as csv: it is empty"),
        ("rows.csv", 'a,b\n"x,1\n', "cannot be read as csv"),
        ("rows.csv", "premise,hypothesis,label\na,b,c,0\n", r"line 2: 4 cells for 3 columns \(premise, hyp.*a comma"),
        ("rows.csv", "premise,hypothesis,label\na,b,7\n", r"rows.csv, line 2: label '7' is not in the label set"),
        ("rows.jsonl", "{not json\n", "cannot be read as jsonl: line 1"),
        ("rows.jsonl", "[1]\n", r"line 1 is not an object: \[1\]"),
        (
            "rows.jsonl",
            '{"text": "a", "pair": "b", "label": 0}\n{"text": "a", "label": 0}\n',
            "line 2: pair is None, not",
        ),
        ("rows.parquet", "not parquet", "cannot be read as parquet"),
        ("rows.xlsx", "x", r"only files that end in \.csv, \.tsv, \.jsonl, \.parquet are read, not \.xlsx"),
        ("rows", "x", "are read, not none"),
    ],
)
def test_files_that_are_wrong(tmp_path, name: str, content: str, said: str) -> None:
    file = tmp_path / name
    file.write_text(content)
    with pytest.raises(UserError, match=said):
        read_file(file, NLI, labelled=True)


def test_lists_in_csv_are_json(tmp_path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text('tokens,tags\n"[""a""]","[""O""]"\na b,O O\n')
    with pytest.raises(
        UserError, match=r"line 3: tokens is 'a b', not a JSON list; write it as \[\"first\", \"second\"\]"
    ):
        read_file(file, Task("ner", TAGS, train=(NER,)), labelled=True)


def test_a_file_that_is_not_there(tmp_path) -> None:
    with pytest.raises(MissingInput, match=r"none\.csv: there is no such file"):
        read_file(tmp_path / "none.csv", NLI, labelled=True)


# --- CoNLL columns

CONLL = """-DOCSTART- -X- O

# sent_id = 1
Jo NNP B-PER
Ray NNP I-PER
ran VBD O

# . O
# . O
"""


@pytest.mark.parametrize("name", ["dev.txt", "dev.conll", "dev.bio"])
def test_conll_columns(tmp_path, name: str) -> None:
    file = tmp_path / name
    file.write_text(CONLL)
    examples = read_rows(local_task("ner", TAGS, {"en": file}).train[0], TAGS, Sources(None))
    assert examples.columns == {
        "tokens": [["Jo", "Ray", "ran"], ["#", "#"]],
        "tags": [["B-PER", "I-PER", "O"], ["O", "O"]],
    }, "lines that begin with `# ` are comments, unless they have the columns and a tag of a word's line"
    assert [(each.reason, each.count, each.first) for each in examples.left_out] == [
        ("document marks (-DOCSTART-)", 1, 1),
        ("comments (#)", 1, 3),
    ]


def test_tabs_keep_words_with_spaces_and_hashes(tmp_path) -> None:
    file = tmp_path / "dev.tsv"
    file.write_text("New York\tB-PER\r\n#\tO\r\n\r\n\r\nyes\tO")
    examples = read_file(file, Task("ner", TAGS, train=(NER,)), labelled=True)
    assert examples.columns["tokens"] == [["New York", "#"], ["yes"]]
    assert examples.columns["tags"] == [["B-PER", "O"], ["O"]]
    file.write_text("Jo\nran\n")
    assert read_file(file, Task("ner", TAGS, train=(NER,)), labelled=False).columns == {"tokens": [["Jo", "ran"]]}
    with pytest.raises(UserError, match=r"no column 'ner_tags' \(or 'tags'\)"):
        read_file(file, Task("ner", TAGS, train=(NER,)), labelled=True)
    file.write_text("Jo\tB-PER\nran\n")
    with pytest.raises(UserError, match="line 2: 'ran' has 1 column, but line 1 has 2"):
        read_file(file, Task("ner", TAGS, train=(NER,)), labelled=True)
    file.write_bytes("Jos\u00e9\tO\n".encode("latin-1"))
    with pytest.raises(
        UserError, match=r"line 1: byte 4 \(0xe9\) is not valid UTF-8.* reads 'José.*iconv -f windows-1252"
    ):
        read_file(file, Task("ner", TAGS, train=(NER,)), labelled=True)


# --- tasks of one's own

TOPICS = Classification(("sport", "politics"))


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_own_files_are_a_task_wherever_other_data_lies(tmp_path, ending: str, monkeypatch) -> None:
    write(tmp_path, ending, {"text": ["goal", "vote"], "label": ["sport", "politics"]}, "train")
    write(tmp_path, ending, {"text": ["bao"], "label": [0]}, "sw")
    monkeypatch.chdir(tmp_path)
    task = local_task("news", TOPICS, train={"en": f"train.{ending}"}, evaluation={"sw": Path(f"sw.{ending}")})
    monkeypatch.chdir("/")
    for data in ("sample", None):
        assert read_training(task, Sources(data)).columns == {"text": ["goal", "vote"], "label": ["sport", "politics"]}
        assert read_rows(task.rows_in("sw"), TOPICS, Sources(data)).columns["label"] == ["sport"]
    assert task.metrics == ("accuracy",)
    assert task.source_languages == ("en",)


def test_columns_may_be_called_otherwise_and_optional_ones_are_found(tmp_path) -> None:
    file = write(tmp_path, "csv", {"one": ["a"], "two": ["b"], "gold": ["sport"], "pair": ["c"]})
    task = local_task("news", TOPICS, {"en": file}, columns={"text": ("one", "two"), "label": "gold"})
    assert read_training(task, Sources(None)).columns == {"text": ["a b"], "label": ["sport"], "pair": ["c"]}
    with pytest.raises(
        UserError, match=r"Classification has no role words; it has: text, label, pair, cluster\. Write columns="
    ):
        local_task("news", TOPICS, {"en": file}, columns={"words": "one"})
    with pytest.raises(UserError, match=r"no column 'text' \(read as text\); it has: one, two, gold, pair"):
        read_training(local_task("news", TOPICS, {"en": file}, columns={"label": "gold"}), Sources(None))


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_labels_that_are_numbers_are_names(tmp_path, ending: str) -> None:
    file = write(tmp_path, ending, {"text": ["bad", "good"], "label": [1, 3]})
    stars = Classification(("1", "2", "3"))
    assert read_training(local_task("stars", stars, {"en": file}), Sources(None)).columns["label"] == ["1", "3"]


LOCAL: dict[str, tuple[TaskFormat, dict[str, list], set[str]]] = {
    "choices": (MultipleChoice(), {"text": ["t"], "choices": [["a", "b"]], "label": [1]}, {"text", "choices", "label"}),
    "answers": (
        QuestionAnswering(),
        {"question": ["q"], "context": ["a b"], "answers": [["b"]], "answer_starts": [[2]]},
        {"question", "context", "answers", "answer_starts"},
    ),
    "tags": (TAGS, {"tokens": [["a"]], "tags": [["O"]]}, {"tokens", "tags"}),
    "pairs": (Bitext(), {"query": ["a"], "candidate": ["b"]}, {"query", "candidate"}),
    "lists": (BitextMining(), {"source": [["a"]], "target": [["b"]], "gold": [[[1, 1]]]}, {"source", "target", "gold"}),
    "texts": (MaskedLanguageModel(), {"text": ["a"]}, {"text"}),
    "queries": (Retrieval(), {"query": ["a"], "candidate": ["b"]}, {"query", "candidate"}),
    "passages": (
        Retrieval(),
        {"query": ["a"], "passage": ["b c."], "answer_starts": [[2]]},
        {"query", "candidate", "candidate_context"},
    ),
}


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
@pytest.mark.parametrize("name", LOCAL)
def test_own_tasks_of_every_format(tmp_path, name: str, ending: str) -> None:
    task_format, table, roles = LOCAL[name]
    task = local_task(name, task_format, {"en": write(tmp_path, ending, table)})
    examples = read_training(task, Sources(None))
    assert set(examples.columns) == roles
    assert len(examples) == 1
    assert set(task.metrics) <= set(METRICS)


def test_own_queries_and_their_pool(tmp_path) -> None:
    queries = write(tmp_path, "csv", {"query": ["who?"], "gold": ["Q1"]}, "queries")
    pool = write(
        tmp_path, "jsonl", {"id": ["Q1", "Q2"], "candidate": ["a", "b"], "candidate_context": ["c", "d"]}, "pool"
    )
    task = local_task("own", Retrieval(), evaluation={"en": queries}, pool={"en": pool})
    assert read_rows(task.rows_in("en"), task.format, Sources(None)).columns == {"query": ["who?"], "gold": [["Q1"]]}
    assert read_pool(task, Sources(None)).columns["answers"] == [["Q1"], ["Q2"]]


def test_default_metrics_follow_the_labels() -> None:
    assert TAGS.default_metrics == ("entity_f1", "token_accuracy")
    assert Tagging(("NOUN", "VERB")).default_metrics == ("token_accuracy",)
    assert QuestionAnswering().default_metrics == ("f1", "exact_match")
    assert QuestionAnswering(unanswerable=True).default_metrics == ("squad_v2_f1", "squad_v2_exact_match")


def test_what_is_in_an_own_file_is_in_the_identity(tmp_path) -> None:
    table = {"text": ["goal"], "label": ["sport"]}
    (tmp_path / "a").mkdir()
    first, moved = write(tmp_path, "csv", table), write(tmp_path / "a", "csv", table, "renamed")
    model = ModelSpec("adaptx/e5-mini")

    def fingerprint(file: Path) -> str:
        task = local_task("news", TOPICS, {"en": file})
        return Identities(Sources("sample")).of(Train(model, task, Full(), TrainConfig(1e-3, epochs=1))).fingerprint

    before = fingerprint(first)
    assert fingerprint(moved) == before, "where the file lies changes nothing"
    write(tmp_path, "csv", {"text": ["ball"], "label": ["sport"]})
    assert fingerprint(first) != before


def test_own_files_that_are_not_there(tmp_path) -> None:
    file = write(tmp_path, "csv", {"text": ["goal"], "label": ["sport"]})
    with pytest.raises(
        MissingInput, match=r"the evaluation file of sw does not exist: .*none\.csv; its folder contains: rows\.csv"
    ):
        local_task("news", TOPICS, {"en": file}, evaluation={"sw": tmp_path / "none.csv"})
    with pytest.raises(MissingInput, match="its folder does not exist or is empty"):
        local_task("news", TOPICS, {"en": tmp_path / "nowhere" / "none.csv"})
    task = local_task("news", TOPICS, {"en": file})
    file.rename(tmp_path / "elsewhere.csv")
    with pytest.raises(MissingInput, match=r"no rows for en at .*rows\.csv; the folder holds: elsewhere\.csv"):
        read_training(task, Sources(None))


# --- CCGbank


def derivation(number: int, *leaves: tuple[str, str]) -> str:
    """A made sentence as CCGbank's .auto files write it: an ID line, then the tree on one line."""
    tree = " ".join(f"(<L {category} NN NN {word} {category}>)" for category, word in leaves)
    return f"ID=wsj_0001.{number} PARSER=GOLD NUMPARSE=1\n(<T S[dcl] 0 2> {tree} )\n"


SENTENCE = (("NP", "Jo"), (r"(S[dcl]\NP)/NP", "ate"), ("N", "1\\/2"), (".", "."))
SECTIONS = {"00": "dev", "02": "two", "13": "thirteen", "21": "last", "23": "test", "24": "unused", "01": "unused"}


def ccgbank(folder: Path) -> Path:
    for section, word in SECTIONS.items():
        below = folder / "data" / "AUTO" / section
        below.mkdir(parents=True)
        text = derivation(1, *SENTENCE) + derivation(2, ("N", word), (f"S/{section}", "x"))
        (below / f"wsj_{section}01.auto").write_text(text)
    return folder


def test_ccgbank_is_read_from_the_users_folder(tmp_path, monkeypatch) -> None:
    task = ccg_task(ccgbank(tmp_path))
    train = read_training(task, Sources("sample"))
    assert [words[0] for words in train.columns["tokens"]] == ["Jo", "two", "Jo", "thirteen", "Jo", "last"]
    assert train.columns["tokens"][0] == ["Jo", "ate", "1\\/2", "."]
    assert train.columns["tags"][0] == ["NP", r"(S[dcl]\NP)/NP", "N", "."]
    labels = sorted({"NP", r"(S[dcl]\NP)/NP", "N", ".", *(f"S/{s}" for s in ("00", "02", "13", "21", "23"))})
    assert task.format == Tagging(tuple(labels)), "all categories of the three parts, sorted"
    for rows, word in ((task.development[0], "dev"), (task.rows_in("en"), "test")):
        assert read_rows(rows, task.format, Sources("sample")).columns["tokens"][1] == [word, "x"]
    assert task.train[0].expected == 39_604
    monkeypatch.setenv("ADAPTX_CCGBANK", str(tmp_path))
    assert ccg_task() == task
    assert ccg_task(tmp_path / "data").format == task.format


def test_every_section_is_in_the_digest(tmp_path) -> None:
    task = ccg_task(ccgbank(tmp_path))
    before = Sources(None).rows(task.train[0])
    assert len(before.files) == 3
    changed = tmp_path / "data" / "AUTO" / "13" / "wsj_1301.auto"
    changed.write_text(derivation(1, *SENTENCE))
    assert Sources(None).rows(task.train[0]).digest != before.digest
    assert Sources(None).rows(task.development[0]).digest.startswith("sha256:")


@pytest.mark.parametrize("ending", ["tsv", "txt"])
def test_ccgbank_as_tagged_words(tmp_path, ending: str) -> None:
    for name in ("train", "dev", "test"):
        (tmp_path / f"{name}.{ending}").write_text(f"{name}\tN\nruns\tS[dcl]\\NP\n\nStop\tS[b]\n")
    task = ccg_task(tmp_path)
    assert task.format == Tagging(("N", "S[b]", "S[dcl]\\NP"))
    assert read_training(task, Sources(None)).columns["tokens"] == [["train", "runs"], ["Stop"]]
    (tmp_path / f"dev.{ending}").write_text("dev\nruns\n")
    with pytest.raises(UserError, match=r"dev\..*: the words 'dev runs' have no category"):
        ccg_task(tmp_path)


def test_where_ccgbank_is_missing_the_message_says_how_to_get_it(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("ADAPTX_CCGBANK", raising=False)
    for call, said in (
        (lambda: ccg_task(), "no folder with CCGbank is named"),
        (lambda: ccg_task(tmp_path / "none"), "there is no folder .*none with CCGbank"),
        (lambda: ccg_task(tmp_path), "has no train or development or evaluation part of CCGbank; it contains: nothing"),
    ):
        with pytest.raises(MissingInput, match=f"{said}.*LDC2005T13.*ADAPTX_CCGBANK=FOLDER.*data/AUTO"):
            call()
    (ccgbank(tmp_path) / "data" / "AUTO" / "02" / "bad.auto").write_text("no tree\n")
    with pytest.raises(UserError, match=r"bad\.auto, line 1: 'no tree' holds no leaf"):
        ccg_task(tmp_path)
